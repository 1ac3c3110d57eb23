"""One table, every format: what each renderer makes of it, and that a cost is described once."""

from __future__ import annotations

import csv
import io
import json
import re
from types import SimpleNamespace

import pytest
from comparable import opened, results_of
from gated import REGRESSED
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console
from trained import train_record

from colbench.compare.compute import compare
from colbench.compare.sections import comparison_document
from colbench.gate.report import gate_document
from colbench.report import costs
from colbench.report.costs import COSTS, Cost
from colbench.report.csv import csv_text
from colbench.report.formats import fraction, points, size
from colbench.report.html.page import prose, render_html
from colbench.report.latex import latex_table, render_latex
from colbench.report.markdown import render_markdown
from colbench.report.run import run_document
from colbench.report.systems import comparison
from colbench.report.table import (
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    Facts,
    Link,
    Listing,
    Paragraph,
    Section,
    Strong,
    Table,
    caption,
    names,
    texts,
)
from colbench.report.terminal import print_document
from colbench.report.tidy import tidy
from colbench.train.report import train_document

TABLE = Table(
    "Systems",
    [
        *names("system", source="system"),
        Column(title="ndcg@10", format=fraction, direction="higher", marks_best=True, priority=0),
        Column(title="points", format=points, source="difference"),
        Column(title="index", format=size, direction="lower", source="bytes", priority=1),
        *texts("about", priority=4),
        Column(title="empty", optional=True),
    ],
    [
        [Cell("bm25_b", tag="baseline"), 0.65, None, 80, "a | *pipe*", None],
        ["colbert", Cell(0.70721, mark="†"), 0.05721, 1_234_567, ("by ", Code("x_y")), None],
        ["other", 0.70722, 0.05722, None, Link("<paper>", "https://example.org/a"), None],
    ],
    notes=["points: × 100."],
)
DOCUMENT = Document(
    ("Of ", Code("made/up")),
    [Paragraph(("said ", Strong("loudly"), "."), "caption"), Bullets(["one", ("two ", Code("b"))])],
    [
        Section("Numbers", [TABLE.compact()]),
        Section("Folded", [TABLE.select([0, 1])], folded=2, scope="report"),
        Section("Seldom", [Facts([("Seed", "0")]), Listing("colbench run", "sh")], scope="report"),
        Section("Page", [Paragraph("for a page alone")], scope="page"),
    ],
)


def printed(document, width=80, **options):
    console = Console(file=io.StringIO(), width=width)
    print_document(document, console, **options)
    return console.file.getvalue()


def test_the_terminal():
    told = printed(DOCUMENT, 80, brief=True)
    assert [line.rstrip() for line in told.splitlines()] == [
        "said loudly.",
        "- one",
        "- two b",
        "",
        "Numbers",
        "",
        " system            ┃ ndcg@10 ┃ points ┃  index ┃ about",
        "━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━",
        " bm25_b (baseline) │  0.6500 │        │   80 B │ a | *pipe*",
        " colbert           │ 0.7072† │  +5.72 │ 1.2 MB │ by x_y",
        " other             │  0.7072 │  +5.72 │        │ <paper>",
        "",
        "points: × 100.",
    ]
    whole = printed(DOCUMENT, 80)
    assert whole.startswith("Of made/up\n") and "Seed: 0" in whole and "for a page" not in whole


def test_a_narrow_terminal_has_what_matters_most_first_and_all_of_it():
    told = printed(Document("", [TABLE.compact()]), 36)
    heads = [line for line in told.splitlines() if "┃" in line]
    assert [[title.strip() for title in line.split("┃")] for line in heads] == [
        ["system", "ndcg@10", "index"],
        ["system", "points", "about"],
    ]
    assert "┃" not in told.partition("about")[2] and "(baseline)" not in told
    assert printed(Document("", [TABLE.compact()]), 36, wide=True).count("┃") == 4


def test_markdown():
    assert render_markdown(DOCUMENT) == (
        "# Of `made/up`\n\n"
        "said **loudly**.\n\n"
        "- one\n- two `b`\n\n"
        "## Numbers\n\n"
        "| system | ndcg@10 | points | index | about |\n"
        "| --- | ---: | ---: | ---: | --- |\n"
        "| `bm25_b` (baseline) | 0.6500 |  | 80 B | a \\| \\*pipe\\* |\n"
        "| `colbert` | **0.7072†** | +5.72 | 1.2 MB | by `x_y` |\n"
        "| `other` | **0.7072** | +5.72 |  | [&lt;paper>](https://example.org/a) |\n\n"
        "points: × 100.\n\n"
        "<details><summary>Folded: 3 rows</summary>\n\n"
        "| system | ndcg@10 |\n"
        "| --- | ---: |\n"
        "| `bm25_b` (baseline) | 0.6500 |\n"
        "| `colbert` | **0.7072†** |\n"
        "| `other` | **0.7072** |\n\n"
        "points: × 100.\n\n"
        "</details>\n\n"
        "## Seldom\n\n"
        "- Seed: 0\n\n"
        "```sh\ncolbench run\n```\n"
    )


def test_latex():
    text = latex_table(TABLE.compact(), "50 % & more", "tab:a")
    assert [line.strip() for line in text.splitlines()[1:-1]] == [
        r"\centering",
        r"\caption{50 \% \& more}",
        r"\label{tab:a}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"system & ndcg@10 & index \\",
        r"\midrule",
        r"bm25\_b (baseline) & 0.6500 & 80 B \\",
        r"colbert & \textbf{0.7072}\rlap{$^\dagger$} & 1.2 MB \\",
        r"other & \textbf{0.7072} &  \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_csv():
    rows = list(csv.reader(io.StringIO(csv_text(TABLE))))
    assert rows == [
        ["system", "ndcg@10", "difference", "bytes", "about", "empty"],
        ["bm25_b", "0.65", "", "80", "a | *pipe*", ""],
        ["colbert", "0.70721", "0.05721", "1234567", "by x_y", ""],
        ["other", "0.70722", "0.05722", "", "<paper>", ""],
    ]


def test_html(example_results):
    page = render_html([example_results])
    table = page.partition('aria-label="Comparison of the systems"')[2].partition("</table>")[0]
    assert re.search('<th scope="col" [^>]*class="number" data-falling><span[^>]*>ndcg@10<', table)
    assert re.search('<th scope="col" [^>]*class="number"><span[^>]*>search ms<', table)
    assert '<th scope="row">bm25 <span class="tag">reference</span></th>' in table
    told = "2 queries better, 1 equal, 0 worse: a significant difference (p = 0.002, Holm)"
    assert (
        f'<td class="number" data-value="0.7072" title="{told}"><strong>0.7072†</strong>'
        '<span class="difference better">+5.72</span></td>'
    ) in table
    assert '<td class="number" data-value="300000000">300.0 MB</td>' in table


@pytest.mark.parametrize(
    ("value", "html"),
    [
        ("<b>", "&lt;b&gt;"),
        (Code("<b>"), "<code>&lt;b&gt;</code>"),
        (Strong("&"), "<strong>&amp;</strong>"),
        (("a ", Code("'x'"), " b"), "a <code>&#39;x&#39;</code> b"),
        (Link("<a>", 'https://x/?a="&b'), '<a href="https://x/?a=&#34;&amp;b">&lt;a&gt;</a>'),
        (Link("a", "javascript:alert(1)"), "a"),
    ],
)
def test_html_shows_text_as_it_is_and_follows_nothing_but_the_web(value, html):
    assert prose(value) == html


def test_a_hostile_heading_that_is_folded_stays_text():
    heading = "</summary><script>alert(1)</script> *a* `b` | &amp;\n\n## c"
    section = Section(heading, [TABLE.select([0, 1])], folded=0)
    html = (
        MarkdownIt("commonmark")
        .enable("table")
        .render(render_markdown(Document("", [], [section])))
    )
    assert html.count("<summary>") == html.count("</summary>") == 1 and "<script" not in html
    assert "*a* `b` | &amp;amp; ## c: 3 rows</summary>" in html


def test_the_terminal_gets_no_control_characters():
    hostile = "a\x1b[31m\x07\nb"
    table = Table(
        hostile,
        [*names("n"), *texts("w")],
        [[hostile, (hostile, Code(hostile))]],
        notes=[hostile],
        titled=True,
    )
    document = Document(
        hostile, [Paragraph(hostile), Bullets([hostile])], [Section(hostile, [table])]
    )
    told = printed(document, 200)
    assert "\x1b" not in told and "\x07" not in told
    assert "\x1b" not in render_markdown(document) and "\x07" not in render_markdown(document)


@pytest.fixture
def one_more_cost(monkeypatch):
    """A cost that nothing knows but the list."""
    cost = Cost(
        title="threads used",
        format=lambda value: f"{value:.0f} thr",
        direction="lower",
        source="threads_used",
        of=lambda system: 7.0 if system.name == "bm25" else 8.0,
        about="made up",
    )
    monkeypatch.setattr(costs, "COSTS", (*COSTS, cost))
    return cost


def test_a_cost_is_added_in_one_place(example_results, one_more_cost):
    document = run_document(example_results)
    page = render_html([example_results])
    for told in (printed(document, 250), render_markdown(document), page):
        assert "threads used" in told and "7 thr" in told and "8 thr" in told
        assert "threads used: made up" in " ".join(told.split())
    assert 'data-value="7.0">7 thr<' in page
    assert [row["threads_used"] for row in tidy(example_results).records()] == [7, 8, 8]
    assert "threads_used" in csv_text(tidy(example_results)).splitlines()[0]
    compared = compare(opened(results_of(example_results)), opened(results_of(example_results)))
    told = render_markdown(comparison_document(compared))
    assert "| `bm25` | threads used | 7 thr | 7 thr | 1.00 |" in told


def test_every_cost_has_what_a_table_asks_of_it():
    assert len({cost.source for cost in COSTS}) == len(COSTS) == len({c.title for c in COSTS})
    assert all(cost.source and cost.places for cost in COSTS)
    assert all(cost.direction for cost in COSTS if "comparison" in cost.places)


def with_long_names(results, measures=("ndcg@10", "mrr@10", "recall@100", "map@1000")):
    systems = [
        system.model_copy(
            update={
                "name": f"a_system_of_a_long_name{place}",
                "effectiveness": dict.fromkeys(measures, 0.5),
                "encode_docs_per_second": 1234.0,
            }
        )
        for place, system in enumerate(results.systems[:2])
    ]
    update = {"systems": systems, "measures": list(measures), "reference": systems[0].name}
    return results.model_copy(update=update)


def grids(told):
    """The tables that were drawn, each as its lines: head first."""
    found = [[]]
    for line in told.splitlines():
        if any(mark in line for mark in "┃│"):
            if "┃" in line:
                found.append([])
            found[-1].append(line)
    return found[1:]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_of_a_run_no_cell_is_wrapped_and_no_table_is_wider_than_the_terminal(
    full_results, sweep_results, width
):
    for results in (with_long_names(full_results), sweep_results):
        document = run_document(results)
        told = printed(document, width, brief=True)
        shown = document.sections[0].tables()[0]
        heads = [line for line in told.splitlines() if line.startswith(" system ")]
        first = grids(told)[: len(heads)]
        assert all(cell_len(line) <= width for grid in first for line in grid)
        assert all(len(grid) == 1 + len(shown.rows) for grid in first)  # one line for each row
        titles = [title.strip() for head in heads for title in head.split("┃")[1:]]
        wanted = [column.title for column in shown.columns[1:] if not column.implied]
        assert sorted(titles) == sorted(wanted)
        assert {"ndcg@10", "query ms", "index"} <= {t.strip() for t in heads[0].split("┃")}


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_number_of_a_report_is_wrapped_and_no_table_is_wider_than_the_terminal(
    full_results, sweep_results, example_results, width
):
    compared = compare(opened(results_of(example_results)), opened(results_of(example_results)))
    documents = [
        *(run_document(results) for results in (full_results, sweep_results)),
        comparison_document(compared),
        gate_document(REGRESSED),
        train_document(train_record()),
    ]
    for document in documents:
        told = printed(document, width)
        lines = [line for grid in grids(told) for line in grid]
        assert lines and all(cell_len(line) <= width for line in lines)
        cells = {cell.strip() for line in lines for cell in line.replace("┃", "│").split("│")}
        for table in document.tables():
            for row in table.cells() if "page" not in document_scopes(document, table) else []:
                for cell, column in zip(row, table.columns, strict=True):
                    if column.kind == "number" and not column.implied:
                        shown = cell.plain + (f" ({cell.tag})" if cell.tag else "")
                        assert {shown, cell.plain} & cells


def document_scopes(document, table):
    """The scopes of the sections that a table is in."""
    return {s.scope for s in document.sections if any(t is table for t in s.tables())}


def test_the_best_of_a_front_is_the_best_of_all_points(sweep_results):
    best = {"ndcg@10": 0.9, "mrr@10": 0.9}
    systems = [
        s.model_copy(update={"effectiveness": best}) if s.name == "nbits=1, nprobe=1" else s
        for s in sweep_results.systems
    ]
    results = sweep_results.model_copy(update={"systems": systems})
    front, whole = [section.tables()[0] for section in run_document(results).sections[:2]]
    assert not any(cell.best for row in front.cells() for cell in row)
    best = [cell.value for row in whole.cells() for cell in row if cell.best]
    assert best == [0.9, 0.9]
    assert "textbf" not in render_latex([results])


def test_a_caption_is_of_whatever_has_a_collection(example_results):
    assert caption(SimpleNamespace(collection=example_results.collection)) == (
        "made/up: 10 documents, 3 queries"
    )


def test_significance_is_in_points_wherever_it_stands(example_results):
    told = render_markdown(run_document(example_results))
    assert "| `colbert_exact` | ndcg@10 | +5.72 | 0.001 | 0.002† |" in told
    page = render_html([example_results])
    assert ">+5.72<" in page.partition("<summary>Against")[2]
    assert "+0.0572" not in told + page


def test_latex_and_tooltips_have_the_cells_of_the_comparison(example_results):
    shown = {cell.plain.rstrip("†") for row in comparison(example_results).cells() for cell in row}
    assert {"0.7072", "900", "80 B"} <= shown
    assert all(text in render_latex([example_results]) for text in ("0.7072", "900", "80 B"))


def test_the_parts_of_a_table_are_plain_values():
    records = TABLE.records()
    assert json.loads(json.dumps(records[0])) == records[0]
    assert records[1]["difference"] == 0.05721


@pytest.mark.parametrize("value", ["a|b", "- item", "*a*", "<b>", "`x`", "+1.5", "line\nbreak"])
def test_spans_beside_each_other_keep_their_characters_and_spaces(value):
    shown = " ".join(value.split()).replace("<", "&lt;").replace(">", "&gt;")
    html = MarkdownIt("commonmark").render(
        render_markdown(
            Document("", [Paragraph((f"before {value} ", Code("c"), f" {value} after"))])
        )
    )
    assert html == f"<p>before {shown} <code>c</code> {shown} after</p>\n"
