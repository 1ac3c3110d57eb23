"""The first sentences of a report: what was cut off, which system is best, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from colbench.measures.latency import BUSY
from colbench.report.costs import cost
from colbench.report.formats import fraction, percent, points
from colbench.results.schema import Results, SystemResult
from colbench.results.verdicts import primary_measure, told

CUT = 0.1
"""Share of a system's tokens above which a figure is not one of what was to be searched."""


def finding(results: Results) -> str:
    """Return what a reader must know first; empty where nothing was judged.

    What was cut off comes before the best system: a system that read half of each document may be
    last for that alone.
    """
    verdict = _verdict(results)
    return " ".join([*cut_off(results), verdict]) if verdict else ""


def cut_off(results: Results) -> list[str]:
    """Return a sentence for each way in which systems read less than was there; none as a rule."""
    sentences = []
    for what, group, remedy, share in _WAYS:
        by_share: dict[str, list[SystemResult]] = {}
        for system in results.systems:
            if (cut := share(system)) > CUT:
                by_share.setdefault(percent(cut), []).append(system)
        for amount, systems in by_share.items():
            keys = dict.fromkeys(_key(results, system, group) for system in systems)
            ways = listed([remedy.format(key) for key in keys])
            names = listed([system.name for system in systems])
            sentences.append(f"{names} did not read {amount} {what} ({ways}).")
    return sentences


def _key(results: Results, system: SystemResult, group: str) -> str:
    """Return under which key the model of a system is set: one of its own is not the run's."""
    chosen, own = results.config.get(group), system.config.get(group)
    if not (isinstance(chosen, dict) and isinstance(own, dict)):
        return group
    if system.name not in results.config.get("system", {}):  # a variant of a sweep
        return group
    both = chosen.keys() & own.keys()
    return group if all(chosen[k] == own[k] for k in both) else f"system.{system.name}.{group}"


def _documents_cut(system: SystemResult) -> float:
    return max((encoding.documents_cut for encoding in system.encodings or []), default=0.0)


def _queries_cut(system: SystemResult) -> float:
    return max((encoding.queries_cut or 0.0 for encoding in system.encodings or []), default=0.0)


def _pairs_cut(system: SystemResult) -> float:
    """Return the share of the tokens of queries and documents that a cross-encoder did not read."""
    cut = system.metadata.get("pair_tokens_truncated") or 0
    read = system.metadata.get("pair_tokens") or 0
    return cut / (cut + read) if cut else 0.0


_WAYS: tuple[tuple[str, str, str, Callable[[SystemResult], float]], ...] = (
    (
        "of the tokens of the documents",
        "encoder",
        "{}.long_documents=chunk reads them whole",
        _documents_cut,
    ),
    (
        "of the tokens of the queries",
        "encoder",
        "a larger {}.query_length reads more",
        _queries_cut,
    ),
    (
        "of the tokens of the pairs of query and document",
        "cross_encoder",
        "a larger {}.max_length reads more, as far as the model goes",
        _pairs_cut,
    ),
)
"""What was not read, whose settings decide it, how more is read, and the share of a system."""


def _verdict(results: Results) -> str:
    """Return which system is best by the primary measure, and by how much; empty without measures.

    With the time of a query, which is what its effectiveness is paid with.
    """
    measure = primary_measure(results)
    measured = {
        system.name: system
        for system in results.systems
        if measure is not None and measure in (system.effectiveness or {})
    }
    if measure is None or not measured:
        return ""
    values = {name: fraction((s.effectiveness or {})[measure]) for name, s in measured.items()}
    highest = max(values.values(), key=float)
    best = [name for name, value in values.items() if value == highest]
    said = f"{listed(best)} {'has' if len(best) == 1 else 'have'} the highest {measure}, {highest}"
    reference = measured.get(results.reference or "")
    if reference is not None and reference.name in best:
        one = "is" if len(best) == 1 else "among them is"
        return f"{said}, and {one} the reference.{_times(measured[name] for name in best[:3])}"
    winner = measured[best[0]]
    test = (winner.significance or {}).get(measure)
    if test is None or reference is None:
        return f"{said}.{_times([winner])}"
    difference = f"{points(test.difference)} points against {reference.name}"
    return f"{said}: {difference}, {told(test, results)}.{_times([winner, reference])}"


def _times(systems: Iterable[SystemResult]) -> str:
    """Return how long a query takes each system; nothing where one was not timed, or while others
    kept the machine busy: the same report says that such a time is not to be trusted."""
    shown = cost("query_p50_ms")
    timed = list(systems)
    times = [(system.name, shown.of(system)) for system in timed]
    if any(value is None for _, value in times) or any(
        (system.other_cpu_share or 0.0) > BUSY for system in timed
    ):
        return ""
    one, *others = [f"{name} {shown.told(value)}" for name, value in times]
    rest = "".join(f", {other}" for other in others)
    return f" Encoding and searching a query takes {one}{rest} (median)."


def listed(names: list[str]) -> str:
    """Return names as part of a sentence; of many the first three.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
