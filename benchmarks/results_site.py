"""Every report of the committed results, made again from their JSON, and a page that leads to them.

    python -m benchmarks.results_site results-site    # `make results-site`
    python -m benchmarks.results_site results         # the committed reports and pictures, in place

Numbers are read, never measured: a fresh clone will do, without runs or models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import BaseModel, ValidationError

from benchmarks.application.record import FILE_NAME as APPLICATION
from benchmarks.application.record import Application
from benchmarks.application.report import write_application_report
from benchmarks.encode_speed.record import FILE_NAME as ENCODE_SPEED
from benchmarks.encode_speed.record import EncodeSpeed
from benchmarks.encode_speed.report import write_encode_speed_report
from benchmarks.gate_power.record import FILE_NAME as GATE_POWER
from benchmarks.gate_power.record import GatePower
from benchmarks.gate_power.report import write_gate_power_report
from benchmarks.index_speed.record import FILE_NAME as INDEX_SPEED
from benchmarks.index_speed.record import IndexSpeed
from benchmarks.index_speed.report import write_index_speed_report
from colbench.errors import ColbenchError, StorageError
from colbench.files import atomic_write
from colbench.report.charts.theme import DARK, FONT, LIGHT
from colbench.report.write import write_report
from colbench.reproduce.record import FILE_NAME as REPRODUCTION
from colbench.reproduce.record import Reproduction
from colbench.reproduce.report import write_reproduction_report
from colbench.results.checksummed import KEY, read_object, verified
from colbench.results.store import FILE_NAME as RUN
from colbench.results.store import read_results
from colbench.settings import explain
from colbench.train.record import FILE_NAME as TRAIN
from colbench.train.record import Train
from colbench.train.report import write_train_report

RESULTS = Path(__file__).resolve().parents[1] / "results"
INDEX = "index.html"
PAGE = "report.html"
_REPORT = "report.md"
_RENEW = "take it from the repository again, or measure it again"

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Made:
    """What the index says of a measurement.

    Attributes:
        folder: where its page lies, relative to the site.
        title: of its report.
        created: when it was measured, ISO 8601.
        command: what measures it again.
    """

    folder: str
    title: str
    created: str
    command: str


def build_site(results: Path, site: Path) -> list[Made]:
    """Write the report of every measurement below `results` to the same place below `site`.

    A run has a page of its own; the report of another measurement is Markdown, and its page is made
    of that. `site` may be `results` itself.

    Returns:
        what was made, in the order of the index.

    Raises:
        StorageError: there is no measurement, one of them is damaged or of another version, or
            `site` cannot be written.
    """
    made = [_make(file, results, site) for file in measurements(results)]
    if not made:
        raise StorageError(f"{results} holds no results: give the folder that does (--results)")
    with atomic_write(site / INDEX) as stream:
        stream.write(_page("Results of colbench", rows=made))
    return made


def measurements(results: Path) -> Iterator[Path]:
    """Yield the JSON files that have a report, sorted; runs that are not committed are left out."""
    for file in sorted(results.rglob("*.json"), key=lambda file: file.parent):
        inside = file.relative_to(results).parts
        if file.name in WRITERS and "runs" not in inside and not any(p[0] == "." for p in inside):
            yield file


def _run(file: Path, folder: Path) -> None:
    write_report(read_results(file), folder)


def _sealed(
    model: type[_Model], write: Callable[[_Model, Path], object]
) -> Callable[[Path, Path], None]:
    """Return what reads a file of `model` and writes its report into a folder."""

    def make(file: Path, folder: Path) -> None:
        content = read_object(file, what="results of colbench", renew=_RENEW)
        if KEY in content:  # not every kind of file has a checksum
            content = verified(content, file, renew=_RENEW)
        try:
            record = model.model_validate(content)
        except ValidationError as error:
            raise StorageError(f"{file}: {explain(error, model)}") from None
        write(record, folder)

    return make


WRITERS: dict[str, Callable[[Path, Path], None]] = {
    RUN: _run,
    TRAIN: _sealed(Train, write_train_report),
    APPLICATION: _sealed(Application, write_application_report),
    ENCODE_SPEED: _sealed(EncodeSpeed, write_encode_speed_report),
    GATE_POWER: _sealed(GatePower, write_gate_power_report),
    INDEX_SPEED: _sealed(IndexSpeed, write_index_speed_report),
    REPRODUCTION: _sealed(Reproduction, write_reproduction_report),
}
"""Name of a JSON file → what writes its report into a folder."""


def _make(file: Path, results: Path, site: Path) -> Made:
    folder = site / file.parent.relative_to(results)
    WRITERS[file.name](file, folder)
    report = (folder / _REPORT).read_text(encoding="utf-8")
    title = report.partition("\n")[0].removeprefix("# ")
    if file.name != RUN:
        with atomic_write(folder / PAGE) as stream:
            stream.write(_page(title, body=_html(report)))
    content = read_object(file, what="results of colbench", renew=_RENEW)
    return Made(
        folder=folder.relative_to(site).as_posix(),
        title=title,
        created=str(content["created"]),
        command=str(content["command"]),
    )


def _html(markdown: str) -> Markup:
    """Return a report, in which the text of others is escaped already, as HTML."""
    return Markup(MarkdownIt("commonmark").enable("table").render(markdown))


def _page(title: str, *, body: Markup | None = None, rows: Sequence[Made] = ()) -> str:
    templates = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return templates.from_string(_TEMPLATE).render(
        title=title,
        body=body,
        rows=rows,
        page=PAGE,
        font=Markup(FONT),
        schemes=(LIGHT.colours(), DARK.colours()),
    )


_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }} · colbench</title>
<link rel="icon" href="data:,">
<style>
{% for scheme in schemes %}
{% if not loop.first %}@media (prefers-color-scheme: dark) { {% endif %}
:root { {% for name, value in scheme.items() %}--{{ name }}: {{ value }}; {% endfor %} }
{% if not loop.first %} } {% endif %}
{% endfor %}
body { margin: 2rem auto; padding: 0 1rem; max-width: 72rem; line-height: 1.5;
  font-family: {{ font }};
  color: var(--ink); background: var(--paper); }
a { color: var(--accent); }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: .875rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-variant-numeric: tabular-nums; }
th { background: var(--surface); }
.date { white-space: nowrap; }
code { font-size: .875em; }
img { max-width: 100%; }
</style>
</head>
<body>
{% if body is none %}
<h1>{{ title }}</h1>
<table>
<thead><tr><th>folder</th><th>report</th><th>measured</th><th>command</th></tr></thead>
<tbody>
{% for row in rows %}
<tr><td><a href="{{ row.folder | urlencode }}/{{ page }}">{{ row.folder }}</a></td>
<td>{{ row.title }}</td><td class="date">{{ row.created[:10] }}</td>
<td><code>{{ row.command }}</code></td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
{{ body }}
{% endif %}
</body>
</html>
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results_site", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("site", type=Path, help="the folder to write; made where it is missing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        made = build_site(options.results, options.site)
    except ColbenchError as error:
        print(f"results_site: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{len(made)} reports: {options.site / INDEX}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
