"""Tables of the page after the comparison: tests, losses, latency, building, files, encoders."""

from __future__ import annotations

from colbench.report.attribution import loss_tables
from colbench.report.encodings import HEADING, TOLD, WORDS, encoding_table
from colbench.report.html.comparison import points
from colbench.report.html.table import Column, DataTable, Entry, Line, plain
from colbench.report.rows import number, size, three_digits
from colbench.results.schema import Results, SystemResult


def significance(run: Results) -> DataTable | None:
    """Return the tests against the baseline, or None where there are none."""
    lines: list[list[str | Entry]] = [
        [
            system.name,
            measure,
            Entry(points(test.difference), test.difference),
            Entry("" if test.p_value is None else f"{test.p_value:.3g}", test.p_value),
            Entry(
                "" if test.p_holm is None else f"{test.p_holm:.3g}{'†' * test.significant}",
                test.p_holm,
            ),
            *(Entry(str(count), count) for count in (test.wins, test.ties, test.losses)),
        ]
        for system in run.systems
        for measure, test in (system.significance or {}).items()
    ]
    if not lines or run.baseline is None:
        return None
    told = (
        f"Paired {run.test} test over queries; p (Holm) is corrected over all systems and "
        f"measures. † p (Holm) ≤ {run.alpha:g}. Differences are in points (× 100)."
    )
    numbers = ["difference", "p", "p (Holm)", "better", "equal", "worse"]
    return plain(f"Against {run.baseline}", ["system", "measure"], numbers, lines, told)


def losses(results: Results) -> list[DataTable]:
    """Return one table a system that was searched stage by stage."""
    return [
        DataTable(
            loss.system,
            [Column(title, numeric=place > 0) for place, title in enumerate(loss.titles)],
            [Line([_number(text) for text in line]) for line in loss.lines],
            loss.told,
        )
        for loss in loss_tables(results)
    ]


def _number(text: str) -> Entry:
    try:
        return Entry(text, float(text))
    except ValueError:
        return Entry(text)


def latency(results: Results) -> DataTable | None:
    """Return encoding and search times, or None where nothing was timed."""
    lines: list[list[str | Entry]] = [
        [
            system.name,
            stage,
            *(Entry(three_digits(v), v) for v in (found.p50, found.p95, found.p99, found.mean)),
            Entry(f"{timed.queries} × {timed.trials}", timed.queries),
            _share(system.other_cpu_share),
        ]
        for system in results.systems
        if (timed := system.latency_ms)
        for stage, found in (("encode", timed.encode), ("search", timed.search))
    ]
    if not lines:
        return None
    numbers = ["p50", "p95", "p99", "mean", "queries × trials", "other load"]
    told = "Milliseconds. Other load: the share of the cores that other processes used meanwhile."
    return plain("Latency", ["system", "stage"], numbers, lines, told)


def _share(value: float | None) -> Entry:
    return Entry("") if value is None else Entry(f"{100 * value:.0f} %", value)


def building(results: Results) -> DataTable | None:
    """Return what encoding and building took, or None where nothing ran."""
    lines = [_built(system) for system in results.systems if system.status == "ok"]
    if not lines:
        return None
    numbers = ["docs encoded", "docs/s", "build s", "vectors", "dims", "bytes per vector"]
    told = (
        "docs encoded: in this run, equal texts once; the others came from the cache. "
        "docs/s: the speed when they were encoded."
    )
    return plain("Encoding and building", ["system"], numbers, lines, told)


def _built(system: SystemResult) -> list[str | Entry]:
    index = system.index
    encoded, vectors = system.docs_encoded, index.vectors if index else 0
    per_vector = index.bytes_per_vector if index else None
    shown = "none needed" if encoded is None else f"{encoded:,}" if encoded else "0 (all cached)"
    return [
        system.name,
        Entry(shown, encoded),
        Entry(number(system.encode_docs_per_second), system.encode_docs_per_second),
        Entry(three_digits(system.build_seconds), system.build_seconds),
        Entry(f"{vectors:,}", vectors) if vectors else Entry(""),
        Entry(str(index.dims), index.dims) if index and vectors else Entry(""),
        Entry(number(per_vector), per_vector),
    ]


def index_files(results: Results) -> DataTable | None:
    """Return every file of every index, or None where no index was kept."""
    lines: list[list[str | Entry]] = [
        [system.name, file, Entry(size(count), count)]
        for system in results.systems
        if system.index
        for file, count in system.index.files.items()
    ]
    return plain("Index files", ["system", "file"], ["size"], lines) if lines else None


def encoders(results: Results) -> DataTable | None:
    """Return how the documents were encoded, or None where no encoder is known."""
    found = encoding_table(results)
    if found is None:
        return None
    lines: list[list[str | Entry]] = [
        [*words, *(Entry(cell.text, cell.value) for cell in numbers)]
        for words, numbers in found.lines
    ]
    return plain(HEADING, WORDS, found.titles, lines, TOLD)
