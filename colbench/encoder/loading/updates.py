"""Small trained updates of the embedded MiniLM, and the checkpoints they make.

An update is a safetensors file in `shipped/`, as a training leaves it (`update.safetensors`), in
float16; `results/train` has the trainings. It holds low-rank factors of layers of the backbone
(`<layer>.lora_A` (rank, in), `<layer>.lora_B` (out, rank)) and the tensors of a head
(`head.<name>`). Where a model is asked for, its update is added to the base weights and the sum is
saved in the cache as a plain checkpoint, under the sha256 of update, base and library versions;
everything else treats that as any other folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from colbench.digests import json_digest, sha256_file
from colbench.encoder.backends.runtime import load_quietly, with_new_classifier
from colbench.errors import StorageError
from colbench.files import write_json
from colbench.locks import locked
from colbench.paths import refuse_link
from colbench.progress import note

_DIGESTS = "sha256.json"
_SPACE = "free some space or set COLBENCH_CACHE to another folder"
_VERSIONS = ("torch", "transformers", "sentence-transformers")

Tensors = dict[str, torch.Tensor]


def update_files() -> list[Path]:
    """Return the files of the updates that come with colbench, by name."""
    return sorted(_folder().glob("*.safetensors"))


def update_names() -> list[str]:
    """Return their names."""
    return [path.stem for path in update_files()]


def updated_model(name: str, base: Path, models: Path) -> Path:
    """Return the folder of the checkpoint that an update makes, made first where it is missing.

    Args:
        name: of the update, one of `update_names`.
        base: folder of the embedded MiniLM.
        models: where checkpoints are kept.

    Raises:
        StorageError: the folder cannot be written, or is a link.
    """
    file = _folder() / f"{name}.safetensors"
    parts = [sha256_file(file), sha256_file(base / "model.safetensors"), *map(version, _VERSIONS)]
    key = json_digest(parts, spaced=True)
    folder = models / f"{name}-{key[:16]}"
    if _intact(folder):
        return folder
    refuse_link(models, remedy=_SPACE)
    try:
        lock = models / f"{folder.name}.lock"
        with locked(lock, cannot=f"cannot write {folder}", remedy=_SPACE):
            if not _intact(folder):
                _make(file, base, folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}; {_SPACE}") from error
    return folder


def _folder() -> Path:
    return Path(str(resources.files("colbench.encoder"))) / "shipped"


def _intact(folder: Path) -> bool:
    try:
        digests = json.loads((folder / _DIGESTS).read_bytes())
        return all(sha256_file(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def _make(file: Path, base: Path, folder: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file

    note(f"putting {file.stem} together, once")
    with safe_open(file, framework="pt") as opened:
        facts = opened.metadata()
    tensors = {name: value.float() for name, value in load_file(file).items()}
    makers = {"colbert": _colbert, "cross_encoder": _cross_encoder}
    model = makers[facts["kind"]](base, tensors)
    _add(model[0].model, tensors, float(facts["scale"]))
    shutil.rmtree(folder, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        model.save_pretrained(str(temporary), create_model_card=False)
        written = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
        digests = {path.relative_to(temporary).as_posix(): sha256_file(path) for path in written}
        write_json(temporary / _DIGESTS, digests)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _colbert(base: Path, tensors: Tensors) -> Any:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    single: Any = load_quietly(SentenceTransformer, base, trust_remote_code=False, device="cpu")
    projection = tensors["head.linear.weight"]
    dense = Dense(
        in_features=projection.shape[1],
        out_features=projection.shape[0],
        bias=False,
        activation_function=torch.nn.Identity(),
        init_weight=projection,
        module_input_name="token_embeddings",
    )
    normalize = Normalize(module_input_name="token_embeddings")
    modules = [single[0], dense, MultiVectorMask(), normalize]
    return MultiVectorEncoder(modules=modules, device="cpu").float()


def _cross_encoder(base: Path, tensors: Tensors) -> Any:
    model = with_new_classifier(base, "cpu", trust_remote_code=False)
    model.float()
    head = {n.removeprefix("head."): v for n, v in tensors.items() if n.startswith("head.")}
    inner = model[0].model
    own = dict(inner.named_parameters())
    with torch.no_grad():
        for name, value in head.items():
            own[name].copy_(value)
    return model


def _add(backbone: Any, tensors: Tensors, scale: float) -> None:
    """Add the low-rank updates to the weights of a backbone."""
    with torch.no_grad():
        for name, down in tensors.items():
            layer, _, kind = name.rpartition(".")
            if kind == "lora_A":
                up = tensors[f"{layer}.lora_B"]
                backbone.get_submodule(layer).weight.add_(scale * (up @ down))
