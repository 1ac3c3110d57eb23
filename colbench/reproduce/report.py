"""`report.md` and `reproduction.csv` of `colbench reproduce`."""

from __future__ import annotations

import csv
from pathlib import Path

from colbench.files import atomic_write
from colbench.report.gfm import code, table, text
from colbench.reproduce.record import Comparison, Reproduction, SourceInfo
from colbench.reproduce.rows import (
    LEGEND,
    measured,
    not_run,
    others,
    points,
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
    "suspect",
    "reason",
    "note",
)


def write_reproduction_report(reproduction: Reproduction, folder: Path) -> Path:
    """Write `report.md` and `reproduction.csv` into `folder`; return the report's path."""
    path = folder / "report.md"
    with atomic_write(path) as stream:
        stream.write(render_reproduction(reproduction))
    with atomic_write(folder / "reproduction.csv") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*_COLUMNS, "settings_that_differ", "source", "grade"])
        for entry in reproduction.entries:
            cells = [getattr(entry, column) for column in _COLUMNS]
            writer.writerow([*cells, settings(entry), entry.source.title, entry.source.grade])
    return path


def render_reproduction(reproduction: Reproduction) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    sections = [
        "# Published figures, measured again",
        text(summary(reproduction)) + ".",
        _measured(reproduction),
        _runs(reproduction),
        _averages(reproduction),
        _not_run(reproduction),
        f"Made by {code(reproduction.command)}, {text(reproduction.created)}, colbench "
        f"{text(reproduction.colbench_version)}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _measured(reproduction: Reproduction) -> str:
    found = measured(reproduction)
    if not found:
        return "Nothing that is published could be measured here."
    lines = [
        [
            code(entry.id),
            text(status(entry)),
            value(entry.published),
            value(entry.measured),
            points(entry.difference),
            points(entry.tolerance, signed=False),
            code(entry.system or ""),
            text(settings(entry)),
            text(", ".join(entry.settings_unknown)),
            _source(entry.source),
            text(others(entry)),
        ]
        for entry in found
    ]
    titles = ["figure", "status", "published", "measured", "difference", "tolerance", "system"]
    titles += ["settings that differ", "not published", "source", "also published"]
    notes = [f"- {code(entry.id)}: {text(entry.note)}" for entry in found if entry.note]
    return "\n\n".join(
        [table(titles, lines, left=2), text(LEGEND), *(["\n".join(notes)] if notes else [])]
    )


def _source(source: SourceInfo) -> str:
    return f"[{text(source.title)}]({source.url}), {source.grade}"


def _runs(reproduction: Reproduction) -> str:
    if not reproduction.runs:
        return ""
    lines = [
        [
            code(run.folder),
            text(run.collection) + (" (a subset)" if run.sampled else ""),
            f"{run.docs:,}",
            f"{run.queries:,}",
            text(run.cpu),
            code((run.git_commit or "unknown")[:12]),
            text(run.created),
        ]
        for run in reproduction.runs
    ]
    titles = ["run", "collection", "documents", "queries", "machine", "commit", "finished"]
    return f"## Runs\n\n{table(titles, lines)}"


def _averages(reproduction: Reproduction) -> str:
    if not reproduction.averages:
        return ""
    lines = [
        [
            code(average.id),
            average.status,
            value(average.published),
            value(average.measured),
            points(average.difference),
            text(why_refused(average)),
            text(average.note or ""),
            _source(average.source),
        ]
        for average in reproduction.averages
    ]
    titles = ["mean", "status", "published", "measured", "difference", "why", "note", "source"]
    told = (
        "A mean is refused while a member was not measured in full. CQADupStack is one member, the "
        "mean of its twelve forums."
    )
    return f"## Averages\n\n{told}\n\n{_details('means', len(lines), table(titles, lines))}"


def _not_run(reproduction: Reproduction) -> str:
    parts = [_dataset(name, entries) for name, entries in not_run(reproduction).items()]
    return "\n\n".join(["## Not run", *parts]) if parts else ""


def _dataset(name: str, entries: list[Comparison]) -> str:
    lines = [
        [
            code(entry.id),
            text(entry.unit or entry.metric),
            value(entry.published, entry.unit) + (" (suspect)" if entry.suspect else ""),
            text(entry.reason or ""),
            text(entry.note or ""),
            _source(entry.source),
        ]
        for entry in entries
    ]
    titles = ["figure", "what", "published", "why not", "note", "source"]
    return _details(text(name), len(lines), table(titles, lines))


def _details(title: str, count: int, content: str) -> str:
    return f"<details>\n<summary>{title}: {count}</summary>\n\n{content}\n\n</details>"
