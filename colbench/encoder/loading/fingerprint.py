"""One sha256 for everything that decides what vectors come out of an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from colbench.digests import json_digest, sha256_file

_SUFFIXES = {".safetensors", ".json", ".txt", ".model", ".metadata", ".jinja", ".py"}
_UNUSED = {"onnx", "openvino", "coreml"}
_LIBRARIES = ("torch", "transformers", "tokenizers", "sentence-transformers")


def fingerprint(folder: Path, settings: Mapping[str, Any]) -> str:
    """Return the hexadecimal sha256 over a model folder, settings, and library versions.

    Weights, tokenizer, configuration and code files count, by name and content; the documentation
    and other formats of the same weights do not. `settings` must be JSON.
    """
    parts = {
        "files": _digests(folder),
        "settings": dict(settings),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    return json_digest(parts, spaced=True)


def _digests(folder: Path) -> dict[str, str]:
    """Return relative name → sha256 of the files a model is loaded from."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in _UNUSED for part in relative.parts)
        if path.suffix in _SUFFIXES and path.is_file() and not hidden:
            status = path.stat()
            digests[relative.as_posix()] = _digest(path, status.st_size, status.st_mtime_ns)
    return digests


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _modified: int) -> str:
    """Hash a file once a process, however many encoders share the folder."""
    return sha256_file(path)
