"""A comparison in Markdown and in the terminal."""

from __future__ import annotations

import io
import re

import pytest
from comparable import VALUES, opened, results_of
from markdown_it import MarkdownIt
from rich.console import Console

from colbench.compare.compute import compare
from colbench.compare.sections import comparison_document, sections
from colbench.report.markdown import render_markdown
from colbench.report.terminal import print_document

BETTER = {
    "bm25": {"ndcg@10": [0.3, 0.9, 0.9, 0.3], "mrr@10": [0.1, 0.2, 1.0, 0.0]},
    "colbert_exact": VALUES["colbert_exact"],
}
HOSTILE = [
    "a|b",
    "<b>&amp;",
    "*a* _b_",
    "[x](y)",
    "`tick`",
    "back\\slash|",
    "- item",
    "+1.5",
    "# h",
]


@pytest.fixture
def a(example_results):
    return results_of(example_results)


@pytest.fixture
def comparison(a):
    return compare(opened(a, "first"), opened(results_of(a, BETTER), "second"))


def terminal(comparison, width=200):
    console = Console(file=io.StringIO(), width=width)
    print_document(comparison_document(comparison), console)
    return console.file.getvalue()


def render_comparison(comparison):
    return render_markdown(comparison_document(comparison))


def rendered(comparison):
    return MarkdownIt("commonmark").enable("table").render(render_comparison(comparison))


def cells(html, heading):
    """The rows of the first table below a heading of the second level."""
    part = html.partition(f"<h2>{heading}</h2>")[2].partition("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in lines]


def test_a_changed_measure_is_shown_with_its_interval_and_test(comparison):
    header, row, _ = cells(rendered(comparison), "Effectiveness")
    assert header == [
        "system",
        "measure",
        "A",
        "B",
        "points",
        "95% interval",
        "p",
        "p (Holm)",
        "W / T / L",
        "verdict",
    ]
    change = comparison.pairs[0].effectiveness[0]
    assert row[:5] == ["<code>bm25</code>", "ndcg@10", "0.3750", "0.6000", "+22.50"]
    assert row[5] == f"{100 * change.low:+.2f} to {100 * change.high:+.2f}"
    told = f"too few queries to tell (about {change.more_queries} more would)"
    assert row[6:] == [f"{change.p_value:.3g}", f"{change.p_holm:.3g}", "3 / 1 / 0", told]
    assert "too few queries to tell: 4 cannot show any difference" in rendered(comparison)
    assert "+22.50" in terminal(comparison)


def test_what_is_significant_has_a_dagger(a):
    values = {"bm25": {"ndcg@10": [0.2, 0.6, 1.0, 0.11], "mrr@10": VALUES["bm25"]["mrr@10"]}}
    comparison = compare(opened(a), opened(results_of(a, values)), alpha=0.5)
    _, ndcg, mrr = cells(rendered(comparison), "Effectiveness")
    assert (ndcg[1], mrr[1]) == ("ndcg@10", "mrr@10 (secondary)")
    assert ndcg[7].endswith("†") and mrr[7] == "1"


def test_an_identical_run_is_named_and_not_in_the_table(comparison):
    for text in (render_comparison(comparison), " ".join(terminal(comparison).split())):
        assert "byte-identical run, and so not in the table: colbert_exact" in text
    assert not any(
        "colbert_exact" in row[0] for row in cells(rendered(comparison), "Effectiveness")
    )


def test_only_identical_runs_leave_no_table_of_measures(a):
    comparison = compare(opened(a), opened(a))
    (first, *_) = sections(comparison)
    assert (first.heading, first.tables()) == ("Effectiveness", [])
    assert "bm25, colbert_exact" in first.blocks[0].items[0]


def test_sections_without_content_are_left_out(comparison):
    assert [section.heading for section in sections(comparison)] == [
        "Effectiveness",
        "Costs",
        "Queries that moved most",
    ]


def test_times_that_are_not_comparable_have_no_ratio_and_sizes_keep_theirs(a):
    environment = a.environment.model_copy(update={"threads": 8})
    other = results_of(a, BETTER, environment=environment)
    comparison = compare(opened(a), opened(other))
    html = rendered(comparison)
    assert "times are not comparable" in html and "threads 2 and 8" in html
    ratios = {row[1]: row[4] for row in cells(html, "Costs")[1:10]}
    assert ratios["index"] == ratios["peak RAM"] == "1.00"
    assert {ratios[cost] for cost in ("search ms", "search p95", "query ms", "QPS", "build s")} == {
        ""
    }


def test_a_note_on_all_systems_is_said_once(a):
    systems = [
        system.model_copy(update={"other_cpu_share": 0.5}) for system in results_of(a).systems
    ]
    comparison = compare(opened(a), opened(a.model_copy(update={"systems": systems})))
    told = "all systems: times are not comparable, in B other processes used 50%"
    assert render_comparison(comparison).count(told) == 1


def test_changed_and_missing_settings_are_shown(a):
    one = a.model_copy(update={"config": {"index": {"nbits": 4}, "k": 10}})
    two = a.model_copy(update={"config": {"index": {"nbits": 2}, "seed": None}})
    rows = cells(rendered(compare(opened(one), opened(two))), "Configuration")
    assert rows[1:] == [
        ["<code>index.nbits</code>", "4", "2"],
        ["<code>k</code>", "10", "(none)"],
        ["<code>seed</code>", "(none)", "null"],
    ]


def test_settings_of_differently_named_systems_are_shown_beside_each_other(a):
    other = a.systems[1].model_copy(update={"config": {"kind": "colbert"}})
    results = a.model_copy(update={"systems": [a.systems[0], other]})
    comparison = compare(opened(results), opened(results), ["bm25=colbert_exact"])
    assert cells(rendered(comparison), "Systems")[1:] == [["<code>kind</code>", "bm25", "colbert"]]
    assert "bm25 → colbert_exact" in terminal(comparison)


def test_the_queries_that_moved_go_from_the_largest_drop_to_the_largest_rise(comparison):
    rows = cells(rendered(comparison), "Queries that moved most")
    assert [row[4] for row in rows[1:]] == ["+20.00", "+30.00", "+40.00"]
    assert rows[3][:2] == ["<code>q2</code>", "text of q2"]
    assert rows[3][5:] == ["d1", "d1"]
    assert rows[1][5] == "d0 (2)"


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_and_texts_are_shown_as_they_are(a, value):
    one = VALUES["bm25"]
    results = results_of(a, {value: one, "other": one}, experiment=value, command=value)
    queries = [
        query.model_copy(update={"id": value + query.id, "text": value}) for query in a.queries
    ]
    results = results.model_copy(update={"queries": queries, "config": {"x": value}})
    other = results_of(a, {value: BETTER["bm25"]}, queries=queries, config={"x": 1})
    comparison = compare(opened(results, value), opened(other, value))
    html = rendered(comparison)
    shown = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert cells(html, "Effectiveness")[1][0] == f"<code>{shown}</code>"
    assert cells(html, "Configuration")[1] == ["<code>x</code>", shown, "1"]
    moved = cells(html, "Queries that moved most")[1:]
    assert {row[1] for row in moved} == {shown}
    assert f"<h1><code>{shown}</code> → <code>{shown}</code></h1>" in html
    for part in html.split("<table>")[1:]:
        lines = re.findall(r"<tr>(.*?)</tr>", part.partition("</table>")[0], re.DOTALL)
        assert len({len(re.findall("</t[dh]>", line)) for line in lines}) == 1
    assert value in terminal(comparison)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_number_is_cut_however_narrow_the_terminal(comparison, width):
    text = terminal(comparison, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= max(width, 100)  # one line of prose may be longer
    found = {cell.strip() for line in text.splitlines() for cell in line.split("│")}
    for section in sections(comparison):
        for table in section.tables():
            numbers = {
                cell.plain
                for row in table.cells()
                for cell, column in zip(row, table.columns, strict=True)
                if column.kind == "number"
            }
            assert numbers <= found


def test_a_long_text_is_shortened_and_a_line_break_in_it_is_a_space(a):
    queries = [query.model_copy(update={"text": "two\nlines " * 40}) for query in a.queries]
    one, two = results_of(a, queries=queries), results_of(a, BETTER, queries=queries)
    rows = cells(rendered(compare(opened(one), opened(two))), "Queries that moved most")
    assert all(row[1].startswith("two lines two") and len(row[1]) == 90 for row in rows[1:])


def test_untrained_tokens_are_named_in_every_table(a, comparison):
    assert "untrained" not in terminal(comparison)
    pairs = [pair.model_copy(update={"untrained": pair.b == "bm25"}) for pair in comparison.pairs]
    shown = terminal(comparison.model_copy(update={"pairs": pairs}))
    assert shown.count("bm25 (untrained tokens)") == 2
    assert "colbert_exact (untrained tokens)" not in shown
