"""What encoders that tests make up have in common."""

from __future__ import annotations

import numpy as np

from colbench.encoder.base import Arithmetic


class FakeEncoder:
    """All of the `Encoder` protocol but the vectors: a word is a token, every batch has one text.

    A subclass gives `settings`, `form`, `dims`, the fingerprints, `encode_documents` and
    `encode_queries`.
    """

    arithmetic = Arithmetic("torch", "fp32", "cpu")
    cosine = None
    batch_tokens = 1
    document_limit = 1 << 30
    query_limit = 1 << 30
    untrained = False

    def count_tokens(self, texts):
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def count_query_tokens(self, texts):
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def shares_passes(self, other):
        return False

    def encode_batches(self, batches):
        for batch in batches:
            yield self.encode_documents(batch)

    def forward_flops(self, lengths):
        return lengths * 2.0

    def split(self, texts):
        return [[text] for text in texts]

    def spans(self, texts):
        return [[(0, len(text))] for text in texts]
