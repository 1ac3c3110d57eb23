"""Documents without end, and an encoder that makes their vectors at once.

A document is a stretch of real words with metadata. Its vectors are two stretches of the token
vectors of real texts, each with noise, so that they lie in clusters as those of a model do, and
neighbouring tokens belong together. Which stretches is decided by a hash of the text: equal texts
have equal vectors, on every machine.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from colbench.collection.model import Collection
from colbench.digests import json_digest
from colbench.encoder.base import Arithmetic, Encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.vectors import Vectors

_NOISE_ROWS = 1 << 16
_DOCUMENT_NOISE, _QUERY_NOISE = 0.5, 0.75
"""Length of the noise that is added to a vector of length 1: cosines of about .89 and .80."""

_LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sv")
_TAGS = tuple(f"topic {number}" for number in range(20))
_FIRST_DAY = datetime.date(2015, 1, 1)
_DAYS, _FIRST_YEAR, _YEARS = 4000, 1925, 100

FILTERS: dict[str, dict[str, Any]] = {
    "50 %, a boolean": {"flag": True},
    "10 %, a string": {"lang": "de"},
    "10 %, a member of a list": {"tags": {"$contains": _TAGS[7]}},
    "1 %, a number": {"year": 1990},
    "0.1 %, a range of dates": {
        "day": {"$gte": datetime.date(2020, 2, 1), "$lt": datetime.date(2020, 2, 5)}
    },
    "0.1 %, two fields": {"lang": "de", "year": 1990},
}
"""Filters by what they match; see `row_of`."""


class Source:
    """A folder with what documents and vectors are made of; see `prepare`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def _about(self) -> Path:
        return self.folder / "about.json"

    def holds(self, of: str) -> bool:
        """Return whether it was prepared from this."""
        try:
            return bool(json.loads(self._about.read_text(encoding="utf-8"))["of"] == of)
        except (OSError, ValueError, LookupError):
            return False

    def prepare(
        self, collection: Collection, encoder: Encoder, rows: int, dims: int, of: str
    ) -> None:
        """Write real words, and real token vectors in fewer dimensions.

        Args:
            collection: of real texts.
            encoder: of token vectors.
            rows: token vectors at most.
            dims: of each, after an uncentred PCA.
            of: what it is prepared from, for `holds`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        vectors: list[Vectors] = []
        words: list[str] = []
        held = 0
        texts = [document.text for document in collection.documents if document.text.split()]
        for first in range(0, len(texts), 64):
            batch = texts[first : first + 64]
            words += [word for text in batch for word in text.split()]
            if held < rows:
                vectors += encoder.encode_documents(batch)
                held = sum(map(len, vectors))
        real = np.concatenate(vectors)[:rows].astype(np.float64)
        _, axes = np.linalg.eigh(real.T @ real)
        pool = _unit((real @ axes[:, ::-1][:, :dims]).astype(np.float32))
        noise = np.random.default_rng(0).standard_normal((_NOISE_ROWS, pool.shape[1]))
        np.save(self.folder / "pool.npy", pool)
        np.save(self.folder / "noise.npy", _unit(noise.astype(np.float32)))
        (self.folder / "words.json").write_text(json.dumps(words), encoding="utf-8")
        digest = hashlib.sha256(pool.tobytes()).hexdigest()
        about = {"of": of, "digest": digest}
        self._about.write_text(json.dumps(about), encoding="utf-8")

    @property
    def digest(self) -> str:
        """Of the vectors."""
        return str(json.loads(self._about.read_text(encoding="utf-8"))["digest"])

    def words(self) -> list[str]:
        """Return the words of the texts, in their order."""
        return list(json.loads((self.folder / "words.json").read_text(encoding="utf-8")))

    def matrix(self, name: str) -> Vectors:
        """Return `pool` or `noise`, float32 (rows, dims)."""
        matrix: Vectors = np.load(self.folder / f"{name}.npy", allow_pickle=False)
        return matrix


def text_of(number: int, words: Sequence[str]) -> str:
    """Return the text of a document: 16 to 31 words of real texts.

    >>> text_of(3, ["a"] * 100).count("a") in range(16, 32)
    True
    """
    drawn = _drawn(f"text {number}")
    start = drawn % max(len(words) - 32, 1)
    return " ".join(words[start : start + 16 + (drawn >> 40) % 16])


def row_of(number: int) -> dict[str, Any]:
    """Return the metadata of a document: independent fields of even distribution.

    >>> sorted(row_of(1))
    ['day', 'flag', 'lang', 'tags', 'year']
    """
    drawn = _drawn(f"row {number}")
    tags = {_TAGS[(drawn >> shift) % len(_TAGS)] for shift in (36, 44)}
    return {
        "year": _FIRST_YEAR + drawn % _YEARS,
        "lang": _LANGUAGES[(drawn >> 8) % len(_LANGUAGES)],
        "tags": sorted(tags),
        "day": _FIRST_DAY + datetime.timedelta(days=(drawn >> 16) % _DAYS),
        "flag": bool((drawn >> 35) & 1),
    }


def _drawn(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class MadeUpEncoder:
    """All of the `Encoder` protocol; see the module.

    Args:
        source: what vectors are made of.
        tokens: of a document.
        query_tokens: of a query.

    Attributes:
        texts: documents encoded so far.
    """

    form = Form.TOKENS
    arithmetic = Arithmetic("torch", "fp32", "cpu")
    cosine = None
    batch_tokens = 65_536
    document_limit = query_limit = 1 << 30
    untrained = False

    def __init__(self, source: Source, tokens: int, query_tokens: int) -> None:
        self._pool, self._noise = source.matrix("pool"), source.matrix("noise")
        self._tokens, self._query_tokens = tokens, query_tokens
        self.settings = EncoderSettings(name="made_up", model="made_up")
        self.dims = self._pool.shape[1]
        self.fingerprint = json_digest([source.digest, tokens, query_tokens])
        self.document_fingerprint = json_digest([source.digest, tokens])

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return as many for each."""
        return np.full(len(texts), self._tokens, dtype=np.int64)

    def count_query_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return as many for each."""
        return np.full(len(texts), self._query_tokens, dtype=np.int64)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return every text whole."""
        return [[text] for text in texts]

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return every text whole."""
        return [[(0, len(text))] for text in texts]

    def encode_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[list[Vectors]]:
        """Yield the vectors of each batch."""
        return (self.encode_documents(batch) for batch in batches)

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Return two noisy stretches of real token vectors for each text."""
        return self._made(texts, self._tokens, _DOCUMENT_NOISE, stretches=2)

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one stretch, noisier, for each text."""
        return self._made(texts, self._query_tokens, _QUERY_NOISE, stretches=1)

    def _made(
        self, texts: Sequence[str], tokens: int, length: float, *, stretches: int
    ) -> list[Vectors]:
        if not texts:
            return []
        kind = "query" if stretches == 1 else "document"
        digests = [
            hashlib.blake2b(text.encode(), digest_size=24, person=kind.encode()).digest()
            for text in texts
        ]
        drawn = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 3)
        step = -(-tokens // stretches)
        run = np.arange(tokens)
        starts = drawn[:, run // step] % np.uint64(max(len(self._pool) - step, 1))
        rows = starts.astype(np.int64) + run % step
        shift = (drawn[:, 2:] % np.uint64(len(self._noise))).astype(np.int64)
        noise = self._noise[(shift + run) % len(self._noise)]
        return list(_unit(self._pool[rows % len(self._pool)] + np.float32(length) * noise))

    def document_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield names of tokens."""
        return (np.array([f"t{n}" for n in range(self._tokens)]) for _ in texts)

    def query_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield names of tokens."""
        return (np.array([f"t{n}" for n in range(self._query_tokens)]) for _ in texts)

    def forward_flops(self, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return none."""
        return np.zeros(len(lengths))

    def shares_passes(self, other: Self) -> bool:
        """Return that it does not."""
        return False

    def encode_both(
        self, other: Self, batches: Iterable[Sequence[str]]
    ) -> Iterator[tuple[list[Vectors], list[Vectors]]]:
        """Refuse: there is one form."""
        raise NotImplementedError


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit
