"""An encoder that needs no weights: a word is a token, equal words have equal vectors."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

import numpy as np
from fake_encoder import FakeEncoder

from colbench.encoder.settings import EncoderSettings, Form

_WORD = re.compile(r"\S+")


@lru_cache(maxsize=100_000)
def vector(word, dims):
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    drawn = np.random.default_rng(seed).standard_normal(dims)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


class WordEncoder(FakeEncoder):
    """Vectors of words; passages have `document_limit` of them and share `overlap`."""

    form = Form.TOKENS
    batch_tokens = 4096

    def __init__(self, name="words", *, dims=32, limit=8, overlap=2):
        self.settings = EncoderSettings(
            name=name, model=name, chunk_overlap=overlap, long_documents="chunk"
        )
        self.dims, self.document_limit, self._overlap = dims, limit, overlap
        self.fingerprint = hashlib.sha256(f"{name} {dims} {limit}".encode()).hexdigest()
        self.document_fingerprint = self.fingerprint

    def spans(self, texts):
        return [list(self._places(text)) for text in texts]

    def split(self, texts):
        places = zip(texts, self.spans(texts), strict=True)
        return [[text[start:end] for start, end in spans] for text, spans in places]

    def _places(self, text):
        words = list(_WORD.finditer(text))
        if len(words) <= self.document_limit:
            yield 0, len(text)
            return
        step = self.document_limit - self._overlap
        for first in range(0, len(words) - self._overlap, step):
            last = min(first + self.document_limit, len(words)) - 1
            yield words[first].start(), words[last].end()

    def document_tokens(self, texts):
        for text in texts:
            yield np.array(text.lower().split()[: self.document_limit], dtype=np.str_)

    def query_tokens(self, texts):
        for text in texts:
            yield np.array(text.lower().split(), dtype=np.str_)

    def encode_documents(self, texts):
        return [self._matrix(tokens) for tokens in self.document_tokens(texts)]

    def encode_queries(self, texts):
        return [self._matrix(tokens) for tokens in self.query_tokens(texts)]

    def _matrix(self, words):
        rows = [vector(word, self.dims) for word in words.tolist()]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dims)
