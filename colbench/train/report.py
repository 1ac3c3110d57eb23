"""`report.md` of `colbench train` with its learning curve, and the account in the terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colbench.report.charts.draw import write_chart
from colbench.report.charts.frame import Axis
from colbench.report.charts.theme import colour
from colbench.report.formats import count, fraction, number, points
from colbench.report.markdown import write_markdown
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Listing,
    Paragraph,
    Picture,
    Prose,
    Section,
    Strong,
    Table,
    names,
    numbers,
    spans,
    texts,
)
from colbench.train.naming import KINDS, base_label, base_of, load_overrides, updated
from colbench.train.record import CurvePoint, MiningReport, SourceReport, TeacherReport, Train

_WIDTH, _MEASURE, _LOSS = 560, 220, 150
_ROOM = 20
"""Pixels that a name takes below its line."""
_Row = dict[str, Any]


def write_picture(results: Train, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`.

    Raises:
        StorageError: they cannot be written.
    """
    title = f"Learning curve: {KINDS[results.kind]} from {base_of(results)}"
    dev = results.development
    subtitle = f"{dev.measure} on {dev.queries:,} queries held out for development; training loss"
    write_chart(learning_curve(results), title, subtitle, stem)


def learning_curve(results: Train) -> Any:
    """Return the Altair chart: one panel above the other, the second where a loss is known."""
    import altair

    values = [{"step": p.step, "value": p.value} for p in results.curve if p.value is not None]
    losses = [{"step": p.step, "loss": p.loss} for p in results.curve if p.loss is not None]
    panels = [_measure(results, values), *([_loss(results, losses)] if losses else [])]
    return altair.vconcat(*panels)


def _measure(results: Train, values: Sequence[_Row]) -> Any:
    import altair

    best: _Row = {"step": results.best_step, "value": results.best_value}
    best["label"] = f"best: {results.best_value:.4f}"
    before = began_with(results)
    start = {"value": before, "label": f"untrained: {before:.4f}"}
    measured = [*(row["value"] for row in values), best["value"], start["value"]]
    axis = Axis.around(measured, _MEASURE, log=False, margin=0.15)
    x = _steps(results)
    y = altair.Y("value:Q", title=results.development.measure).scale(axis.scale())
    # The names stand inside the panel whichever side of it they belong to.
    late = results.best_step > _last(results) / 2
    below = _ROOM < axis.place(before) < _MEASURE / 2
    rule = _chart([start]).mark_rule(strokeDash=[5, 4], color=colour("other")).encode(y=y)
    named = _chart([start]).mark_text(align="right", dy=10 if below else -10, color=colour("muted"))
    curve = _chart(values).encode(x=x, y=y)
    mark = _chart([best]).encode(x=x, y=y)
    layered: Any = altair.layer(
        rule,
        named.encode(x=altair.value(_WIDTH), y=y, text="label:N"),
        curve.mark_line(color=colour("accent"), strokeWidth=1.5, opacity=0.6),
        curve.mark_point(filled=True, size=45, opacity=1, color=colour("accent")),
        mark.mark_point(size=170, opacity=1, strokeWidth=2, color=colour("ink")),
        mark.mark_text(
            align="right" if late else "left", dx=-12 if late else 12, dy=-10, color=colour("ink")
        ).encode(text="label:N"),
    )
    return layered.properties(width=_WIDTH, height=_MEASURE)


def _loss(results: Train, losses: Sequence[_Row]) -> Any:
    import altair

    axis = Axis.around([row["loss"] for row in losses], _LOSS, log=False)
    y = altair.Y("loss:Q", title="training loss").scale(axis.scale()).axis(tickCount=5)
    chart = _chart(losses).encode(x=_steps(results), y=y)
    layered: Any = altair.layer(
        chart.mark_line(color=colour("total"), strokeWidth=1.5),
        chart.mark_point(filled=True, size=25, opacity=1, color=colour("total")),
    )
    return layered.properties(width=_WIDTH, height=_LOSS)


def _steps(results: Train) -> Any:
    """Return the axis that both panels have: from no step to the last one."""
    import altair

    axis = altair.Axis(format=",d", tickMinStep=1, tickCount=8)
    scale = altair.Scale(domain=[0, _last(results)], nice=False)
    return altair.X("step:Q", title="step", scale=scale, axis=axis)


def _last(results: Train) -> int:
    return max([1, results.best_step, *(point.step for point in results.curve)])


def _chart(rows: Sequence[_Row]) -> Any:
    import altair

    return altair.Chart(altair.InlineData(values=list(rows)))


def data_section(results: Train) -> list[Block]:
    """Return the content of the section, without its heading."""
    return [
        sources_table(results),
        Paragraph(_caption(results)),
        *protected_list(results),
        Paragraph(_mining(results.mining)),
        *([] if results.teacher is None else [Paragraph(_teacher(results.teacher))]),
    ]


def sources_table(results: Train) -> Table:
    """Return the table of what became of the examples of each source."""
    columns = [
        *names("source"),
        *texts("pairs", "collection"),
        *numbers(count, "found", priority=1),
        *numbers(count, "duplicates", "protected queries"),
        *numbers(count, "protected documents", "protected negatives"),
        *numbers(count, "held out", "trained on", priority=1),
    ]
    rows: list[list[Any]] = [[s.name, s.pairs, s.collection, *_counts(s)] for s in results.sources]
    several = len(rows) > 1
    if several:
        sums = [sum(column) for column in zip(*map(_counts, results.sources), strict=True)]
        rows.append([("all",), None, None, *sums])
    return Table("Sources", columns, rows, totals=int(several))


def protected_list(results: Train) -> list[Block]:
    """Return the splits that were never trained on; nothing where there is none."""
    splits: list[Prose] = [
        (
            f"{split.name}: {split.queries:,} queries, {split.documents:,} judged documents "
            "(fingerprint ",
            Code(split.fingerprint[:12]),
            ")",
        )
        for split in results.protected
    ]
    return [Paragraph("Protected, never trained on:"), Bullets(splits)] if splits else []


def _counts(source: SourceReport) -> list[int]:
    return [
        source.found,
        source.duplicates,
        source.protected_queries,
        source.protected_documents,
        source.protected_negatives,
        source.held_out,
        source.drawn,
    ]


def _caption(results: Train) -> Prose:
    dev = results.development
    return (
        "found: examples in the source. Dropped: duplicates (the same query and document), "
        "protected queries and protected documents (those of a split below, by id or by text), "
        "and negatives that are protected documents. held out: kept for development. trained on: "
        "what limits and few-shot draws left of the rest. Development: "
        f"{dev.queries:,} queries over {dev.documents:,} documents of {dev.collection}, held "
        "out of the source ",
        Code(dev.source),
        "; they decide which checkpoint is kept.",
    )


def _mining(mining: MiningReport | None) -> Prose:
    if mining is None:
        return "Negatives: none were mined."
    return (
        f"Negatives: {mining.negatives:,} for {mining.examples:,} examples, found by ",
        Code(mining.system),
        f" in {number(mining.seconds)} s. {mining.left_out:,} documents were left out because "
        f"they score too near the positive or above it; {mining.short:,} examples have fewer than "
        "asked for.",
    )


def _teacher(teacher: TeacherReport) -> Prose:
    return (
        f"Teacher: the {KINDS.get(teacher.kind) or teacher.kind} ",
        Code(base_label(teacher.model)),
        f" scored {teacher.pairs:,} pairs in {number(teacher.seconds)} s; in "
        f"{teacher.agreement:.1%} of the examples it scores the positive highest.",
    )


_PICTURE = "learning_curve"


def write_train_report(results: Train, folder: Path) -> None:
    """Write `report.md` and the learning curve as SVG and PNG.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_picture(results, folder / _PICTURE)
    write_markdown(train_document(results, f"{_PICTURE}.svg"), folder / "report.md")


def train_document(results: Train, picture: str | None = None) -> Document:
    """Return the report, with the picture where its file is named."""
    lead: list[Block] = [
        *stopped(results),
        Paragraph(_trained(results)),
        result(results),
        change_table(results),
    ]
    if picture:
        lead.append(Picture("learning_curve", "learning curve", path=picture))
    told = "loss: mean since the point before. The checkpoint of the best value is the one saved."
    return Document(
        f"Training: {KINDS[results.kind]} from {base_of(results)}",
        lead,
        [
            Section("Data", data_section(results)),
            Section("Learning curve", [_curve(results), Paragraph(told, "legend")]),
            Section("Use", _use(results)),
            Section("Origin", [Paragraph(_origin(results))]),
        ],
    )


def train_summary(results: Train) -> Document:
    """Return what was trained, the result and the table of sources."""
    told = [Paragraph(_trained(results)), result(results)]
    return Document("", [*told, change_table(results), sources_table(results)])


def stopped(results: Train) -> list[Block]:
    """Return a sentence that says why the training ended early; nothing if it did not."""
    if results.stopped is None:
        return []
    return [Paragraph(f"Stopped before its last step: {results.stopped}", "warning")]


def began_with(results: Train) -> float:
    """Return the value of the checkpoint that training began with.

    Where that was not measured it is the value of the student, whose projection may be new.
    """
    return results.start_value if results.base_value is None else results.base_value


def result(results: Train) -> Paragraph:
    """Return what the training changed on the development part, in one line.

    It is told against the checkpoint as it would be used without training: a new projection costs
    something, and training may win back less than that.
    """
    dev, before, best = results.development, began_with(results), results.best_value
    at = f" at step {results.best_step:,}"
    change: Prose
    if best <= min(before, results.start_value):
        change = f"no better at any evaluation (best {best:.4f},{at})."
    else:
        change = (Strong(f"{best:.4f}"), f"{at}: {points(best - before)} points.")
    if best < before:
        change = (*spans(change), " Without training the checkpoint is better.")
    where = (
        f"{dev.measure} on the development part ({dev.queries:,} queries, {dev.documents:,} "
        f"documents): {before:.4f} untrained, "
    )
    return Paragraph((where, *spans(change)))


def change_table(results: Train) -> Table:
    """Return the models before and after: the checkpoint, the student where it differs, the best.

    The student is another model than the checkpoint where a projection or a classifier was put
    behind it.
    """
    before = began_with(results)
    rows: list[list[Any]] = []
    if results.base_value is not None:
        rows.append([f"{base_of(results)} without training", None, results.base_value, None])
    if results.start_value != results.base_value:
        new = "classifier" if results.kind == "cross_encoder" else "projection"
        named = "student before training"
        if results.base_value is not None or results.kind == "cross_encoder":
            named += f", with its new {new}"
        change = None if results.base_value is None else results.start_value - before
        rows.append([named, 0, results.start_value, change])
    rows.append(["trained", results.best_step, results.best_value, results.best_value - before])
    best = max(row[2] for row in rows)
    columns = [
        *texts("model", priority=0),
        *numbers(count, "step"),
        *numbers(fraction, results.development.measure, priority=0),
        *numbers(points, "points", priority=0),
    ]
    shown = [[*row[:2], Cell(row[2], best=row[2] == best), row[3]] for row in rows]
    return Table("Before and after", columns, shown)


def _trained(results: Train) -> Prose:
    sizes = results.parameters
    dims = "" if sizes.dims is None else f"; vectors of {sizes.dims:,} dimensions"
    return (
        f"{KINDS[results.kind]} from ",
        Code(base_of(results)),
        f", trained on {results.examples:,} examples in {results.steps:,} steps, for "
        f"{results.collection.name}. Trained: {updated(results)}, {sizes.trained:,} of "
        f"{sizes.total:,} parameters{dims}.",
    )


def _curve(results: Train) -> Table:
    columns = [
        *numbers(count, "step", priority=0),
        *numbers("{:.2f}".format, "epoch"),
        *numbers(number, "seconds"),
        *numbers("{:.4g}".format, "loss", direction="lower", priority=1),
        *numbers("{:.3g}".format, "learning rate"),
        *numbers(fraction, results.development.measure, priority=0),
    ]
    rows = [_point(p, results.best_step) for p in results.curve if p.value is not None]
    return Table("Learning curve", columns, rows)


def _point(point: CurvePoint, best_step: int) -> list[Any]:
    best = point.step == best_step
    value = Cell(point.value, best=best, tag="best" if best else "")
    return [*(point.step, point.epoch, point.seconds, point.loss, point.learning_rate), value]


def _use(results: Train) -> list[Block]:
    command = ["colbench", "run", *_dataset(results.command)]
    command += load_overrides(results.kind, "OUTPUT/model")
    told = (
        "The model of the best step is in ",
        Code("model"),
        ", with its model card; OUTPUT is the folder of this report.",
    )
    return [Paragraph(told), Listing(" ".join(map(shlex.quote, command)), "sh")]


def _dataset(command: str) -> list[str]:
    """Return the overrides of the command that choose the dataset; none for the default one."""
    try:
        parts = shlex.split(command)
    except ValueError:  # not quoted as a shell has it
        parts = command.split()
    return [word for word in parts if re.match(r"\+*dataset[.=]", word)]


def _origin(results: Train) -> Prose:
    e = results.environment
    again = f", resumed {results.resumed:,} times" if results.resumed else ""
    return (
        "Made by ",
        Code(results.command),
        f", {results.created}, commit ",
        Code(e.git_commit or "unknown"),
        f"; {number(results.seconds)} s of training{again}, on {e.cpu}, {e.threads} threads, "
        f"{e.accelerator or 'no GPU'}.",
    )
