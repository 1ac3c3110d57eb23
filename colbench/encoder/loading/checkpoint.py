"""What kind of model a folder holds, told from its files and never guessed.

sentence-transformers loads almost any folder as almost any model: it fills what is missing with
random weights and says so in a log line. Numbers from such a model look like numbers. So the kind
is settled here before anything loads, and `check_no_random_weights` looks again afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from colbench.errors import ConfigError


class Kind(StrEnum):
    """What a checkpoint was trained, or at least saved, as."""

    LATE_INTERACTION = "late-interaction"
    """Stanford ColBERT, PyLate, or a saved MultiVectorEncoder."""
    BI_ENCODER = "bi-encoder"
    """A sentence-transformers model with a pooling of its own."""
    PLAIN = "plain transformer"
    """A backbone without any head; it has no pooling of its own."""
    CROSS_ENCODER = "cross-encoder"


_MODEL_TYPES = {
    "MultiVectorEncoder": Kind.LATE_INTERACTION,
    "ColBERT": Kind.LATE_INTERACTION,
    "SentenceTransformer": Kind.BI_ENCODER,
    "CrossEncoder": Kind.CROSS_ENCODER,
}
_PYLATE_KEYS = {"query_prefix", "document_prefix", "do_query_expansion", "skiplist_words"}


def detect_kind(folder: Path) -> Kind:
    """Return the kind of checkpoint in `folder`.

    The markers, in the order sentence-transformers trusts them: `model_type` in
    config_sentence_transformers.json ("ColBERT" is PyLate 3), the architecture `HF_ColBERT` in
    config.json (Stanford), PyLate classes or keys (PyLate before it wrote a `model_type`),
    modules.json, and the other architectures.

    Raises:
        ConfigError: a kind colbench has no use for, or a file that is not JSON.
    """
    saved = _read_json(folder / "config_sentence_transformers.json", {})
    modules = _modules(folder)
    architectures = _architectures(folder)
    model_type = saved.get("model_type")
    if model_type is not None:
        if not isinstance(model_type, str) or model_type not in _MODEL_TYPES:
            raise ConfigError(
                f"{folder} is a {model_type}, which colbench cannot use as an encoder"
            )
        return _MODEL_TYPES[model_type]
    if "HF_ColBERT" in architectures:
        return Kind.LATE_INTERACTION
    if _PYLATE_KEYS & saved.keys() or any(
        str(m.get("type")).startswith("pylate.") for m in modules
    ):
        return Kind.LATE_INTERACTION
    if modules:
        return Kind.BI_ENCODER
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        return Kind.CROSS_ENCODER
    return Kind.PLAIN


def foreign_code(folder: Path) -> list[str]:
    """Return the hub names of other repositories whose code this checkpoint runs.

    transformers writes such a reference as `owner/name--module.Class` in `auto_map`.
    """
    references = _strings(_read_json(folder / "config.json", {}).get("auto_map"))
    modules = _strings([m.get("type") for m in _modules(folder)])
    return sorted({text.split("--")[0] for text in [*references, *modules] if "--" in text})


def check_no_random_weights(model: Any, folder: Path, *, unused: tuple[str, ...]) -> None:
    """Fail if a weight matrix of a loaded model does not come from the checkpoint.

    Matrices are matched by shape and content rather than by name, so that neither the renaming
    that transformers does while loading nor a prefix in the file matters. Vectors (biases, layer
    norms) are left out: freshly made ones are constant and appear in any checkpoint.

    Args:
        model: a loaded torch module, weights still as in the file.
        folder: the checkpoint.
        unused: parts of parameter names that the forward pass never reads.

    Raises:
        ConfigError: naming the first such matrix.
    """
    from safetensors import safe_open

    stored: set[str] = set()
    for path in sorted(folder.rglob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            stored.update(_mark(tensors.get_tensor(key)) for key in tensors.keys())  # noqa: SIM118
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2 or any(part in name for part in unused):
            continue
        if _mark(parameter) not in stored:
            raise ConfigError(
                f"{folder} does not hold the weights of {name}; they would be random numbers. "
                "Check that the folder is complete and of the kind the system needs"
            )


def check_tokenizer(model: Any, folder: Path) -> None:
    """Fail if the tokenizer of a loaded model has tokens that its backbone has no vector for.

    Args:
        model: of sentence-transformers, a `Transformer` in front.
        folder: the checkpoint.

    Raises:
        ConfigError: the tokenizer is of another model.
    """
    backbone: Any = getattr(model[0], "model", None)
    if not hasattr(backbone, "get_input_embeddings"):  # a bag of words, say
        return
    tokens = len(model.tokenizer)
    rows = backbone.get_input_embeddings().weight.shape[0]
    if tokens > rows:
        raise ConfigError(
            f"{folder} has the tokenizer of another model: it knows {tokens:,} tokens and the "
            f"weights {rows:,}; fetch the model again"
        )


def _mark(tensor: Any) -> str:
    """Return a short name for a tensor's shape and content (a spread of 64 of its values)."""
    values = tensor.detach().flatten()
    values = values[:: max(1, len(values) // 64)][:64].float().cpu().numpy()
    return f"{tuple(tensor.shape)}:{hashlib.sha256(values.tobytes()).hexdigest()}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    modules: list[Any] = _read_json(path, [])
    if not all(isinstance(module, dict) for module in modules):
        raise _not_a_configuration(path)
    return modules


def _architectures(folder: Path) -> list[str]:
    path = folder / "config.json"
    names = _read_json(path, {}).get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _not_a_configuration(path)
    return names


def _read_json(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not readable JSON ({error}); fetch the model again"
        ) from error
    if not isinstance(value, type(default)):
        raise _not_a_configuration(path)
    return value


def _not_a_configuration(path: Path) -> ConfigError:
    return ConfigError(f"{path} is not a model's configuration file; fetch the model again")
