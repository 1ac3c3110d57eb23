"""The array type in which encoders hand vectors to indexes and searches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""shape (vectors, dims): one row per token, or a single row for a text that has one vector."""
