"""Slices in every format of a report."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from rich.console import Console

from colbench.cli.main import main
from colbench.report.html.page import render_html
from colbench.report.latex import render_latex
from colbench.report.markdown import render_markdown
from colbench.report.run import run_document
from colbench.report.slices import slice_values
from colbench.report.terminal import print_document
from colbench.report.write import write_report
from colbench.results.schema import QueryInfo
from colbench.results.sliced import sliced
from colbench.results.store import read_results, write_results

HOSTILE = "=cmd|<script>alert(1)</script>\\x1b[31m"


def printed(results, **how):
    console = Console(file=io.StringIO(), width=250)
    print_document(run_document(results), console, **how)
    return console.file.getvalue()


@pytest.fixture
def results(full_results):
    rng = np.random.default_rng(3)
    queries = [
        QueryInfo(
            id=f"q{n}",
            text="why " * (1 + n % 4),
            relevant=1 + n % 2,
            metadata={"kind": HOSTILE if n < 2 else "usual"},
        )
        for n in range(20)
    ]
    systems = [
        system.model_copy(
            update={
                "per_query": {m: rng.random(20).tolist() for m in full_results.measures},
                "first_relevant": None,
                "relevant_ranks": None,
                "top": None,
            }
        )
        if system.status == "ok"
        else system
        for system in full_results.systems
    ]
    measured = full_results.model_copy(
        update={
            **{"queries": queries, "systems": systems, "primary": "ndcg@10"},
            **{"reference": "bm25", "documents": []},
        }
    )
    return sliced(measured, ["length", "relevant", "metadata.kind"])


def test_every_format_has_each_measure_of_each_group_with_its_interval(results):
    group = results.slices[1].groups[1]
    written = [printed(results, wide=True), render_markdown(run_document(results))]
    for told in (*written, render_html([results])):
        for text in ("By group of queries", "By relevant documents", "2–4 relevant", "3 words"):
            assert text in told
        for measures in group.systems.values():
            for value in measures.values():
                assert f"{value.mean:.4f}" in told
                assert f"{value.low:.4f} to {value.high:.4f}" in told
        test = group.systems["colbert_exact"]["ndcg@10"].against
        assert f"{100 * test.difference:+.2f}" in told and f"{test.p_holm:.3g}" in told
        assert "too few queries to tell: 2 cannot show any difference" in told
        assert "apart from the tests of all queries" in told


def test_a_short_account_and_a_table_for_a_paper_stay_as_they_are(results):
    without = results.model_copy(update={"slices": []})
    assert printed(results, brief=True) == printed(without, brief=True)
    assert render_latex([results]) == render_latex([without])
    assert "By group of queries" not in render_markdown(run_document(without))


def test_values_of_strangers_are_shown_as_text(results):
    page = render_html([results])
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
    assert "<script>" not in render_markdown(run_document(results)).replace("\\<script>", "")


def test_other_programs_have_all_values(results, tmp_path):
    write_report(results, tmp_path)
    rows = list(csv.DictReader((tmp_path / "slices.csv").open(encoding="utf-8")))
    assert len(rows) == (4 + 2 + 2) * 2 * len(results.measures)
    assert {row["group"] for row in rows if row["slice"] == "metadata.kind"} == {
        "usual",
        f"'{HOSTILE}",
    }
    first = next(row for row in rows if row["system"] == "colbert_exact")
    value = results.slices[0].groups[0].systems["colbert_exact"]["ndcg@10"]
    assert float(first["mean"]) == value.mean and float(first["p_holm"]) == value.against.p_holm
    assert (first["slice"], first["group"], first["queries"]) == ("length", "1 word", "5")
    records = slice_values(results).records()
    assert [row["difference"] for row in records if row["system"] == "bm25"].count(None) == 16


def test_pages_of_several_runs_have_the_slices_of_each(results):
    other = results.model_copy(update={"experiment": "second"})
    page = render_html([results, other])
    assert "By group of queries: second" in page
    assert f"{results.experiment} · colbert_exact" in page
    alone = results.model_copy(update={"experiment": "third", "slices": []})
    assert "By group of queries: third" not in render_html([results, alone])


def test_without_a_reference_there_are_means_alone(results):
    alone = sliced(results.model_copy(update={"reference": None}), ["length"])
    told = printed(alone, wide=True).partition("By length")[2]
    assert "1 word" in told
    assert "points" not in told.partition("Where quality is lost")[0]


def test_results_are_sliced_by_a_report_and_stay_as_they_are(results, tmp_path, capsys):
    before = results.model_copy(update={"slices": []})
    write_results(before, tmp_path)
    assert main(["report", str(tmp_path), "--slices", "relevant,metadata.kind"]) == 0
    told = capsys.readouterr().out
    assert "2–4 relevant" in told and "usual" in told
    assert "2–4 relevant" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert read_results(tmp_path) == before
    assert main(["report", str(tmp_path), "--slices", "relevant", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["slice"] for row in rows} == {"relevant"} and len(rows) == 2 * 2 * 2
    assert main(["report", str(tmp_path), "--slices", "relevent"]) == 2
    assert "did you mean 'relevant'?" in capsys.readouterr().err
