"""What was trained on, and what never was: the section of data in `report.md` of training."""

from __future__ import annotations

from colbench.report.gfm import code, table, text
from colbench.report.rows import number
from colbench.report.train_names import KINDS, base_label
from colbench.results.train import MiningReport, SourceReport, TeacherReport, Train


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
