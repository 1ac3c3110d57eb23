import io
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from colbench.report import markdown
from colbench.report.run import run_document
from colbench.report.systems import comparison
from colbench.report.terminal import print_document
from colbench.report.write import write_pictures, write_report

HOSTILE = [
    "a|b",
    "<b>&amp;x",
    "*a* _b_ __c__ ~~d~~",
    "[x](http://y) ![z](w)",
    "`tick`",
    "``two` ticks",
    "back\\slash\\|pipe\\",
    "- item",
    "12. item",
    "# heading #",
    "> quote",
    "line\n\n## break",
    "colbert_exact",
]


def terminal(results, width=220, **options):
    console = Console(file=io.StringIO(), width=width)
    print_document(run_document(results), console, brief=True, **options)
    return console.file.getvalue()


def render_markdown(results, pictures=()):
    return markdown.render_markdown(run_document(results, pictures))


def test_the_table_shows_every_system_and_measure(example_results):
    for text in (terminal(example_results), render_markdown(example_results)):
        assert "(reference)" in text and "colbert_exact" in text
        assert "0.7072†" in text and "0.6500" in text
        assert "ndcg@10" in text and "mrr@10" in text
        assert "10 documents, 3 queries" in text


def test_a_skipped_system_says_why(example_results):
    for text in (terminal(example_results), render_markdown(example_results)):
        assert "bm25_cross_encoder" in text and "weights are not here" in text


def test_the_best_value_of_a_column_is_bold(example_results):
    text = render_markdown(example_results)
    assert "**0.7072†**" in text
    assert "**0.6500**" not in text


def test_a_subset_is_never_shown_as_the_full_collection(example_results):
    collection = example_results.collection.model_copy(update={"sampled": True})
    results = example_results.model_copy(update={"collection": collection})
    for text in (terminal(results), render_markdown(results)):
        assert "not comparable with published numbers" in text


def test_untrusted_text_cannot_break_the_table_or_inject_markup(example_results):
    collection = example_results.collection.model_copy(
        update={"name": "<script>alert(1)</script>|[bold]"}
    )
    results = example_results.model_copy(update={"collection": collection})
    assert "<script>" not in render_markdown(results)
    assert "[bold]" in terminal(results)


def rendered(markdown):
    """What a reader sees: HTML by a GFM parser."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


def shown(value):
    """The HTML of exactly these characters on one line."""
    value = " ".join(value.split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(character, entity)
    return value


def several_systems(example_results, names, measures=("ndcg@10", "mrr@10")):
    """Results of systems of these names, the first of them the reference, no two values equal."""
    template = example_results.systems[0]
    systems = [
        template.model_copy(
            update={
                "name": name,
                "effectiveness": {m: (100 * s + k + 1) / 997 for k, m in enumerate(measures)},
                "significance": example_results.systems[1].significance if s else None,
                "throughput_qps": 12345.0 + s,
                "encode_docs_per_second": 1234.0 + s,
                "build_seconds": 123.0 + s,
                "peak_rss_bytes": 123_400_000 + 10_000_000 * s,
            }
        )
        for s, name in enumerate(names)
    ]
    update = {"systems": systems, "measures": list(measures), "reference": names[0]}
    return example_results.model_copy(update=update)


FIVE = ("ndcg@10", "mrr@10", "recall@100", "map@1000", "success@5")


@pytest.mark.parametrize("measures", [FIVE[:2], FIVE])
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_value_is_cut_short_however_narrow_the_terminal(example_results, width, measures):
    names = [f"a_system_of_a_long_name{n}" for n in range(6)]
    results = several_systems(example_results, names, measures)
    lines = terminal(results, width).splitlines()
    assert "…" not in "".join(lines)
    assert max(map(len, (line for line in lines if "│" in line))) <= width
    heads = [re.split("┃", line)[1:] for line in lines if line.strip().startswith("system ")]
    titles = [title.strip() for part in heads for title in part]
    table = comparison(results)
    assert sorted(titles) == sorted(column.title for column in table.columns[1:])
    for name, *row in table.cells():
        own = [re.split("│", line) for line in lines if line.strip().startswith(name.plain)]
        found = dict(
            zip(titles, (cell.strip() for cells in own for cell in cells[1:]), strict=True)
        )
        assert found == {
            column.title: cell.plain for column, cell in zip(table.columns[1:], row, strict=True)
        }


@pytest.mark.parametrize("width", [80, 100, 120])
def test_what_matters_most_stands_in_the_first_table(example_results, width):
    results = several_systems(example_results, ["bm25", "colbert_exhaustive"], FIVE)
    heads = [
        line for line in terminal(results, width).splitlines() if line.strip().startswith("system ")
    ]
    assert len(heads) > 1
    assert all(title in heads[0] for title in ("ndcg@10", "query ms", "index"))
    assert not any("ndcg@10" in line for line in heads[1:])


@pytest.mark.parametrize("width", [80, 100])
def test_wide_shows_one_table_however_narrow_the_terminal(example_results, width):
    text = terminal(example_results, width, wide=True)
    assert text.count("\n system ") == 1
    assert terminal(example_results, 220).count("│") == text.count("│")
    assert max(map(len, text.splitlines())) > width


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_names_the_baseline_at_any_width(example_results, width):
    told = " ".join(terminal(example_results, width).split())
    assert "† differs from bm25:" in told
    assert ("bm25 (reference)" in told) == (width == 200)


def test_a_wide_terminal_shows_one_table(example_results):
    assert terminal(example_results, 200).count("build s ") == 1
    assert terminal(example_results, 200).count("\n system ") == 1


def test_a_name_wider_than_the_terminal_is_folded_not_cut(example_results):
    name = "Z" * 200
    text = terminal(several_systems(example_results, ["bm25", name]), 80)
    assert "…" not in text
    assert text.count("Z") > 0 and text.count("Z") % 200 == 0


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_command_and_notes_are_shown_as_they_are(example_results, value):
    results = several_systems(example_results, [value, "other", value + "2"])
    first = results.systems[0]
    index = first.index.model_copy(update={"files": {value: 80}})
    skipped = example_results.systems[2].model_copy(update={"name": value, "reason": value})
    results = results.model_copy(
        update={
            "systems": [first.model_copy(update={"index": index}), *results.systems[1:], skipped],
            "command": value,
            "experiment": value,
            "notes": [value],
        }
    )
    html = rendered(render_markdown(results))
    span = f"<code>{shown(value)}</code>"
    assert f"<h1>{shown(value)}</h1>" in html
    assert f"<h2>Against {span}</h2>" in html
    assert f"<li>{span} skipped: {shown(value)}</li>" in html
    assert f"<li>{shown(value)}</li>" in html
    assert f"<li>Command: {span}</li>" in html
    assert f"<td>{span} (reference)</td>" in html
    assert f"<td>{span}</td>\n<td>{span}</td>" in html
    for part in html.split("<table>")[1:]:
        lines = re.findall(r"<tr>(.*?)</tr>", part.partition("</table>")[0], re.DOTALL)
        assert len({len(re.findall("</t[dh]>", line)) for line in lines}) == 1


def test_names_with_underscores_stay_readable_in_the_raw_markdown(example_results):
    assert "\\_" not in render_markdown(example_results)


@pytest.mark.parametrize(
    ("count", "expected"), [(None, "none needed"), (0, "0 (all cached)"), (5183, "5,183")]
)
def test_markdown_says_how_the_documents_were_obtained(example_results, count, expected):
    system = example_results.systems[1]
    index = system.index.model_copy(update={"vectors": 4321, "dims": 96, "bytes_per_vector": 28.0})
    system = system.model_copy(update={"docs_encoded": count, "index": index})
    results = example_results.model_copy(update={"systems": [system]})
    section = render_markdown(results).partition("## Encoding and building")[2].partition("##")[0]
    (row,) = [line for line in section.splitlines() if "colbert_exact" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["`colbert_exact`", expected, "0.500", "4,321", "96", "28.0"]


def test_the_tables_show_and_explain_the_build_time(example_results):
    systems = [s.model_copy(update={"build_seconds": 47.3}) for s in example_results.systems]
    results = example_results.model_copy(update={"systems": systems})
    for told in (terminal(results), render_markdown(results)):
        assert "47.3" in told
        assert "build s: from cached vectors or texts to a searchable index" in " ".join(
            told.split()
        )


def test_the_report_is_written_beside_the_results(example_results, tmp_path):
    path = write_report(example_results, tmp_path)
    pictures = write_pictures(example_results, tmp_path)
    assert path.read_text(encoding="utf-8") == render_markdown(example_results, pictures)
    assert (tmp_path / "report.html").is_file()


def test_everything_skipped_still_makes_a_report(example_results):
    skipped = [s for s in example_results.systems if s.status == "skipped"]
    results = example_results.model_copy(update={"systems": skipped, "reference": None})
    assert "weights are not here" in render_markdown(results)
    assert "weights are not here" in terminal(results)


def test_queries_better_equal_and_worse_stand_below_their_titles(example_results):
    lines = render_markdown(example_results).splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    (head,) = [row for row in cells if row[-4:-1] == ["better", "equal", "worse"]]
    values = {row[2]: row[-4:-1] for row in cells if len(row) == len(head) and "colbert" in row[1]}
    assert values == {"ndcg@10": ["2", "1", "0"], "mrr@10": ["1", "1", "1"]}


def test_one_of_a_kind_is_named_in_the_singular(example_results):
    collection = example_results.collection.model_copy(update={"docs": 1, "queries": 1})
    environment = example_results.environment.model_copy(update={"threads": 1, "cores": 1})
    update = {"collection": collection, "environment": environment}
    results = example_results.model_copy(update=update)
    written = render_markdown(results)
    for text in (terminal(results), written):
        assert "1 document, 1 query" in text
    assert "1 thread of 1 core" in written
    assert not re.search(r"\b1 (queries|documents|rows|threads|cores)\b", written)
