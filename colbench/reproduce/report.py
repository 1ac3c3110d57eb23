"""`report.md` and `reproduction.csv` of `colbench reproduce`, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colbench.report.csv import write_csv
from colbench.report.formats import count, fraction, points, unsigned_points
from colbench.report.markdown import write_markdown
from colbench.report.rows import UNTRAINED
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    Link,
    Paragraph,
    Prose,
    Section,
    Table,
    names,
    numbers,
    texts,
)
from colbench.reproduce.record import Comparison, Reproduction, SourceInfo
from colbench.reproduce.rows import (
    LEGEND,
    measured,
    not_run,
    others,
    reasons,
    settings,
    status,
    summary,
    value,
    why_refused,
)

_COLUMNS = (
    "id",
    "status",
    "model",
    "dataset",
    "split",
    "metric",
    "unit",
    "published",
    "measured",
    "difference",
    "tolerance",
    "system",
    "untrained",
    "suspect",
    "reason",
    "note",
)


def write_reproduction_report(reproduction: Reproduction, folder: Path) -> Path:
    """Write `report.md` and `reproduction.csv` into `folder`; return the report's path."""
    path = folder / "report.md"
    write_markdown(reproduction_document(reproduction), path)
    write_csv(_figures(reproduction), folder / "reproduction.csv")
    return path


def _figures(reproduction: Reproduction) -> Table:
    """Return every figure, measured or not, for other programs."""
    titles = (*_COLUMNS, "settings_that_differ", "source", "grade")
    rows = [
        [
            *(getattr(entry, column) for column in _COLUMNS),
            *(settings(entry), entry.source.title, entry.source.grade),
        ]
        for entry in reproduction.entries
    ]
    return Table("Figures", [Column(title=title) for title in titles], rows)


def reproduction_document(reproduction: Reproduction) -> Document:
    """Return the report."""
    made = (
        "Made by ",
        Code(reproduction.command),
        f", {reproduction.created}, colbench {reproduction.colbench_version}.",
    )
    lead: list[Block] = [Paragraph(f"{summary(reproduction)}."), *_measured(reproduction)]
    sections = [
        _runs(reproduction),
        _averages(reproduction),
        Section("Not run", [_dataset(*one) for one in not_run(reproduction).items()]),
        Section("Origin", [Paragraph(made)]),
    ]
    shown = [section for section in sections if section.blocks]
    return Document("Published figures, measured again", lead, shown)


def reproduction_summary(reproduction: Reproduction) -> Document:
    """Return what a terminal shows: what was measured in full, and the rest by its reasons.

    A dataset of which nothing was measured is one line, unless it is the only one asked for.
    """
    found, missing = measured(reproduction), not_run(reproduction)
    blocks: list[Block] = []
    if found:
        table = measured_table(found)
        few = ("figure", "published", "measured", "difference", "tolerance", "status")
        titles = [column.title for column in table.columns]
        blocks.append(table.select([titles.index(title) for title in few]))
    if differing := [_difference(entry) for entry in found if entry.status == "differs"]:
        blocks.append(Bullets(differing))
    whole = {entry.dataset for entry in found}
    for dataset, entries in missing.items():
        if dataset in whole or len(missing) == 1:
            blocks.append(Paragraph(f"{dataset}, not run:"))
            blocks.append(_reasons(entries))
    rest = [
        f"{dataset}: {len(entries)} not run, {reasons(entries)[0][0]}"
        for dataset, entries in missing.items()
        if dataset not in whole and len(missing) > 1
    ]
    refused = sum(average.status == "refused" for average in reproduction.averages)
    if refused:
        rest.append(
            f"{refused} averages refused: a member was not measured in full; see the report"
        )
    if rest:
        blocks.append(Bullets(rest, minor=True))
    blocks.append(Paragraph(summary(reproduction), "caption"))
    if found:
        blocks.append(Paragraph(LEGEND, "legend"))
    return Document("", blocks)


def _difference(entry: Comparison) -> str:
    """Return what may explain a difference."""
    told = [settings(entry)]
    if entry.settings_unknown:
        told.append(f"not published: {', '.join(entry.settings_unknown)}")
    if entry.note:
        told.append(entry.note)
    return f"{entry.id}: {'; '.join(part for part in told if part)}"


def _reasons(entries: Sequence[Comparison]) -> Table:
    columns = [*numbers(count, "figures", priority=0), *texts("why")]
    return Table("Not run", columns, [[number, why] for why, number in reasons(entries)])


def _measured(reproduction: Reproduction) -> list[Block]:
    entries = measured(reproduction)
    if not entries:
        return [Paragraph("Nothing that is published could be measured here.")]
    notes: list[Prose] = [(Code(entry.id), f": {entry.note}") for entry in entries if entry.note]
    blocks: list[Block] = [measured_table(entries), Paragraph(LEGEND, "legend")]
    return [*blocks, *([Bullets(notes)] if notes else [])]


def _interval(entry: Comparison) -> str | None:
    if entry.low is None or entry.high is None:
        return None
    return f"{fraction(entry.low)} to {fraction(entry.high)}"


def measured_table(entries: Sequence[Comparison]) -> Table:
    """Return a row for each figure that was measured."""
    columns = [
        *names("figure"),
        *texts("status", priority=1),
        *numbers(fraction, "published", "measured", priority=0),
        Column(title="95% interval", priority=2, optional=True),
        *numbers(points, "difference", priority=0),
        *numbers(unsigned_points, "tolerance", priority=0),
        *names("system", priority=4),
        *texts("settings that differ", "not published", priority=4),
        *texts("source", "also published", priority=4),
    ]
    rows = [
        [
            *(entry.id, status(entry), entry.published, entry.measured, _interval(entry)),
            *(entry.difference, entry.tolerance),
            Cell(entry.system, caveat=UNTRAINED if entry.untrained else ""),
            *(settings(entry), ", ".join(entry.settings_unknown)),
            *(_source(entry.source), others(entry)),
        ]
        for entry in entries
    ]
    return Table("Figures", columns, rows).compact()


def _source(source: SourceInfo) -> Prose:
    return (Link(source.title, source.url), f", {source.grade}")


def _runs(reproduction: Reproduction) -> Section:
    columns = [
        *names("run"),
        *texts("collection", priority=4),
        *numbers(count, "documents", "queries"),
        *texts("machine", priority=4),
        *names("commit", priority=4),
        *texts("finished", priority=4),
    ]
    rows = [
        [
            *(run.folder, f"{run.collection}{' (a subset)' * run.sampled}"),
            *(run.docs, run.queries, run.cpu),
            *((run.git_commit or "unknown")[:12], run.created),
        ]
        for run in reproduction.runs
    ]
    return Section("Runs", [Table("Runs", columns, rows)] if rows else [])


def _averages(reproduction: Reproduction) -> Section:
    columns = [
        *names("mean"),
        *texts("status", priority=1),
        *numbers(fraction, "published", "measured"),
        *numbers(points, "difference"),
        *texts("why", "note", "source", priority=4),
    ]
    rows = [
        [
            *(average.id, average.status, average.published, average.measured),
            *(average.difference, why_refused(average), average.note, _source(average.source)),
        ]
        for average in reproduction.averages
    ]
    note = (
        "A mean is refused while a member was not measured in full. CQADupStack is one member, the "
        "mean of its twelve forums."
    )
    means = Section("means", [Table("Means", columns, rows)], folded=0)
    return Section("Averages", [Paragraph(note), means] if rows else [])


def _dataset(dataset: str, entries: Sequence[Comparison]) -> Section:
    columns = [
        *names("figure"),
        *texts("what", priority=1),
        Column(title="published", priority=0),
        *texts("why not", "note", "source", priority=4),
    ]
    rows = [
        [
            *(entry.id, entry.unit or entry.metric),
            Cell(
                entry.published,
                value(entry.published, entry.unit) + (" (suspect)" if entry.suspect else ""),
            ),
            *(entry.reason, entry.note, _source(entry.source)),
        ]
        for entry in entries
    ]
    return Section(dataset, [Table(dataset, columns, rows)], folded=0)
