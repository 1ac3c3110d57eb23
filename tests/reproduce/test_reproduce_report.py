"""What a reader sees of a reproduction."""

import csv
import io

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from colbench.report.markdown import render_markdown
from colbench.report.terminal import print_document
from colbench.reproduce.record import (
    AverageComparison,
    Comparison,
    Counts,
    Reproduction,
    SettingDifference,
    SourceInfo,
)
from colbench.reproduce.report import (
    measured_table,
    reproduction_document,
    reproduction_summary,
    write_reproduction_report,
)

SOURCE = SourceInfo(title="A | paper", url="https://example.org/a", grade="primary")


def figure(name, **values):
    given = {
        "id": name,
        "model": "m",
        "dataset": "beir/scifact",
        "split": "test",
        "metric": "ndcg@10",
        "unit": None,
        "published": 0.5,
        "tolerance": 0.005,
        "status": "not_run",
        "suspect": False,
        "source": SOURCE,
    }
    return Comparison(**(given | values))


@pytest.fixture
def reproduction():
    ran = {"measured": 0.5123, "difference": 0.0123, "system": "s", "run": "r"}
    differing = [SettingDifference(setting="k1", published=0.9, measured=None)]
    entries = [
        figure("close", **(ran | {"measured": 0.501, "difference": 0.001}), status="reproduced"),
        figure("far", **ran, status="differs", settings_that_differ=differing),
        figure("doubtful", **ran, status="differs", suspect=True, note="copied"),
        figure("missing", reason="no weights"),
        figure("also-missing", reason="no weights"),
        figure("slow", reason="another machine", unit="ms", metric="search_ms_gpu", published=11.5),
        *[figure(f"q{n}", dataset="beir/quora", reason="not here") for n in range(30)],
    ]
    mean = AverageComparison(
        id="mean",
        model="m",
        metric="ndcg@10",
        published=0.5,
        tolerance=0.005,
        status="refused",
        members=["beir/scifact", "beir/quora"],
        missing=["beir/quora"],
        reason="1 of 2 members were not measured in full",
        note=None,
        source=SOURCE,
    )
    return Reproduction(
        colbench_version="0",
        command="colbench reproduce all",
        created="2026-01-01T00:00:00+00:00",
        dataset="all",
        runs=[],
        counts=Counts(reproduced=1, differs=1, suspect=1, not_run=33),
        entries=entries,
        averages=[mean],
    )


def printed(reproduction):
    console = Console(file=io.StringIO(), width=120)
    print_document(reproduction_summary(reproduction), console)
    return console.file.getvalue()


def test_the_terminal_shows_what_ran_and_sums_up_the_rest(reproduction):
    out = printed(reproduction)
    assert "+1.23" in out and "0.5123" in out
    assert "far: k1 0.9 → unknown" in out
    assert "differs (figure suspect)" in out
    assert "2 │ no weights" in out and "missing" not in out
    assert [line for line in out.splitlines() if "beir/quora" in line] == [
        "- beir/quora: 30 not run, not here"
    ]
    assert "1 reproduced, 1 differ, 1 differ from a figure that is probably wrong" in out
    assert len(out.splitlines()) < 30


def test_a_single_dataset_of_which_nothing_ran_is_told_by_its_reasons(reproduction):
    only = [entry for entry in reproduction.entries if entry.dataset == "beir/quora"]
    out = printed(reproduction.model_copy(update={"entries": only}))
    assert "beir/quora, not run:" in out and "30 │ not here" in out


def test_the_report_holds_every_figure_once_and_folds_what_did_not_run(reproduction):
    text = render_markdown(reproduction_document(reproduction))
    for entry in reproduction.entries:
        first_cells = [line for line in text.splitlines() if line.startswith(f"| `{entry.id}` |")]
        assert len(first_cells) == 1
    assert text.count("<details>") == text.count("</details>") == 3
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<table>") == 4
    assert "beir/quora: 30" in text and "11.5" in text
    assert "k1 0.9 → unknown" in text
    assert "1 of 2 members were not measured in full: beir/quora" in text


def test_the_csv_has_one_line_a_figure(reproduction, tmp_path):
    write_reproduction_report(reproduction, tmp_path)
    with (tmp_path / "reproduction.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [entry.id for entry in reproduction.entries]
    assert rows[1]["settings_that_differ"] == "k1 0.9 → unknown"
    assert float(rows[1]["difference"]) == 0.0123


def test_a_measured_figure_has_its_interval_where_one_is_known(reproduction):
    close = figure("close", measured=0.501, difference=0.001, low=0.45, high=0.55, system="s")
    table = measured_table([close, figure("far", measured=0.6, difference=0.1, system="s")])
    shown = [column.title for column in table.columns].index("95% interval")
    assert [row[shown].shown for row in table.cells()] == ["0.4500 to 0.5500", ""]
    without = measured_table([figure("far", measured=0.6, difference=0.1, system="s")])
    assert "95% interval" not in [column.title for column in without.columns]


def test_untrained_tokens_are_named():
    ran = {"measured": 0.5, "difference": 0.0, "status": "reproduced", "system": "colbert_exact"}
    plain, untrained = (
        measured_table([figure("one", **ran, untrained=value)]) for value in (False, True)
    )
    assert "untrained tokens" not in str(plain.rows)
    assert "untrained tokens" in str(untrained.rows)
