"""Building a token index from cached document vectors, for every system that scores with MaxSim."""

from __future__ import annotations

from pathlib import Path

from colbench.encoder.settings import EncoderSettings, Form
from colbench.index.tokens import TokenIndex
from colbench.retriever.base import Workbench

_BLOCK = 65_536


def build_token_index(bench: Workbench, encoder: EncoderSettings, folder: Path) -> TokenIndex:
    """Write the collection's token vectors as fp16 under `folder` and map them."""
    embeddings = bench.embed(encoder, Form.TOKENS)
    blocks = (vectors for _, _, vectors in embeddings.blocks(_BLOCK))
    return TokenIndex.write(folder, embeddings.lengths, embeddings.dims, blocks)
