"""`report.md`: the comparison for a pull request or a README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from colbench.report.rows import caption, header, legend, milliseconds, rows, size, skipped
from colbench.results.schema import Results


def render_markdown(results: Results) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    sections = [
        f"# {_text(results.experiment)}",
        _text(caption(results)),
        _comparison(results),
        _text(legend(results)),
        _skipped(results),
        _significance(results),
        _index_files(results),
        _latency(results),
        _environment(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _text(value: str) -> str:
    """Keep untrusted text from being read as a table border, HTML or emphasis."""
    for character, replacement in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\n", " ")):
        value = value.replace(character, replacement)
    return value


def _table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(titles) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [titles, rule, *lines])


def _comparison(results: Results) -> str:
    lines = [
        [f"**{_text(cell.text)}**" if cell.best else _text(cell.text) for cell in row]
        for row in rows(results)
    ]
    return _table([_text(title) for title in header(results)], lines)


def _skipped(results: Results) -> str:
    lines = [f"- `{name}` skipped: {_text(reason)}" for name, reason in skipped(results)]
    lines += [f"- {_text(text)}" for text in [*results.collection.notes, *results.notes]]
    return "\n".join(lines)


def _significance(results: Results) -> str:
    lines = [
        [
            system.name,
            measure,
            f"{test.difference:+.4f}",
            "" if test.p_value is None else f"{test.p_value:.3g}",
            "" if test.p_holm is None else f"{test.p_holm:.3g}{'†' if test.significant else ''}",
            f"{test.wins} / {test.ties} / {test.losses}",
        ]
        for system in results.systems
        for measure, test in (system.significance or {}).items()
    ]
    if not lines:
        return ""
    titles = ["system", "measure", "difference", "p", "p (Holm)", "wins / ties / losses"]
    return f"## Against {results.baseline}\n\n{_table(titles, lines)}"


def _index_files(results: Results) -> str:
    lines = [
        [system.name, f"`{file}`", size(count)]
        for system in results.systems
        if system.index
        for file, count in system.index.files.items()
    ]
    return f"## Index files\n\n{_table(['system', 'file', 'size'], lines)}" if lines else ""


def _latency(results: Results) -> str:
    lines = []
    for system in results.systems:
        if system.latency_ms is None:
            continue
        latency = system.latency_ms
        for stage, found in (("encode", latency.encode), ("search", latency.search)):
            values = (found.p50, found.p95, found.p99, found.mean)
            of = f"{latency.queries} × {latency.trials}"
            lines.append([system.name, stage, *map(milliseconds, values), of])
    if not lines:
        return ""
    titles = ["system", "stage", "p50", "p95", "p99", "mean", "queries × trials"]
    return f"## Latency, ms\n\n{_table(titles, lines)}"


def _environment(results: Results) -> str:
    e = results.environment
    commit = f"`{e.git_commit[:12]}`" if e.git_commit else "unknown"
    facts = [
        f"- Command: `{results.command}`",
        f"- Finished: {results.created}, colbench {results.colbench_version}, commit {commit}"
        + (" with uncommitted changes" if e.git_dirty else ""),
        f"- Machine: {_text(e.cpu)}, {e.threads} threads of {e.cores} cores, "
        f"{size(e.memory_bytes)} memory, {_text(e.accelerator or 'no GPU')}, {_text(e.platform)}",
        f"- Collection fingerprint: `{results.collection.fingerprint}`",
        f"- Python {e.python}; " + ", ".join(f"{n} {v}" for n, v in e.packages.items()),
        f"- Seed {e.seed}",
    ]
    return "## Environment\n\n" + "\n".join(facts)
