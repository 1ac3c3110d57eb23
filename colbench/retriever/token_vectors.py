"""Building a token index from document vectors, for every system that scores with MaxSim."""

from __future__ import annotations

from pathlib import Path

from colbench.encoder.cache.store import Embeddings
from colbench.index.tokens import Precision, TokenIndex

_BLOCK = 65_536


def build_token_index(
    embeddings: Embeddings, folder: Path, precision: Precision = "fp16"
) -> TokenIndex:
    """Write token vectors under `folder` and map them."""
    blocks = (vectors for _, _, vectors in embeddings.blocks(_BLOCK))
    return TokenIndex.write(folder, embeddings.lengths, embeddings.dims, blocks, precision)
