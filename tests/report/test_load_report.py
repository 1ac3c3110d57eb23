"""Figures under load in every form of a report."""

import io
import json

import pytest
from comparable import opened, results_of
from rich.console import Console

from colbench.compare.compute import compare
from colbench.compare.sections import comparison_document
from colbench.measures.latency import Distribution
from colbench.measures.load import LoadLevel
from colbench.report.csv import csv_text
from colbench.report.details import under_load
from colbench.report.html.page import render_html
from colbench.report.latex import render_latex
from colbench.report.markdown import render_markdown
from colbench.report.run import run_document
from colbench.report.terminal import print_document
from colbench.report.tidy import tidy
from colbench.results.schema import Results

TIMES = Distribution(p50=3.0, p95=4.5, p99=6.25, mean=3.5)


def level(clients, **update):
    qps = 250.0 * clients
    values = {"queries": 500, "seconds": 2.0, "qps": qps, "latency_ms": TIMES, **update}
    return LoadLevel(clients=clients, **values)


@pytest.fixture
def loaded(example_results):
    """The reference was measured under load, the other system has an error at two clients."""
    broken = level(2, qps=None, latency_ms=None, error="ValueError: a|b", one_at_a_time=True)
    loads = [[level(1), level(2)], [level(1, checked=9, differing=2), broken]]
    systems = [
        system.model_copy(update={"load": load})
        for system, load in zip(example_results.systems, [*loads, None], strict=True)
    ]
    return example_results.model_copy(update={"systems": systems})


def terminal(document, brief):
    console = Console(file=io.StringIO(), width=220)
    print_document(document, console, brief=brief)
    return console.file.getvalue()


def test_the_table_has_single_queries_beside_the_levels(loaded):
    rows = under_load(loaded).records()
    assert [row["clients"] for row in rows] == [0, 1, 2, 0, 1, 2]
    assert [row["q/s"] for row in rows] == [None, 250.0, 500.0, None, 250.0, None]
    assert rows[2]["p99"] == 6.25 and rows[5]["p99"] is None
    assert rows[4]["remark"] == "2 of 9 rank otherwise"
    assert rows[5]["remark"] == "ValueError: a|b; answered one at a time"
    shown = [cells[1].plain for cells in under_load(loaded).cells()]
    assert shown[:3] == ["one by one", "1", "2"]


def test_reports_of_every_form_show_it(loaded):
    document = run_document(loaded)
    for text in (terminal(document, True), terminal(document, False), render_markdown(document)):
        assert "Under load" in text and "one by one" in text and "500" in text
    assert "Under load" in render_html([loaded])
    assert render_latex([loaded]) == render_latex([_without(loaded)])


def test_without_load_nothing_is_said_of_it(example_results):
    document = run_document(example_results)
    assert not under_load(example_results).rows
    for text in (
        terminal(document, True),
        render_markdown(document),
        render_html([example_results]),
    ):
        assert "Under load" not in text
    assert not any(name.startswith("load_") for name in tidy(example_results).records()[0])


def test_other_programs_have_a_column_for_every_figure(loaded):
    first, second, skipped = tidy(loaded).records()
    assert (first["load_1_qps"], first["load_2_qps"]) == (250.0, 500.0)
    assert [first[f"load_2_{name}_ms"] for name in ("p50", "p95", "p99")] == [3.0, 4.5, 6.25]
    assert second["load_2_qps"] is None and skipped["load_1_p50_ms"] is None
    assert "load_2_p95_ms" in csv_text(tidy(loaded)).splitlines()[0]


def test_a_comparison_holds_levels_of_as_many_clients_against_each_other(loaded):
    a = results_of(loaded)
    faster = [level(2, qps=1000.0), level(8)]
    systems = [one.model_copy(update={"load": faster}) for one in a.systems]
    b = a.model_copy(update={"systems": systems})
    found = compare(opened(a, "first"), opened(b, "second"))
    costs = {change.cost: change for change in found.pairs[0].costs}
    assert (costs["load_2_qps"].a, costs["load_2_qps"].b) == (500.0, 1000.0)
    assert costs["load_2_qps"].ratio == 2.0 and costs["load_2_qps"].is_time
    assert costs["load_8_p99_ms"].a is None and costs["load_1_qps"].b is None
    assert "8 clients, p99" in terminal(comparison_document(found), False)
    assert "2 clients, q/s" in render_markdown(comparison_document(found))


def test_results_keep_it_and_those_of_before_lack_it(loaded):
    written = loaded.model_dump_json()
    assert Results.model_validate_json(written) == loaded
    earlier = json.loads(written)
    for system in earlier["systems"]:
        del system["load"]
    assert Results.model_validate(earlier) == _without(loaded)


def _without(results):
    systems = [system.model_copy(update={"load": None}) for system in results.systems]
    return results.model_copy(update={"systems": systems})
