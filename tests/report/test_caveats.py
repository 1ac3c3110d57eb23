"""What a row must not be taken for is told in every table and every format."""

import io
import re

import pytest
from rich.console import Console
from test_finding import encoding, of_exact

from colbench.report.html.page import render_html
from colbench.report.latex import render_latex
from colbench.report.markdown import render_markdown
from colbench.report.run import run_document
from colbench.report.systems import comparison
from colbench.report.terminal import print_document
from colbench.report.tidy import tidy


def printed(results, width=220):
    console = Console(file=io.StringIO(), width=width)
    print_document(run_document(results), console)
    return console.file.getvalue()


def test_untrained_token_vectors_are_named_in_every_table(full_results):
    results = of_exact(full_results, encodings=[encoding(untrained=True)])
    written = render_markdown(run_document(results))
    named = [line for line in written.splitlines() if "`colbert_exact`" in line]
    assert len(named) > 6
    assert all("`colbert_exact` (untrained tokens)" in line for line in named)
    assert "`minilm` (untrained tokens)" in written
    assert "untrained tokens: token vectors of a model that was never trained" in written
    for width in (60, 100, 220):  # where a tag as (reference) may be left out this may not
        lines = [line for line in printed(results, width).splitlines() if "│" in line]
        start = [" ".join(line.split("│")[0].split()) for line in lines]
        names = [name for name in start if "colbert" in name]
        assert names and not any(name == "colbert_exact" for name in names), width
    assert "colbert\\_exact (untrained tokens)" in render_latex([results])
    page = re.sub("<[^>]*>", " ", render_html([results]).partition("<footer>")[0])
    assert page.count("untrained tokens") > len(named)
    assert [row["untrained"] for row in tidy(results).records()] == [False, True, False]


def with_intervals(results):
    limits = {"bm25": (0.6, 0.7), "colbert_exact": (0.65555, 0.75)}
    systems = [
        system.model_copy(
            update={"intervals": {"ndcg@10": limits[system.name]} if system.name in limits else {}}
        )
        for system in results.systems
    ]
    return results.model_copy(update={"systems": systems, "primary": "ndcg@10"})


def test_the_interval_stands_beside_the_primary_measure(full_results):
    results = with_intervals(full_results)
    table = comparison(results)
    titles = [column.title for column in table.columns]
    assert titles[:4] == ["system", "ndcg@10", "95 % CI", "mrr@10"]
    assert [row[2].plain for row in table.cells()] == ["0.6000 to 0.7000", "0.6555 to 0.7500"]
    for told in (printed(results), render_markdown(run_document(results)), render_latex([results])):
        assert "0.6555 to 0.7500" in told
    assert "0.6555 to 0.7500" in render_html([results])
    (_, row, _) = tidy(results).records()
    assert (row["ndcg@10_low"], row["ndcg@10_high"]) == (0.65555, 0.75)


def test_ranks_stand_beside_their_measures_and_say_by_which(full_results):
    ranks = {"bm25": {"ndcg@10": (1, 2), "mrr@10": (2, 2)}, "colbert_exact": {"ndcg@10": (1, 2)}}
    systems = [s.model_copy(update={"ranks": ranks.get(s.name)}) for s in full_results.systems]
    results = full_results.model_copy(update={"systems": systems, "primary": "ndcg@10"})
    table = comparison(results)
    titles = [column.title for column in table.columns]
    assert titles[:5] == ["system", "ndcg@10", "rank", "mrr@10", "mrr@10 rank"]
    shown = [[row[2].plain, row[4].plain] for row in table.cells()]
    assert shown == [["1–2", "2"], ["1–2", ""]]
    for told in (printed(results), render_markdown(run_document(results)), render_html([results])):
        assert "mrr@10 rank" in told and "1–2" in told
    first, second, skipped = tidy(results).records()
    assert (first["mrr@10_best_rank"], first["mrr@10_worst_rank"]) == (2, 2)
    assert (second["ndcg@10_best_rank"], second["ndcg@10_worst_rank"]) == (1, 2)
    assert second["mrr@10_best_rank"] is skipped["ndcg@10_worst_rank"] is None
    assert "mrr@10_best_rank" not in tidy(full_results).records()[0]


def test_the_primary_measure_comes_first_whichever_it_is(full_results):
    results = full_results.model_copy(update={"primary": "mrr@10"})
    columns = comparison(results).columns
    assert [column.title for column in columns[1:3]] == ["mrr@10", "ndcg@10"]
    assert "the primary measure" in columns[1].about
    assert "a secondary measure" in columns[2].about


def test_secondary_measures_are_said_to_be_secondary(full_results):
    tests = full_results.systems[1].significance
    tests = {
        name: test.model_copy(update={"primary": name == "ndcg@10"}) for name, test in tests.items()
    }
    results = of_exact(full_results.model_copy(update={"primary": "ndcg@10"}), significance=tests)
    for told in (printed(results), render_markdown(run_document(results)), render_latex([results])):
        told = " ".join(told.split())
        assert "primary measure, with its tests to itself: ndcg@10" in told
        assert "secondary, corrected among themselves: mrr@10" in told


def test_a_speed_of_another_day_is_left_out_or_marked(full_results):
    cached = {"docs_encoded": 0, "encode_docs_per_second": 23.1, "encodings": [encoding()]}
    results = of_exact(full_results, **cached)
    assert "docs/s" not in [column.title for column in comparison(results).columns]
    written = render_markdown(run_document(results))
    assert "23.1 (earlier)" in written and "8.0 (earlier)" in written
    assert "earlier: not of this run" in written
    fresh = of_exact(full_results, **(cached | {"docs_encoded": 10}))
    written = render_markdown(run_document(fresh))
    assert "23.1" in written and "(earlier)" not in written
    assert "docs/s" in [column.title for column in comparison(fresh).columns]


@pytest.mark.parametrize("built_here", [True, False])
def test_an_index_that_was_found_was_built_earlier(full_results, built_here):
    bm25, exact, skipped = full_results.systems
    builder = exact.model_copy(
        update={
            "name": "builder",
            "metadata": {"index_shared": False},
            "build_seconds": 44.8 if built_here else 3.0,
        }
    )
    found = exact.model_copy(update={"metadata": {"index_shared": True}, "build_seconds": 44.8})
    systems = [bm25, builder, found, skipped]
    written = render_markdown(run_document(full_results.model_copy(update={"systems": systems})))
    assert ("44.8 (earlier)" in written) is not built_here


def test_times_of_several_machines_are_told_apart(full_results):
    environment = full_results.environment.model_copy(update={"cpu": "another processor"})
    update = {"experiment": "later", "environment": environment}
    page = render_html([full_results, full_results.model_copy(update=update)])
    assert "2026-01-01, another processor, 2 threads" in page
    assert "Times were taken on different days or machines" in page
    alike = render_html([full_results, full_results.model_copy(update={"experiment": "later"})])
    assert "different days or machines" not in alike


def test_percentiles_of_a_query_are_those_of_the_sums(full_results):
    """1.0, 1.1, 1.2 to encode and 0.8, 1.0, 1.6 to search: 1.8, 2.1, 2.8 together."""
    bm25 = full_results.systems[0]
    (row, *_) = tidy(full_results).records()
    assert row["query_p50_ms"] == pytest.approx(2.1)
    assert row["query_p95_ms"] == pytest.approx(2.1 + 0.9 * 0.7)
    assert bm25.latency_ms.encode.p95 + bm25.latency_ms.search.p95 == 4.0


def test_without_the_times_of_each_query_the_median_is_a_sum_and_p95_is_empty(example_results):
    (row, *_) = tidy(example_results).records()
    assert (row["query_p50_ms"], row["query_p95_ms"]) == (2.0, None)
    told = " ".join(render_markdown(run_document(example_results)).split())
    assert "query ms: the sum of two medians" in told
