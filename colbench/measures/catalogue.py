"""Names of the effectiveness measures: ranx's, checked before any work is done.

A name is `metric`, then `@k` for a cutoff, then `-l2` to count only grades of at least 2 as
relevant (grade 1 and up otherwise): `ndcg@10`, `recall@100-l2`. RBP carries its persistence
instead of a cutoff: `rbp.95`.

The suffix is trec_eval's option `-l`, except for measures of gains. trec_eval's nDCG pays no heed
to `-l` (`trec_eval -l 2 -m ndcg_cut.10` is plain `ndcg@10`), so that the suffix would say nothing:
here, as in ranx, `ndcg@10-l2` gives grades below 2 no gain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from colbench.errors import ConfigError, did_you_mean

DEFAULT_MEASURES = ("ndcg@10", "mrr@10", "recall@100", "recall@1000", "map")
"""What a comparison reports unless told otherwise."""


class Metric(NamedTuple):
    """A family of measures that differ in their cutoff.

    Attributes:
        parameter: what follows the name. `k?` is a cutoff that may be left out.
        description: one line for `colbench list measures`.
    """

    parameter: Literal["k", "k?", "persistence", "none"]
    description: str


METRICS = {
    "ndcg": Metric(
        "k?",
        "normalised discounted cumulative gain, linear gains (as trec_eval); with -l2 lower grades "
        "gain nothing, where trec_eval's nDCG ignores its -l",
    ),
    "ndcg_burges": Metric("k?", "nDCG with exponential gains, 2^grade - 1; -l2 as for ndcg"),
    "dcg": Metric("k?", "discounted cumulative gain, linear gains; not bounded by 1"),
    "dcg_burges": Metric("k?", "DCG with exponential gains, 2^grade - 1; not bounded by 1"),
    "mrr": Metric("k?", "reciprocal rank of the first relevant document"),
    "map": Metric("k?", "average precision over all relevant documents"),
    "recall": Metric("k?", "share of the relevant documents that are retrieved"),
    "precision": Metric("k", "share of the first k places that hold a relevant document"),
    "f1": Metric("k", "harmonic mean of precision@k and recall@k"),
    "hit_rate": Metric("k?", "1 if a relevant document is retrieved, else 0 (success)"),
    "hits": Metric("k?", "number of relevant documents retrieved; not bounded by 1"),
    "r-precision": Metric("none", "precision at the number of relevant documents"),
    "bpref": Metric("none", "preference of relevant over judged non-relevant documents"),
    "rbp": Metric("persistence", "rank-biased precision, binary; rbp.95 has persistence 0.95"),
}
"""Metric name → what it is, in the order `colbench list measures` prints them.

Precision and F1 without a cutoff are left out: they would divide by however many documents a
system happened to return.
"""

_EXAMPLE = {"k": "@10", "k?": "@10", "persistence": ".95", "none": ""}

_NAME = re.compile(
    r"(?P<metric>[a-z0-9_]+|r-precision)"
    r"(?:@(?P<k>[1-9][0-9]{0,8})|\.(?P<persistence>[0-9]*[1-9][0-9]*))?"
    r"(?:-l(?P<level>[1-9][0-9]{0,8}))?"
)


class Measure(NamedTuple):
    """A parsed name.

    Attributes:
        name: as given.
        metric: key of `METRICS`.
        cutoff: documents looked at; None for all retrieved.
        level: lowest grade that counts as relevant, at least 1.
    """

    name: str
    metric: str
    cutoff: int | None
    level: int


def parse(name: str) -> Measure:
    """Read a measure's name.

    Raises:
        ConfigError: no such measure, or a cutoff that it lacks or cannot take.

    >>> parse("recall@100-l2")
    Measure(name='recall@100-l2', metric='recall', cutoff=100, level=2)
    """
    match = _NAME.fullmatch(name)
    if match is None or match["metric"] not in METRICS:
        raise ConfigError(f"unknown measure '{name}': {_hint(name)}")
    metric, k, persistence = match["metric"], match["k"], match["persistence"]
    form = METRICS[metric].parameter
    fits = {
        "k": k is not None,
        "k?": persistence is None,
        "persistence": persistence is not None,
        "none": k is None and persistence is None,
    }[form]
    if not fits:
        raise ConfigError(
            f"measure '{name}' cannot be computed: write '{metric}{_EXAMPLE[form]}' instead"
        )
    return Measure(name, metric, int(k) if k else None, int(match["level"] or 1))


def check_measures(names: Iterable[str]) -> None:
    """Fail now if a name is not a measure.

    Raises:
        ConfigError: naming the first one that is not, and the nearest that is.
    """
    for name in names:
        parse(name)


def cutoff(name: str) -> int | None:
    """Return how many documents a measure looks at, None if at all retrieved.

    >>> cutoff("recall@100"), cutoff("map")
    (100, None)
    """
    return parse(name).cutoff


_COUNTS = frozenset({"recall", "precision", "f1", "hit_rate", "hits"})
"""Metrics that look at which documents are among the first k, not in which order."""

_GAINS = frozenset({"ndcg", "ndcg_burges", "dcg", "dcg_burges"})


def ignores_order(name: str, depth: int, documents: int) -> bool:
    """Return whether a measure looks at a whole collection at once, and so at no ranking.

    What it says is which documents a system returns at all: recall@1000 of 300 documents is 1 for
    every system that scores each document.

    Args:
        name: of a measure.
        depth: documents retrieved per query.
        documents: of the collection.

    >>> ignores_order("recall@1000", 300, 300), ignores_order("map", 300, 300)
    (True, False)
    """
    measure = parse(name)
    return measure.metric in _COUNTS and min(measure.cutoff or depth, depth) >= documents


def level_note(names: Iterable[str]) -> str | None:
    """Say how measures of gains with a level differ from trec_eval's; None without one.

    >>> level_note(["ndcg@10", "recall@100-l2"]) is None
    True
    """
    levelled = [m for m in map(parse, names) if m.metric in _GAINS and m.level > 1]
    if not levelled:
        return None
    first = levelled[0]
    return (
        f"{', '.join(m.name for m in levelled)}: grades below the level gain nothing; trec_eval's "
        f"nDCG ignores its option -l {first.level}: that value is {first.name.rsplit('-l', 1)[0]}"
    )


def _hint(name: str) -> str:
    """Say which measure was meant, with the parameter given where that can be kept."""
    lowered = name.lower()
    metric = re.split(r"[@.]|-l", lowered, maxsplit=1)[0]
    if metric not in METRICS:
        return did_you_mean(metric, METRICS).replace("'?", f"{lowered[len(metric) :]}'?")
    whole = lowered if _NAME.fullmatch(lowered) else metric + _EXAMPLE[METRICS[metric].parameter]
    return f"did you mean '{whole}'?"
