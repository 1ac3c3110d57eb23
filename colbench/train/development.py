"""How good a model in training is: our measures over a part that is held out.

The search is exact: every document of the part is scored with every query, MaxSim for token
vectors. A cross-encoder reranks what BM25 finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colbench.collection.model import Collection
from colbench.hits import Hits, tie_ranks, top_k
from colbench.index.maxsim import score_matrix
from colbench.measures.effectiveness import evaluate, mean_scores
from colbench.progress import bar
from colbench.run.model import Run

_DEPTH = 1000
_BATCH = 32
_AT_ONCE = 8 * _BATCH
"""Texts after which the bar moves."""

Score = Callable[[Any], NDArray[np.float32]]


class Development:
    """Evaluates a model that is being trained.

    Args:
        collection: the part.
        kind: colbert, bi_encoder or cross_encoder.
        measure: that decides.
        precision: of the forward passes, fp32 or bf16.
        candidates: for a cross-encoder, document numbers of each query's candidates.
    """

    def __init__(
        self,
        collection: Collection,
        kind: str,
        measure: str,
        precision: str = "fp32",
        candidates: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.collection = collection
        self.measure = measure
        self._kind = kind
        self._precision = precision
        self._candidates = candidates
        self._ranks = tie_ranks(collection.doc_ids)
        # By length, so that little of a batch is padding.
        self._order = sorted(
            range(len(collection.texts)), key=lambda place: len(collection.texts[place])
        )

    def value(self, model: Any) -> float:
        """Return the mean of the measure; the model is left as it was.

        Raises:
            ValueError: a score is NaN.
        """
        was_training = model.training
        model.eval()
        search = self._reranked if self._kind == "cross_encoder" else self._all
        try:
            with torch.inference_mode(), self._bar() as progress:
                hits = search(model, progress)
        finally:
            model.train(was_training)
        run = Run.from_hits("development", self.collection, hits, _DEPTH)
        return mean_scores(evaluate(self.collection.qrels, run, [self.measure]))[self.measure]

    def _bar(self) -> Any:
        """Return the bar of one evaluation: texts to encode, or pairs to score."""
        texts = len(self.collection.queries) + len(self.collection.texts)
        if self._candidates is None:
            return bar(total=texts, description="evaluating", unit="text", leave=False)
        pairs = sum(map(len, self._candidates))
        return bar(total=pairs, description="evaluating", unit="pair", leave=False)

    def _autocast(self, model: Any) -> Any:
        reduced = self._precision == "bf16"
        return torch.autocast(model.device.type, torch.bfloat16, enabled=reduced)

    def _all(self, model: Any, progress: Any) -> list[Hits]:
        queries = [query.text for query in self.collection.queries]
        sorted_texts = [self.collection.texts[place] for place in self._order]
        with self._autocast(model):  # not the products of the search, which are float32
            vectors = _encoded(model.encode_query, queries, progress)
            documents = _encoded(model.encode_document, sorted_texts, progress)
        offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in documents])])
        rows = torch.from_numpy(np.concatenate(documents))
        scores = np.empty((len(queries), len(documents)), np.float32)
        scores[:, self._order] = score_matrix(vectors, rows, offsets.astype(np.int64))
        numbers = np.arange(len(documents))
        return [top_k(numbers, row, _DEPTH + 1, self._ranks) for row in scores]

    def _reranked(self, model: Any, progress: Any) -> list[Hits]:
        assert self._candidates is not None
        reranked = []
        for query, numbers in zip(self.collection.queries, self._candidates, strict=True):
            if not len(numbers):  # no document shares a word with it
                reranked.append(Hits(np.empty(0, np.int64), np.empty(0, np.float32)))
                continue
            pairs = [(query.text, self.collection.texts[number]) for number in numbers]
            with self._autocast(model):
                scores = model.predict(pairs, activation_fn=torch.nn.Identity(), **_ENCODING)
            reranked.append(top_k(np.array(numbers), np.asarray(scores), _DEPTH + 1, self._ranks))
            progress.update(len(pairs))
        return reranked


_ENCODING = {"batch_size": _BATCH, "show_progress_bar": False, "convert_to_numpy": True}


def _encoded(encode: Any, texts: Sequence[str], progress: Any) -> list[NDArray[np.float32]]:
    """Encode texts, and move the bar now and then; whole batches at a time, from the end.

    sentence-transformers begins with the longest texts: with texts sorted by length its batches are
    those of one call.
    """
    parts: list[list[NDArray[np.float32]]] = []
    for end in range(len(texts), 0, -_AT_ONCE):
        part = texts[max(end - _AT_ONCE, 0) : end]
        parts.append(_matrices(encode(part, **_ENCODING)))
        progress.update(len(part))
    return [matrix for part in reversed(parts) for matrix in part]


def _matrices(vectors: Any) -> list[NDArray[np.float32]]:
    return [np.atleast_2d(np.asarray(rows, dtype=np.float32)) for rows in vectors]
