"""The tables of README and documentation, filled from the committed results.

    python -m benchmarks.doc_tables

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. Its rows and columns are as they
are written there; the cells of the columns below are made anew, the others stay. The table of an
application has a column for each size and rows of `ROWS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.application.made_up import FILTERS
from benchmarks.application.record import FILE_NAME as APPLICATION_FILE
from benchmarks.application.record import Application, Filtered, Size
from colbench.files import atomic_write
from colbench.report import gfm
from colbench.report.costs import cost
from colbench.report.formats import fraction, size, three_digits
from colbench.results.checksummed import read_checksummed
from colbench.results.schema import SystemResult
from colbench.results.store import read_results

_ROOT = Path(__file__).resolve().parents[1]
PAGES = {"scifact": "README.md", "scifact_all": "docs/systems.md"}
"""Name of a table → the page that it stands in."""
RESULTS = "results/scifact"
APPLICATION = "application"
APPLICATION_PAGES = ("README.md", "docs/application.md")


def _measure(name: str) -> Callable[[SystemResult], str]:
    return lambda system: fraction((system.effectiveness or {})[name])


def _cost(key: str) -> Callable[[SystemResult], str]:
    def written(system: SystemResult) -> str:
        value = cost(key).of(system)
        return "" if value is None else cost(key).format(value)

    return written


def _interval(system: SystemResult) -> str:
    limits = (system.intervals or {}).get("ndcg@10")
    return "" if limits is None else " to ".join(map(fraction, limits))


COLUMNS: dict[str, Callable[[SystemResult], str]] = {
    "nDCG@10": _measure("ndcg@10"),
    "95 % CI": _interval,
    "MRR@10": _measure("mrr@10"),
    "Recall@100": _measure("recall@100"),
    "query p50, ms": _cost("query_p50_ms"),
    "query p95, ms": _cost("query_p95_ms"),
    "search p50, ms": _cost("search_p50_ms"),
    "queries/s": _cost("throughput_qps"),
    "index": _cost("index_bytes"),
    "model": _cost("model_bytes"),
    "peak memory": _cost("peak_rss_bytes"),
}
"""Head of a column → what it holds."""
_BEST = ("nDCG@10", "MRR@10", "Recall@100")
"""Columns whose best value is bold where one was bold before."""


def filled(block: str, systems: Mapping[str, SystemResult]) -> str:
    """Return a Markdown table with the cells of known columns made anew.

    Args:
        block: the table; the first cell of each row is a system's name as code.
        systems: name → system.

    Raises:
        KeyError: a row is of a system that the results do not have.
    """
    head, _, *lines = [_cells(line) for line in block.strip().splitlines()]
    made = []
    for line in lines:
        system = systems[line[0].strip("`")]
        pairs = zip(head, line, strict=True)
        made.append([COLUMNS[c](system) if c in COLUMNS else old for c, old in pairs])
    for place, column in enumerate(head):
        if column in _BEST and any(line[place].startswith("**") for line in lines):
            best = max(row[place] for row in made)
            for row in made:
                row[place] = f"**{best}**" if row[place] == best else row[place]
    titles, _, *rows = gfm.table(head, made, left=[True] * len(head)).split("\n")
    return "\n".join([titles, block.strip().split("\n")[1], *rows])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def fill(name: str, text: str, systems: Mapping[str, SystemResult]) -> str:
    """Return a page with one of its tables filled."""
    pattern = re.compile(rf"(<!-- table: {name} -->\n)(.*?)(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda m: f"{m[1]}{filled(m[2], systems)}\n{m[3]}", text)


def _pair(one: float, other: float, unit: str) -> str:
    return f"{three_digits(one)} / {three_digits(other)} {unit}"


def _filter(name: str) -> dict[str, Callable[[Size], str]]:
    def found(one: Size) -> Filtered:
        return next(filtered for filtered in one.searching.filters if filtered.name == name)

    def times(one: Size) -> str:
        return _pair(found(one).first_p50_ms, found(one).repeated.p50_ms, "ms")

    return {
        f"filter: {name}: p50 first / again": times,
        f"filter: {name}: overlap@10": lambda one: fraction(found(one).overlap),
    }


ROWS: dict[str, Callable[[Size], str]] = {
    "making the index": lambda one: f"{three_digits(one.building.seconds)} s",
    "peak memory, making": lambda one: size(one.building.peak_bytes),
    "vectors": lambda one: size(one.building.vector_bytes),
    "texts and metadata": lambda one: size(one.building.database_bytes),
    "opening": lambda one: f"{three_digits(one.searching.open_seconds)} s",
    "peak memory, searching": lambda one: size(one.searching.peak_bytes),
    "search of all, p50 / p99": lambda one: _pair(
        one.searching.everything.p50_ms, one.searching.everything.p99_ms, "ms"
    ),
    "search of all, overlap@10": lambda one: fraction(one.searching.overlap),
    "hybrid search, p50 / p99": lambda one: _pair(
        one.searching.hybrid.p50_ms, one.searching.hybrid.p99_ms, "ms"
    ),
    "adding 1,000, first / later": lambda one: _pair(
        one.changing.add_first_seconds, one.changing.add_later_seconds, "s"
    ),
    "deleting 1,000": lambda one: f"{three_digits(one.changing.delete_seconds)} s",
    **{row: value for name in FILTERS for row, value in _filter(name).items()},
}
"""Head of a row of the table of an application → what a size has there."""


def fill_application(text: str, results: Application) -> str:
    """Return a page with its table of an application filled, where it has one."""
    sizes = {one.name: one for one in results.sizes}

    def made(match: re.Match[str]) -> str:
        head, _, *lines = [_cells(line) for line in match[2].strip().splitlines()]
        rows = [
            [
                row[0],
                *(
                    ROWS[row[0]](sizes[name]) if name in sizes else old
                    for name, old in zip(head[1:], row[1:], strict=True)
                ),
            ]
            for row in lines
        ]
        titles, rule = match[2].strip().split("\n")[:2]
        written = [" | ".join(["", *row, ""]).strip() for row in rows]
        return "\n".join([match[1] + titles, rule, *written, match[3]])

    pattern = rf"(<!-- table: {APPLICATION} -->\n)(.*?)(<!-- end -->)"
    return re.sub(pattern, made, text, flags=re.DOTALL)


def main() -> None:
    """Fill the tables of all pages, in place."""
    results = read_results(_ROOT / RESULTS)
    systems = {system.name: system for system in results.systems}
    for name, page in PAGES.items():
        path = _ROOT / page
        text = fill(name, path.read_text(encoding="utf-8"), systems)
        with atomic_write(path) as stream:
            stream.write(text)
    measured = _ROOT / "results" / APPLICATION / APPLICATION_FILE
    if not measured.exists():
        return
    content = read_checksummed(measured, what="results of colbench", renew="measure again")
    for page in APPLICATION_PAGES:
        path = _ROOT / page
        text = fill_application(
            path.read_text(encoding="utf-8"), Application.model_validate(content)
        )
        with atomic_write(path) as stream:
            stream.write(text)


if __name__ == "__main__":
    main()
