"""What kind of model a folder holds, told from its files and never guessed.

sentence-transformers loads almost any folder as almost any model: it fills what is missing with
random weights and says so in a log line. Numbers from such a model look like numbers. So the kind
is settled here before anything loads, and `colbench.encoder.loading.complete` looks again
afterwards.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from colbench.encoder.loading.contents import not_a_configuration, read_json
from colbench.encoder.loading.stanford import METADATA, holds_projection
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

    The markers, in the order they are trusted: modules.json beside what sentence-transformers or
    PyLate save of a late-interaction model (a `model_type`, PyLate's classes, or its keys, from
    before it wrote a `model_type`); what Stanford ColBERT leaves (`is_stanford`); `model_type`;
    modules.json; the architectures in config.json.

    Raises:
        ConfigError: a kind colbench has no use for, or a file that is not JSON.
    """
    saved = read_json(folder / "config_sentence_transformers.json", {})
    modules = _modules(folder)
    architectures = _architectures(folder)
    model_type = saved.get("model_type")
    if model_type is not None and not (isinstance(model_type, str) and model_type in _MODEL_TYPES):
        raise ConfigError(f"{folder} is a {model_type}, which colbench cannot use as an encoder")
    if _says_late_interaction(saved, modules) or is_stanford(folder):
        return Kind.LATE_INTERACTION
    if model_type is not None:
        return _MODEL_TYPES[model_type]
    if modules:
        return Kind.BI_ENCODER
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        return Kind.CROSS_ENCODER
    return Kind.PLAIN


def is_stanford(folder: Path) -> bool:
    """Return whether a folder holds a ColBERT checkpoint as Stanford's code or PrimeQA saves it.

    The files decide: artifact.metadata, a projection among the weights, or, where both are missing,
    the name of an architecture. One that was saved by PyLate or sentence-transformers since then,
    with its own list of modules, is none.

    Raises:
        ConfigError: a file that is not JSON.
    """
    saved = read_json(folder / "config_sentence_transformers.json", {})
    modules = _modules(folder)
    if modules and _says_late_interaction(saved, modules):
        return False
    return (
        (folder / METADATA).is_file()
        or any(name.startswith("HF_ColBERT") for name in _architectures(folder))
        or holds_projection(folder)
    )


def _says_late_interaction(saved: dict[str, Any], modules: list[dict[str, Any]]) -> bool:
    """Return whether sentence-transformers or PyLate saved a late-interaction model."""
    return (
        _MODEL_TYPES.get(str(saved.get("model_type"))) is Kind.LATE_INTERACTION
        or bool(_PYLATE_KEYS & saved.keys())
        or any(str(m.get("type")).startswith("pylate.") for m in modules)
    )


def check_tokenizer(model: Any, folder: Path) -> None:
    """Fail if the tokenizer of a loaded model is not that of its backbone.

    transformers makes a tokenizer of special tokens alone where a folder has no vocabulary: every
    word is then the unknown token, and every text of a length is the same.

    Args:
        model: of sentence-transformers, a `Transformer` in front.
        folder: the checkpoint.

    Raises:
        ConfigError: it has tokens that the backbone has no vector for, or knows no word.
    """
    backbone: Any = getattr(model[0], "model", None)
    if not hasattr(backbone, "get_input_embeddings"):  # a bag of words, say
        return
    if model.tokenizer.get_vocab().keys() <= set(model.tokenizer.all_special_tokens):
        raise ConfigError(
            f"{folder} has no vocabulary for its tokenizer (tokenizer.json or vocab.txt, say), so "
            "every word would be the unknown token; fetch the model again"
        )
    tokens = len(model.tokenizer)
    rows = backbone.get_input_embeddings().weight.shape[0]
    if tokens > rows:
        raise ConfigError(
            f"{folder} has the tokenizer of another model: it knows {tokens:,} tokens and the "
            f"weights {rows:,}; fetch the model again"
        )


def _modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    modules: list[Any] = read_json(path, [])
    if not all(isinstance(module, dict) for module in modules):
        raise not_a_configuration(path)
    return modules


def _architectures(folder: Path) -> list[str]:
    path = folder / "config.json"
    names = read_json(path, {}).get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise not_a_configuration(path)
    return names
