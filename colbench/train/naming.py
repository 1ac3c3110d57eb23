"""What a trained model is called, and how folders are named in what is given away."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from colbench.encoder.loading.weights import EMBEDDED
from colbench.train.record import Train

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


def load_overrides(kind: str, model: str) -> list[str]:
    """Return the overrides of `colbench run` that measure the model in a folder or on the hub.

    >>> " ".join(load_overrides("bi_encoder", "out/model"))
    'encoder=custom encoder.model=out/model systems=[bm25,bi_encoder]'
    """
    group = "cross_encoder" if kind == "cross_encoder" else "encoder"
    return [f"{group}=custom", f"{group}.model={model}", _SYSTEMS[kind]]


_KEY = re.compile(r"[\w.@+-]+=")
_INSIDE = re.compile(
    r"(?:file:/+|(?<![\w./])(?:~[\w.-]*)?/(?![/\s]))"  # no address, no part of a relative path
    r"[^\s,;'\"()\[\]{}<>|`]*"
)


def without_folders(results: Train) -> Train:
    """Return the record with every absolute path in it cut to its last part."""
    values = _cut(results.model_dump(mode="json"))
    values["command"] = " ".join(shlex.quote(cut(word)) for word in _words(results.command))
    values["base"] = base_label(results.base)
    return Train.model_validate(values)


def cut(value: str) -> str:
    """Return a text with its absolute paths cut to their last parts.

    >>> cut("/home/me/my data/pairs.jsonl"), cut("dataset.path=/data/mine"), cut("owner/model")
    ('pairs.jsonl', 'dataset.path=mine', 'owner/model')
    """
    if key := _KEY.match(value):
        return key.group() + cut(value[key.end() :])
    if ROOTED.match(value):
        return _last_part(value)
    return _INSIDE.sub(lambda match: _last_part(match.group()), value)


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # not quoted as a shell has it
        return command.split()


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return cut(value) if isinstance(value, str) else value
