"""Scores of a teacher for the documents of each example.

A teacher reads texts, so its tokenizer and its dimensions need not be the student's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.encoder.loading.cross_encoder import load_cross_encoder
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.index.maxsim import score_documents
from colbench.progress import bar
from colbench.retriever.exhaustive import build_token_index
from colbench.timing import Stopwatch
from colbench.train.examples import Example
from colbench.train.record import TeacherReport

_PAIRS = 256


def teach(
    examples: Sequence[Example],
    kind: str,
    settings: EncoderSettings | CrossEncoderSettings,
    cache: EmbeddingCache,
    work: Path,
) -> tuple[list[Example], TeacherReport]:
    """Return the examples with scores, those that have some already as they are.

    Args:
        examples: with their negatives.
        kind: colbert, bi_encoder or cross_encoder.
        settings: the model of that kind.
        cache: where document vectors come from.
        work: folder for an index of token vectors.

    Raises:
        ConfigError: the model is not of that kind.
        WeightsUnavailable: the weights are not here and cannot be had.
        ColbenchError: a score is NaN or infinite.
    """
    watch = Stopwatch()
    places = [place for place, example in enumerate(examples) if example.scores is None]
    bare = [examples[place] for place in places]
    if not bare:
        scores: list[NDArray[np.float32]] = []
    elif isinstance(settings, CrossEncoderSettings):
        scores = _cross_encoder(bare, settings)
    else:
        scores = _encoder(bare, kind, settings, cache, work)
    scored = list(examples)
    for place, values in zip(places, scores, strict=True):
        scored[place] = replace(scored[place], scores=tuple(float(value) for value in values))
    highest = [e.scores[0] >= max(e.scores) for e in scored if e.scores and len(e.scores) > 1]
    return scored, TeacherReport(
        kind=kind,
        model=settings.name,
        pairs=sum(len(values) for values in scores),
        agreement=float(np.mean(highest)) if highest else 0.0,
        seconds=watch.seconds,
    )


def _encoder(
    examples: Sequence[Example],
    kind: str,
    settings: EncoderSettings,
    cache: EmbeddingCache,
    work: Path,
) -> list[NDArray[np.float32]]:
    form = Form.TOKENS if kind == "colbert" else Form.DENSE
    encoder = load_encoder(settings, form, cache_root=cache.root)
    number: dict[str, int] = {}
    for example in examples:
        for text in example.documents:
            number.setdefault(text, len(number))
    embeddings = embed_documents(encoder, list(number), cache, description="teacher: documents")
    index = build_token_index(embeddings, work / "teacher")
    queries = list(dict.fromkeys(example.query for example in examples))
    vectors = dict(zip(queries, encoder.encode_queries(queries), strict=True))
    return [
        score_documents(index, vectors[e.query], [number[text] for text in e.documents])
        for e in bar(examples, description="teacher", unit="example")
    ]


def _cross_encoder(
    examples: Sequence[Example], settings: CrossEncoderSettings
) -> list[NDArray[np.float32]]:
    model = load_cross_encoder(settings)
    pairs = [(example.query, text) for example in examples for text in example.documents]
    scores = [
        model.score(pairs[first : first + _PAIRS])
        for first in bar(range(0, len(pairs), _PAIRS), description="teacher", unit="batch")
    ]
    ends = np.cumsum([len(example.documents) for example in examples])[:-1]
    return list(np.split(np.concatenate(scores), ends))
