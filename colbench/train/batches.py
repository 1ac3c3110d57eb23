"""From examples to the columns that sentence-transformers' trainers take."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from colbench.errors import DataError
from colbench.train.examples import Example, text_key
from colbench.train.settings import TrainSettings


def level(examples: Sequence[Example], count: int | None, seed: int) -> list[Example]:
    """Return the examples with equally many negatives each.

    Missing ones are positives of other examples, drawn; where there are too many the first stay.

    Args:
        examples: of all sources.
        count: negatives of each; None takes the fewest where they have scores, else the most.
        seed: of the draw.

    Raises:
        DataError: there are not enough other documents, or an example with scores has fewer.
    """
    if count is None:
        sizes = [len(example.negatives) for example in examples]
        count = min(sizes) if any(e.scores is not None for e in examples) else max(sizes)
    others = {text_key(example.positive): example.positive for example in examples}
    relevant: dict[bytes, set[bytes]] = {}
    for example in examples:
        relevant.setdefault(text_key(example.query), set()).add(text_key(example.positive))
    keys, draw = list(others), random.Random(seed)
    levelled = []
    for example in examples:
        chosen = list(example.negatives[:count])
        taken = relevant[text_key(example.query)] | {text_key(text) for text in chosen}
        if len(chosen) < count and len(keys) < count + len(taken):
            raise DataError(
                f"{len(keys)} distinct documents are too few for {count} negatives: lower "
                "negatives.count, or add sources"
            )
        while len(chosen) < count:
            key = draw.choice(keys)
            if key not in taken:
                taken.add(key)
                chosen.append(others[key])
        levelled.append(replace(example, negatives=tuple(chosen), scores=_scores(example, count)))
    return levelled


def _scores(example: Example, count: int) -> tuple[float, ...] | None:
    """Keep a teacher's scores where every negative has one."""
    if example.scores is None or len(example.negatives) < count:
        return None
    return example.scores[: count + 1]


def columns(examples: Sequence[Example], settings: TrainSettings) -> dict[str, list[Any]]:
    """Return column → values, as the loss of a recipe wants them.

    Args:
        examples: with equally many negatives each, and scores where the loss learns them.
        settings: kind and loss.
    """
    if settings.loss == "binary":
        rows = [
            (example.query, text, float(place == 0))
            for example in examples
            for place, text in enumerate(example.documents)
        ]
        return {
            "query": [row[0] for row in rows],
            "document": [row[1] for row in rows],
            "label": [row[2] for row in rows],
        }
    lists: dict[str, list[Any]] = {"query": [example.query for example in examples]}
    if settings.kind == "cross_encoder" and settings.loss == "kl":
        lists["documents"] = [list(example.documents) for example in examples]
        lists["label"] = [
            [score / settings.teacher_temperature for score in example.scores or ()]
            for example in examples
        ]
        return lists
    lists["positive"] = [example.positive for example in examples]
    for place in range(len(examples[0].negatives)):
        lists[f"negative_{place + 1}"] = [example.negatives[place] for example in examples]
    if settings.loss == "margin_mse":
        lists["label"] = [_margins(example) for example in examples]
    elif settings.loss == "kl":
        lists["label"] = [list(example.scores or ()) for example in examples]
    return lists


def _margins(example: Example) -> list[float]:
    assert example.scores is not None
    return [example.scores[0] - score for score in example.scores[1:]]
