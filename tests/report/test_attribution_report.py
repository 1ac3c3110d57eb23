"""The section on where quality is lost, in Markdown and on the terminal."""

import io

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from colbench.report import markdown
from colbench.report.attribution import HEADING, loss_tables
from colbench.report.run import run_document
from colbench.report.terminal import print_document
from colbench.results.schema import AttributionStage

STEPS = {  # stage → nDCG@10, MRR@10, RBO
    "exact": (0.7072, 0.67, 1.0),
    "compressed": (0.7030, 0.66, 0.9612),
    "candidates": (0.7041, 0.66, 0.9501),
    "pruned": (0.7020, 0.66, 0.9402),
    "final": (0.7020, 0.66, 0.9402),
}


def attribution(stages=STEPS, cutoffs=("10", "100", "1000")):
    rows = []
    for name, (ndcg, mrr, rbo) in stages.items():
        means = {"ndcg@10": ndcg, "mrr@10": mrr}
        before = rows[-1].effectiveness if rows else None
        rows.append(
            AttributionStage(
                stage=name,
                effectiveness=means,
                change={m: means[m] - before[m] for m in means} if before else None,
                rbo=rbo,
                intersection={k: rbo - int(k) / 1e5 for k in cutoffs},
            )
        )
    return rows


def with_attribution(results, rows, **changes):
    system = results.systems[1].model_copy(update={"attribution": rows, **changes})
    return results.model_copy(
        update={"systems": [results.systems[0], system, *results.systems[2:]]}
    )


def terminal(results, width=200):
    console = Console(file=io.StringIO(), width=width)
    print_document(run_document(results), console, brief=True)
    return console.file.getvalue()


def render_markdown(results):
    return markdown.render_markdown(run_document(results))


def cells(markdown):
    section = markdown.partition(f"## {HEADING}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_step_is_a_row_with_its_change_and_its_overlap(example_results):
    title, _, *rows = cells(render_markdown(with_attribution(example_results, attribution())))
    assert title == [
        *("stage", "ndcg@10", "points", "RBO"),
        *("intersection@10", "intersection@100", "intersection@1000"),
    ]
    assert rows == [
        ["`exact`", "0.7072", "", "1.0000", "0.9999", "0.9990", "0.9900"],
        ["`compressed`", "0.7030", "-0.42", "0.9612", "0.9611", "0.9602", "0.9512"],
        ["`candidates`", "0.7041", "+0.11", "0.9501", "0.9500", "0.9491", "0.9401"],
        ["`pruned`", "0.7020", "-0.21", "0.9402", "0.9401", "0.9392", "0.9302"],
        ["`final`", "0.7020", "0.00", "0.9402", "0.9401", "0.9392", "0.9302"],
    ]


def test_the_largest_loss_is_named(example_results):
    results = with_attribution(example_results, attribution(), name="colbert")
    told = "colbert: most is lost in the residuals (compressed): -0.42 points of ndcg@10."
    assert told in render_markdown(results)
    assert told in terminal(results)


def test_a_step_of_another_system_is_named_as_it_is(example_results):
    rows = attribution({"all": (0.5, 0.5, 1.0), "a few": (0.4, 0.5, 0.5)})
    results = with_attribution(example_results, rows, name="mine")
    assert "mine: most is lost in a few: -10.00 points of ndcg@10." in terminal(results)


@pytest.mark.parametrize("last", [0.7072, 0.7100, 0.70719])
def test_where_nothing_is_lost_nothing_is_said_of_it(example_results, last):
    rows = attribution({"exact": (0.7072, 0.6, 1.0), "final": (last, 0.5, 0.9)})
    results = with_attribution(example_results, rows)
    assert "most is lost" not in render_markdown(results) + terminal(results)
    assert "-0.00" not in render_markdown(results)
    assert len(cells(render_markdown(results))) == 4


def test_the_first_measure_stands_in_where_ndcg_is_not_reported(example_results):
    results = with_attribution(example_results, attribution())
    results = results.model_copy(update={"measures": ["mrr@10"]})
    assert cells(render_markdown(results))[0][1] == "mrr@10"
    assert "-1.00 points of mrr@10" in render_markdown(results)


def test_every_system_that_was_taken_apart_has_a_table(example_results):
    systems = [
        system.model_copy(update={"attribution": attribution(), "name": name})
        for system, name in zip(example_results.systems, ("first", "second"), strict=False)
    ]
    results = example_results.model_copy(update={"systems": systems, "reference": None})
    assert [table.title for table in loss_tables(results)] == ["first", "second"]
    for told in (render_markdown(results), terminal(results)):
        assert told.count(HEADING) == 1
        assert told.count("first: most is lost") == told.count("second: most is lost") == 1


@pytest.mark.parametrize("rows", [None, []])
def test_without_an_attribution_there_is_no_section(example_results, rows):
    results = with_attribution(example_results, rows)
    assert HEADING not in render_markdown(results)
    assert HEADING not in terminal(results)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_value_is_cut_short_however_narrow_the_terminal(example_results, width):
    results = with_attribution(example_results, attribution())
    shown = terminal(results, width).partition(HEADING)[2]
    assert "…" not in shown
    lines = shown.splitlines()
    assert max(map(len, (line for line in lines if "│" in line))) <= width
    for expected in loss_tables(results)[0].cells():
        own = [line for line in lines if line.strip().startswith(f"{expected[0].plain} ")]
        found = [cell.strip() for line in own for cell in line.split("│")[1:]]
        assert found == [cell.plain for cell in expected[1:]]


@pytest.mark.parametrize("name", ["a|b", "<b>x", "*a* `b`", "## x", "- item", "12. item"])
def test_hostile_names_cannot_break_the_section(example_results, name):
    rows = attribution({name + "1": (0.7, 0.6, 1.0), name + "2": (0.6, 0.6, 0.5)})
    results = with_attribution(example_results, rows, name=name)
    markdown = MarkdownIt("commonmark").enable("table")
    html = markdown.render(render_markdown(results)).partition(f"<h2>{HEADING}</h2>")[2]
    section = html.partition("<h2>")[0]
    shown = name.replace("<", "&lt;").replace(">", "&gt;")
    assert f"<h3><code>{shown}</code></h3>" in section
    assert f"<td><code>{shown}2</code></td>" in section
    assert f"<p>{shown}: most is lost in {shown}2: -10.00 points of ndcg@10.</p>" in section
    assert section.count("<tr>") == 3 and section.count("<td") == 14
