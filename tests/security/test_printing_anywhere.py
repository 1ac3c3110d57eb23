"""Item 8: what strangers have written moves no cursor, commands no CI and is no formula."""

from __future__ import annotations

import csv
import io
import re
from xml.etree import ElementTree

import pytest
from variants import FORMULAS, trials
from variants import text as anything

from colbench.cli.main import main
from colbench.errors import ColbenchError, ConfigError
from colbench.printing import printable, visible
from colbench.progress import note
from colbench.report.csv import csv_text
from colbench.report.table import Column, Table
from colbench.results.schema import DocumentInfo, QueryInfo
from colbench.results.store import write_results

COMMAND = re.compile(
    r"::(add-mask|error|set-output|set-env|stop-commands|add-path)\b|##\w*\[", re.IGNORECASE
)
CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
LINES = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def check(shown):
    """Check what a terminal or the log of a CI was given."""
    assert not CONTROL.search(shown), ascii(shown)
    assert not COMMAND.search(shown), ascii(shown)


def begins_a_command(shown):
    """Return whether a line begins as GitHub's runner would have it of a command."""
    return any(re.match(r"\s*(::\w|##\w*\[)", line) for line in LINES.split(shown))


@trials(fixed=5, nightly=500)
def test_8_lines_are_clean(draw, capsys, monkeypatch):
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    said = anything(draw)
    for shown in (printable(said), str(ConfigError(said)), str(ColbenchError(f"x '{said}'"))):
        check(shown)
        assert "\n" not in shown and not begins_a_command(shown)
    assert not CONTROL.search(visible(said)) and "\n" not in visible(said)
    note(said)
    check(capsys.readouterr().err)


@trials(fixed=5, nightly=500)
def test_8_no_cell_begins_a_formula(draw):
    """Also where a spreadsheet separates at semicolons, to which commas and quotes say nothing."""
    formula = draw.choice(FORMULAS)
    before = draw.choice(
        ["", " ", "\t", "\u00a0", "\ufeff", "\u200b", "a;", "a; ", "a\n", "a\r", "a\t"]
    )
    value = draw.choice([before + formula, [before + formula], anything(draw)])
    table = Table("t", [Column(title="a"), Column(title=before + formula)], [["x", value]])
    shown = csv_text(table)
    rows = list(csv.reader(io.StringIO(shown)))
    cells = [cell for row in rows for cell in row]
    cells += [
        part for cell in cells for part in re.split(r"[;\t\n]", cell.lstrip("'").lstrip())[1:]
    ]
    cells += [part for line in shown.splitlines() for part in line.split(";")[1:]]
    for cell in cells:
        assert not re.match(r"[\s\u200b\ufeff]*[=+\-@＝＋－＠]", cell), shown
    assert len(rows) == 2


def hostile(results, draw):
    """Return results with hostile text wherever a results file has any; it is UTF-8."""

    def text(draw):
        return anything(draw).replace("\ud800", "?")

    systems = [
        one.model_copy(update={"name": f"{place} {text(draw)}".strip(), "reason": text(draw)})
        for place, one in enumerate(results.systems)
    ]
    environment = results.environment.model_copy(update={"cpu": text(draw), "platform": text(draw)})
    collection = results.collection.model_copy(update={"name": text(draw)})
    return results.model_copy(
        update={
            "experiment": text(draw),
            "command": text(draw),
            "environment": environment,
            "collection": collection,
            "notes": [text(draw), text(draw)],
            "systems": systems,
            "reference": systems[0].name,
            "queries": [
                QueryInfo(id=f"{n}{text(draw)}", text=text(draw), relevant=1, judged=one.judged)
                for n, one in enumerate(results.queries)
            ],
            "documents": [
                DocumentInfo(id=f"{n}{text(draw)}", title=text(draw), text=text(draw))
                for n, _ in enumerate(results.documents)
            ],
        }
    )


@trials(fixed=0, nightly=25)
def test_8_every_report_of_a_hostile_file(draw, full_results, tmp_path, capsys):
    write_results(hostile(full_results, draw), tmp_path)
    capsys.readouterr()
    for words in (["report"], ["report", "--wide"], ["compare", str(tmp_path)]):
        code = main([words[0], str(tmp_path), *words[1:]])
        said = capsys.readouterr()
        assert code in (0, 2), said.err
        check(said.out)
        check(said.err)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert not CONTROL.search(markdown)
    assert not re.search(r"<(?!br>|sub>|/sub>|sup>|/sup>|img )\w", _without_code(markdown))


def _without_code(markdown):
    return re.sub(r"`[^`\n]*`|```.*?```", "", markdown, flags=re.DOTALL)


@trials(fixed=1, nightly=15)
def test_8_a_gate_over_hostile_files(draw, full_results, tmp_path, capsys, monkeypatch):
    results = hostile(full_results, draw)
    write_results(results, tmp_path / "before")
    worse = results.model_copy(
        update={
            "systems": [
                one.model_copy(
                    update={
                        "per_query": one.per_query
                        and {k: [v / 9 for v in values] for k, values in one.per_query.items()}
                    }
                )
                for one in results.systems
            ]
        }
    )
    write_results(worse, tmp_path / "after")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    code = main(
        [
            *("gate", str(tmp_path / "after"), "--baseline", str(tmp_path / "before")),
            *(f"--junit={tmp_path / 'x.xml'}", f"--output={tmp_path / 'x.txt'}"),
            *(f"--markdown={tmp_path / 'x.md'}", f"--json={tmp_path / 'x.json'}"),
        ]
    )
    said = capsys.readouterr()
    assert code in (0, 1, 2), said.err
    for line in f"{said.out}\n{said.err}".split("\n"):  # annotations are commands of colbench's own
        if re.match(r"::(error|warning|notice) title=colbench gate::", line):
            assert not CONTROL.search(line)
        else:
            check(line)
    if (tmp_path / "x.txt").exists():
        check((tmp_path / "x.txt").read_text(encoding="utf-8"))
        ElementTree.parse(tmp_path / "x.xml")
        summary = (tmp_path / "summary").read_text(encoding="utf-8")
        assert not CONTROL.search(summary) and "<script" not in summary


@pytest.mark.parametrize("name", ["candidate", "baseline", "rules"])
@trials(fixed=1, nightly=5)
def test_8_what_looks_like_an_option_is_none(draw, name, tmp_path, capsys):
    """As the action calls it: behind = and --."""
    word = draw.choice(
        ["--help", "-h", "--version", "--config-dir=x", "--format=json", "-", anything(draw)]
    )
    given = {"candidate": "none", "baseline": "none", "rules": "default", name: word}
    words = ["gate", f"--baseline={given['baseline']}", f"--rules={given['rules']}"]
    assert main([*words, "--", given["candidate"]]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    check(said.err)
