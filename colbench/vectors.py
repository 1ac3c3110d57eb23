"""The array type in which encoders hand vectors to indexes and searches, and writing them down."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""shape (vectors, dims): one row per token, or a single row for a text that has one vector."""


def __getattr__(name: str) -> Any:
    # `colbench.vectors.write_vectors` is where people look for it; it stands on what this module
    # is the ground of, and so is imported when it is asked for.
    if name == "write_vectors":
        return importlib.import_module("colbench.collection.vectors.write").write_vectors
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
