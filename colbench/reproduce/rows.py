"""Published figures beside measured ones, as words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from colbench.reproduce.record import AverageComparison, Comparison, Reproduction

LEGEND = (
    "Effectiveness is a fraction; differences and tolerances are in points (hundredths), measured "
    "minus published. reproduced: within the tolerance. Tolerances: 0.05 points for an exact "
    "search with the same encoder, 0.5 for an approximate one or one that is not described, 1 for "
    "BM25 of another engine, 0.01 for the engine of the figure itself."
)

_WEIGHTS = re.compile(r"weights of '(?P<model>[^']+)' are not cached")


def measured(reproduction: Reproduction) -> list[Comparison]:
    """Figures that were measured, in the order of the reference."""
    return [entry for entry in reproduction.entries if entry.measured is not None]


def not_run(reproduction: Reproduction) -> dict[str, list[Comparison]]:
    """Figures that were not measured, by dataset."""
    by_reason: dict[str, list[Comparison]] = {}
    for entry in reproduction.entries:
        if entry.measured is None:
            by_reason.setdefault(entry.dataset, []).append(entry)
    return by_reason


def reasons(entries: Sequence[Comparison]) -> list[tuple[str, int]]:
    """(reason, figures) of figures that were not measured, the most frequent first.

    Weights that cannot be had are one reason, with the models named.
    """
    weights = [match for entry in entries if (match := _WEIGHTS.match(entry.reason or ""))]
    models = dict.fromkeys(match["model"] for match in weights)
    advice = f"weights cannot be had here ('hf download NAME' fetches them): {', '.join(models)}"
    counted = Counter(
        advice if _WEIGHTS.match(entry.reason or "") else entry.reason or "" for entry in entries
    )
    return counted.most_common()


def summary(reproduction: Reproduction) -> str:
    """How many figures have which status, in one line."""
    counts = reproduction.counts
    parts = [f"{counts.reproduced} reproduced", f"{counts.differs} differ"]
    if counts.suspect:
        parts.append(f"{counts.suspect} differ from a figure that is probably wrong")
    return f"{reproduction.dataset}: {', '.join([*parts, f'{counts.not_run} not run'])}"


def status(entry: Comparison) -> str:
    """The status of a figure, with the doubt there is about it."""
    word = entry.status.replace("_", " ")
    return f"{word} (figure suspect)" if entry.suspect else word


def value(number: float | None, unit: str | None = None) -> str:
    """Effectiveness with four decimals, a cost as it was published; nothing for None.

    >>> value(0.70724), value(838128.0, "terms of the index"), value(185.5, "ms")
    ('0.7072', '838,128', '185.5')
    """
    if number is None:
        return ""
    if unit is None:
        return f"{number:.4f}"
    return f"{number:,.0f}" if number == int(number) else f"{number:,}"


def settings(entry: Comparison) -> str:
    """The settings that differ, published → measured."""
    return "; ".join(
        f"{one.setting} {_plain(one.published)} → {_plain(one.measured)}"
        for one in entry.settings_that_differ
    )


def others(entry: Comparison) -> str:
    """What else was published of the same, with the series it is of."""
    ending = f"/{entry.dataset}/{entry.metric}"
    return ", ".join(
        f"{value(other.value, entry.unit)} {other.id.removesuffix(ending)}"
        for other in entry.others
    )


def why_refused(average: AverageComparison) -> str:
    """Why a mean was not compared, with the members that are missing."""
    missing = ", ".join(average.missing) if average.missing and average.members else ""
    return ": ".join(part for part in (average.reason or "", missing) if part)


def _plain(setting: Any) -> str:
    return "unknown" if setting is None else str(setting)
