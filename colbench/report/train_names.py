"""What a trained model is called, and the words that load it: for the report and the model card."""

from __future__ import annotations

import re
from pathlib import Path

from colbench.encoder.weights import EMBEDDED
from colbench.results.train import Train

KINDS = {"colbert": "ColBERT", "bi_encoder": "bi-encoder", "cross_encoder": "cross-encoder"}
"""Kind of model → how it is called in prose."""

_SYSTEMS = {
    "colbert": "systems=[bm25,colbert_exact,colbert]",
    "bi_encoder": "systems=[bm25,bi_encoder]",
    "cross_encoder": "systems=[bm25,bm25_cross_encoder]",
}
ROOTED = re.compile(r"/|~[\w.-]*/|\.{1,2}/|file:")
"""Beginning of what can be nothing but a path."""


def base_label(name: str) -> str:
    """Return the name of a model as it is shown: the last part of a folder, anything else whole.

    >>> base_label("/data/models/mine/"), base_label("owner/model"), base_label("minilm")
    ('mine', 'owner/model', 'minilm')
    """
    plain = name.rstrip("/")
    if ROOTED.match(name) or plain.count("/") > 1 or _is_folder(name):
        return plain.rpartition("/")[2]
    return name


def base_of(results: Train) -> str:
    """Return what training began with as it is shown: of a `custom` option, its model."""
    name = base_model(results) if results.base == "custom" else results.base
    return base_label(name.removeprefix(EMBEDDED))


def base_model(results: Train) -> str:
    """Return the model that training began with, as the settings name it."""
    group = "cross_encoder" if results.kind == "cross_encoder" else "encoder"
    return str(results.config.get(group, {}).get("model", results.base))


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # too long to be a path, or with a null byte
        return False


def updated(results: Train) -> str:
    """Return which part of the model was trained, in words."""
    head = {"colbert": "the projection", "cross_encoder": "the classifier"}.get(results.kind)
    if results.parameters.update == "full":
        return "the whole model"
    if results.parameters.update == "head":
        return f"{head or 'the head'} alone"
    updates = "low-rank updates of the backbone"
    return f"{head} and {updates}" if head else updates


def load_words(kind: str, model: str) -> list[str]:
    """Return the words of `colbench run` that measure the model in the folder or at the hub name.

    >>> " ".join(load_words("bi_encoder", "out/model"))
    'encoder=custom encoder.model=out/model systems=[bm25,bi_encoder]'
    """
    group = "cross_encoder" if kind == "cross_encoder" else "encoder"
    return [f"{group}=custom", f"{group}.model={model}", _SYSTEMS[kind]]
