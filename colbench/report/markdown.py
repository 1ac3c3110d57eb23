"""`report.md`: the comparison for a pull request or a README."""

from __future__ import annotations

from collections.abc import Sequence

from colbench.report.attribution import HEADING, LossTable, explain_losses, loss_tables
from colbench.report.encodings import HEADING as ENCODERS
from colbench.report.encodings import TOLD, WORDS, encoding_table
from colbench.report.gfm import code, table, text
from colbench.report.pictures import Picture
from colbench.report.rows import COSTS, caption, legend, number, rows, size, skipped, three_digits
from colbench.report.sweep_markdown import sweep_sections
from colbench.results.schema import Results


def render_markdown(results: Results, pictures: Sequence[Picture] = ()) -> str:
    """Return the report as GitHub-flavoured Markdown.

    Args:
        results: what is reported.
        pictures: charts written beside the report, which it shows.
    """
    if results.sweep is not None:
        sections = [
            f"# {text(results.experiment)}",
            *sweep_sections(results, results.sweep, _pictures(pictures)),
            _remarks(results),
            _environment(results),
        ]
        return "\n\n".join(section for section in sections if section) + "\n"
    sections = [
        f"# {text(results.experiment)}",
        text(caption(results)),
        _comparison(results),
        text(legend(results)),
        _remarks(results),
        _pictures(pictures),
        _significance(results),
        _losses(results),
        _building(results),
        _index_files(results),
        _latency(results),
        _environment(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _comparison(results: Results) -> str:
    lines = [
        [
            code(row.name) + (" (baseline)" if row.is_baseline else ""),
            *(f"**{cell.text}**" if cell.best else cell.text for cell in row.measures),
            *(cell.text for cell in row.costs),
        ]
        for row in rows(results)
    ]
    return table(["system", *map(text, results.measures), *COSTS], lines)


def _remarks(results: Results) -> str:
    lines = [f"- {code(name)} skipped: {text(reason)}" for name, reason in skipped(results)]
    lines += [f"- {text(note)}" for note in [*results.collection.notes, *results.notes]]
    return "\n".join(lines)


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    shown = [f"![{p.title}]({p.path})\n\n{p.told}" for p in pictures]
    return "\n\n".join(["## Plots", *shown])


def _significance(results: Results) -> str:
    lines = [
        [
            code(system.name),
            text(measure),
            f"{test.difference:+.4f}",
            "" if test.p_value is None else f"{test.p_value:.3g}",
            "" if test.p_holm is None else f"{test.p_holm:.3g}{'†' if test.significant else ''}",
            f"{test.wins} / {test.ties} / {test.losses}",
        ]
        for system in results.systems
        for measure, test in (system.significance or {}).items()
    ]
    if not lines or results.baseline is None:
        return ""
    titles = ["system", "measure", "difference", "p", "p (Holm)", "wins / ties / losses"]
    return f"## Against {code(results.baseline)}\n\n{table(titles, lines)}"


def _losses(results: Results) -> str:
    parts = [_loss(loss) for loss in loss_tables(results)]
    if not parts:
        return ""
    return "\n\n".join([f"## {HEADING}", *parts, text(explain_losses(results))])


def _loss(loss: LossTable) -> str:
    lines = [[code(line[0]), *line[1:]] for line in loss.lines]
    told = [text(loss.told)] if loss.told else []
    return "\n\n".join([f"### {code(loss.system)}", table([*map(text, loss.titles)], lines), *told])


def _building(results: Results) -> str:
    lines = []
    for system in results.systems:
        if system.status != "ok":
            continue
        index = system.index
        lines.append(
            [
                code(system.name),
                _encoded(system.docs_encoded),
                number(system.encode_docs_per_second),
                three_digits(system.build_seconds),
                f"{index.vectors:,}" if index and index.vectors else "",
                str(index.dims) if index and index.vectors else "",
                number(index.bytes_per_vector) if index else "",
            ]
        )
    if not lines:
        return ""
    titles = ["system", "docs encoded", "docs/s", "build s", "vectors", "dims", "bytes per vector"]
    told = (
        "docs encoded: in this run, equal texts once, over every encoding that a system needs; "
        "the others came from the cache. docs/s: the speed when they were encoded."
    )
    return f"## Encoding and building\n\n{table(titles, lines)}\n\n{told}"


def _encoded(count: int | None) -> str:
    if count is None:
        return "none needed"
    return f"{count:,}" if count else "0 (all cached)"


def _index_files(results: Results) -> str:
    lines = [
        [code(system.name), code(file), size(count)]
        for system in results.systems
        if system.index
        for file, count in system.index.files.items()
    ]
    return f"## Index files\n\n{table(['system', 'file', 'size'], lines)}" if lines else ""


def _latency(results: Results) -> str:
    lines = []
    for system in results.systems:
        if system.latency_ms is None:
            continue
        latency = system.latency_ms
        for stage, found in (("encode", latency.encode), ("search", latency.search)):
            values = (found.p50, found.p95, found.p99, found.mean)
            of = f"{latency.queries} × {latency.trials}"
            lines.append([code(system.name), stage, *map(three_digits, values), of])
    if not lines:
        return ""
    titles = ["system", "stage", "p50", "p95", "p99", "mean", "queries × trials"]
    return f"## Latency, ms\n\n{table(titles, lines)}"


def _environment(results: Results) -> str:
    e = results.environment
    commit = code(e.git_commit[:12]) if e.git_commit else "unknown"
    packages = ", ".join(f"{name} {version}" for name, version in e.packages.items())
    facts = [
        f"- Command: {code(results.command)}",
        f"- Finished: {text(results.created)}, colbench {text(results.colbench_version)}, "
        f"commit {commit}" + (" with uncommitted changes" if e.git_dirty else ""),
        f"- Machine: {text(e.cpu)}, {e.threads} threads of {e.cores} cores, "
        f"{size(e.memory_bytes)} memory, {text(e.accelerator or 'no GPU')}, {text(e.platform)}",
        f"- Collection fingerprint: {code(results.collection.fingerprint)}",
        f"- Python {text(e.python)}; {text(packages)}",
        f"- Seed {e.seed}",
    ]
    return "\n\n".join(["## Environment", "\n".join(facts), *_encoders(results)])


def _encoders(results: Results) -> list[str]:
    found = encoding_table(results)
    if found is None:
        return []
    lines = [
        [code(words[0]), *map(text, words[1:]), *(cell.text for cell in numbers)]
        for words, numbers in found.lines
    ]
    return [f"### {ENCODERS}", table([*WORDS, *found.titles], lines, left=len(WORDS)), TOLD]
