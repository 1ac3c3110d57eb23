"""One sha256 for everything that decides what vectors come out of an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from colbench.digests import json_digest
from colbench.encoder.loading.contents import file_digests

_LIBRARIES = ("torch", "transformers", "tokenizers", "sentence-transformers")


def fingerprint(folder: Path, settings: Mapping[str, Any]) -> str:
    """Return the hexadecimal sha256 over a model folder, settings, and library versions.

    Every file that could be read when the model is loaded counts, by its path in the folder and its
    content, what is behind links too. `settings` must be JSON.

    Raises:
        ConfigError, StorageError: the folder holds what cannot be read, see `contents`.
    """
    parts = {
        "files": file_digests(folder),
        "settings": dict(settings),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    return json_digest(parts, spaced=True)
