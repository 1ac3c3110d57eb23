"""`report.md` of `colbench train`, the section on its data, and the account in the terminal."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from colbench.compare.tables import points
from colbench.files import atomic_write
from colbench.report.gfm import code, table, text
from colbench.report.rows import number
from colbench.train.naming import KINDS, base_label, base_of, load_words, updated
from colbench.train.picture import write_picture
from colbench.train.record import CurvePoint, MiningReport, SourceReport, TeacherReport, Train


def data_section(results: Train) -> list[str]:
    """Return the blocks of the section, without its heading; an empty one says nothing."""
    return [
        sources_table(results),
        _caption(results),
        protected_list(results),
        _mining(results.mining),
        _teacher(results.teacher),
    ]


def sources_table(results: Train) -> str:
    """Return the table of what became of the examples of each source."""
    titles = [
        *("source", "pairs", "collection", "found", "duplicates", "protected queries"),
        *("protected documents", "protected negatives", "held out", "trained on"),
    ]
    lines = [_source(source) for source in results.sources]
    if len(lines) > 1:
        sums = [sum(column) for column in zip(*map(_counts, results.sources), strict=True)]
        lines.append(["all", "", "", *(f"{total:,}" for total in sums)])
    return table(titles, lines, left=3)


def protected_list(results: Train) -> str:
    """Return the splits that were never trained on, as a list; nothing where there is none."""
    lines = [
        f"- {text(split.name)}: {split.queries:,} queries, {split.documents:,} judged documents "
        f"(fingerprint {code(split.fingerprint[:12])})"
        for split in results.protected
    ]
    return "\n".join(["Protected, never trained on:", "", *lines]) if lines else ""


def _source(source: SourceReport) -> list[str]:
    names = [code(source.name), text(source.pairs), text(source.collection or "")]
    return [*names, *(f"{count:,}" for count in _counts(source))]


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


def _caption(results: Train) -> str:
    dev = results.development
    return (
        "found: examples in the source. Dropped: duplicates (the same query and document), "
        "protected queries and protected documents (those of a split below, by id or by text), "
        "and negatives that are protected documents. held out: kept for development. trained on: "
        "what limits and few-shot draws left of the rest. Development: "
        f"{dev.queries:,} queries over {dev.documents:,} documents of {text(dev.collection)}, held "
        f"out of the source {code(dev.source)}; they decide which checkpoint is kept."
    )


def _mining(mining: MiningReport | None) -> str:
    if mining is None:
        return "Negatives: none were mined."
    return (
        f"Negatives: {mining.negatives:,} for {mining.examples:,} examples, found by "
        f"{code(mining.system)} in {number(mining.seconds)} s. {mining.left_out:,} documents were "
        f"left out because they score too near the positive or above it; {mining.short:,} examples "
        "have fewer than asked for."
    )


def _teacher(teacher: TeacherReport | None) -> str:
    if teacher is None:
        return ""
    return (
        f"Teacher: the {KINDS.get(teacher.kind) or text(teacher.kind)} "
        f"{code(base_label(teacher.model))} scored {teacher.pairs:,} pairs in "
        f"{number(teacher.seconds)} s; in {teacher.agreement:.1%} of the examples it scores the "
        "positive highest."
    )


_PICTURE = "learning_curve"


def write_train_report(results: Train, folder: Path) -> None:
    """Write `report.md` and the learning curve as SVG and PNG.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_picture(results, folder / _PICTURE)
    with atomic_write(folder / "report.md") as stream:
        stream.write(render_train(results, picture=f"{_PICTURE}.svg"))


def render_train(results: Train, picture: str | None) -> str:
    """Return the report as GitHub-flavoured Markdown, with the picture where it is named."""
    parts = [
        f"# Training: {KINDS[results.kind]} from {text(base_of(results))}",
        stopped_line(results),
        _trained(results),
        result_line(results),
        f"![learning curve]({picture})" if picture else "",
        "## Data",
        *data_section(results),
        "## Learning curve",
        _curve(results),
        "loss: mean since the point before. The checkpoint of the best value is the one saved.",
        "## Use",
        _use(results),
        _origin(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_train_summary(results: Train) -> str:
    """Return what was trained, the result and the table of sources, as Markdown."""
    parts = [_trained(results), result_line(results), sources_table(results)]
    return "\n\n".join(parts) + "\n"


def stopped_line(results: Train) -> str:
    """Return a sentence in bold that says why the training ended early; nothing if it did not."""
    if results.stopped is None:
        return ""
    return f"**Stopped before its last step: {text(results.stopped)}**"


def result_line(results: Train) -> str:
    """Return what the training changed on the development part, in one line."""
    dev, start, best = results.development, results.start_value, results.best_value
    if best <= start:
        change = f"no better at any evaluation (best {best:.4f}, at step {results.best_step:,})"
    else:
        change = f"**{best:.4f}** at step {results.best_step:,}: {points(best - start)} points"
    return (
        f"{text(dev.measure)} on the development part ({dev.queries:,} queries, {dev.documents:,} "
        f"documents): {start:.4f} untrained, {change}."
    )


def _trained(results: Train) -> str:
    sizes = results.parameters
    dims = "" if sizes.dims is None else f"; vectors of {sizes.dims:,} dimensions"
    return (
        f"{KINDS[results.kind]} from {code(base_of(results))}, trained on "
        f"{results.examples:,} examples in {results.steps:,} steps, for "
        f"{text(results.collection.name)}. Trained: {updated(results)}, {sizes.trained:,} of "
        f"{sizes.total:,} parameters{dims}."
    )


def _curve(results: Train) -> str:
    titles = ["step", "epoch", "seconds", "loss", "learning rate", results.development.measure, ""]
    lines = [_point(p, results.best_step) for p in results.curve if p.value is not None]
    return table([text(title) for title in titles], lines, left=0)


def _point(point: CurvePoint, best_step: int) -> list[str]:
    best, value = point.step == best_step, f"{point.value:.4f}"
    return [
        f"{point.step:,}",
        f"{point.epoch:.2f}",
        number(point.seconds),
        "" if point.loss is None else f"{point.loss:.4g}",
        "" if point.learning_rate is None else f"{point.learning_rate:.3g}",
        f"**{value}**" if best else value,
        "best" if best else "",
    ]


def _use(results: Train) -> str:
    words = ["colbench", "run", *_dataset(results.command)]
    words += load_words(results.kind, "OUTPUT/model")
    return (
        "The model of the best step is in `model`, with its model card; OUTPUT is the folder of "
        f"this report.\n\n```sh\n{' '.join(map(shlex.quote, words))}\n```"
    )


def _dataset(command: str) -> list[str]:
    """Return the words of the command that choose the dataset; none for the default one."""
    try:
        words = shlex.split(command)
    except ValueError:  # not quoted as a shell has it
        words = command.split()
    return [word for word in words if re.match(r"\+*dataset[.=]", word)]


def _origin(results: Train) -> str:
    e = results.environment
    again = f", resumed {results.resumed:,} times" if results.resumed else ""
    return (
        f"Made by {code(results.command)}, {results.created}, commit "
        f"{code(e.git_commit or 'unknown')}; {number(results.seconds)} s of training{again}, on "
        f"{text(e.cpu)}, {e.threads} threads, {text(e.accelerator or 'no GPU')}."
    )
