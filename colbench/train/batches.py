"""From examples to the columns that sentence-transformers' trainers take."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from colbench.config.train import TrainSettings
from colbench.errors import DataError
from colbench.train.examples import Example, text_key


def level(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """Return the examples with exactly `count` negatives each.

    Missing ones are positives of other examples, drawn; where there are too many the first stay.

    Raises:
        DataError: there are not enough other documents.
    """
    others = list(dict.fromkeys(example.positive for example in examples))
    relevant: dict[bytes, set[bytes]] = {}
    for example in examples:
        relevant.setdefault(text_key(example.query), set()).add(text_key(example.positive))
    draw = random.Random(seed)
    found = []
    for example in examples:
        chosen = list(example.negatives[:count])
        taken = relevant[text_key(example.query)] | {text_key(text) for text in chosen}
        missing = count - len(chosen)
        if missing and len(others) < count + len(taken):
            raise DataError(
                f"{len(others)} distinct documents are too few for negatives.count={count}: lower "
                "it, or add sources"
            )
        while len(chosen) < count:
            text = draw.choice(others)
            if text_key(text) not in taken:
                taken.add(text_key(text))
                chosen.append(text)
        found.append(replace(example, negatives=tuple(chosen), scores=_scores(example, count)))
    return found


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
    found: dict[str, list[Any]] = {"query": [example.query for example in examples]}
    if settings.kind == "cross_encoder" and settings.loss == "kl":
        found["documents"] = [list(example.documents) for example in examples]
        found["label"] = [
            [score / settings.teacher_temperature for score in example.scores or ()]
            for example in examples
        ]
        return found
    found["positive"] = [example.positive for example in examples]
    for place in range(len(examples[0].negatives)):
        found[f"negative_{place + 1}"] = [example.negatives[place] for example in examples]
    if settings.loss == "margin_mse":
        found["label"] = [_margins(example) for example in examples]
    elif settings.loss == "kl":
        found["label"] = [list(example.scores or ()) for example in examples]
    return found


def _margins(example: Example) -> list[float]:
    assert example.scores is not None
    return [example.scores[0] - score for score in example.scores[1:]]
