"""An explanation reads the same with and without colours, wide and narrow."""

import io
import json
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from colbench.explain.alignment import align
from colbench.explain.command import as_json
from colbench.explain.heat_map import choose_columns, colours, near_winners
from colbench.explain.labels import labels, whole_word
from colbench.explain.picture import chart, write_picture
from colbench.explain.record import ExplainedDocument, Explanation
from colbench.explain.terminal import print_explanation
from colbench.explain.wording import summary
from colbench.files import write_json

QUERY = ["[CLS]", "vita", "##min", "[/red]"]
FIRST = ["[CLS]", "vita", "##min", "[/red]"]
SECOND = ["[CLS]", "nut", "##rient", "[bold]"]


def document(name, tokens, diagonal, **judgment):
    """A document whose token i is as similar to query token i as `diagonal` says, else 0."""
    alignment = align(np.eye(len(diagonal)), np.diag(diagonal), QUERY, tokens)
    return ExplainedDocument(name, f"About {name}", alignment, **judgment)


def explanation(*documents):
    return Explanation("vitamin [/red]", "q1", "made/up", "minilm", documents)


@pytest.fixture
def one():
    return explanation(document("d1", FIRST, [0.5, 0.25, 0.91, 0.34], judged=True, grade=2))


@pytest.fixture
def two():
    return explanation(
        document("d1", FIRST, [0.5, 0.25, 0.91, 0.34], judged=True, grade=2),
        document("d2", SECOND, [0.75, 0.25, 0.52, 0.28], judged=True),
    )


@pytest.fixture
def long():
    """Three query tokens and a document of 300, whose winners are far apart."""
    query = np.eye(3)
    rows = np.full((300, 3), 0.125)
    rows[[10, 150, 290], [0, 1, 2]] = 0.75
    tokens = [f"token{number}" for number in range(300)]
    alignment = align(query, rows, ["a", "b", "c"], tokens)
    return explanation(ExplainedDocument("d", "", alignment))


def printed(shown, width=120, colour=None, **options):
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=colour is not None, color_system=colour
    )
    print_explanation(shown, console, **options)
    return stream.getvalue()


def test_the_heat_map_marks_each_winner_and_the_table_adds_up_to_the_score(one):
    text = printed(one)
    (line,) = re.findall(r"^3 ##min .*$", text, re.MULTILINE)
    assert line.split() == ["3", "##min", ".00", ".00", "*.91", ".00"]
    (cells,) = [row.split("│") for row in text.splitlines() if "«min»" in row]
    assert [cell.strip() for cell in cells] == [
        *("3", "##min", "[CLS] vita«min» [/red]", "0.9100", "3", "45.5 %"),
    ]
    assert "score 2.0000, judged relevant (grade 2), 4 tokens" in text


def test_tokens_that_look_like_markup_are_shown_as_they_are(two):
    text = printed(two, everything=True)
    for token in ("vitamin [/red]", "«[/red]»", "«[bold]»", "[CLS]"):
        assert token in text


def test_two_documents_are_compared_by_the_largest_difference_first(two):
    text = printed(two)
    rows = [line.split("│") for line in text.splitlines() if line.count("│") == 6]
    assert [row[1].strip() for row in rows] == ["##min", "[CLS]", "[/red]", "vita", "score"]
    assert [row[6].strip() for row in rows] == [
        *("+0.3900", "-0.2500", "+0.0600", "+0.0000", "+0.2000"),
    ]
    assert "A outranks B by 0.2000: 2.0000 against 1.8000" in text
    assert "d1 About d1 (score 2.0000, judged relevant (grade 2)" in text
    assert "d2 About d2 (score 1.8000, not judged" in text


def test_the_summary_names_what_makes_most_of_the_difference(two):
    assert summary(two) == (
        "'##min' of 'vitamin' finds '##min' of 'vitamin' (.91) in A "
        "but only '##rient' of 'nutrient' (.52) in B: +.39, the other tokens together -.19"
    )
    less = document("d2", SECOND, [0.25, 0.25, 0.52, 0.28])
    assert summary(explanation(two.documents[0], less)).endswith("in B: +.39 of the +.70")
    same = document("d1", FIRST, [0.5, 0.25, 0.91, 0.34])
    assert summary(explanation(same, same)) == "A and B have the same score"


def test_a_document_judged_not_relevant_is_told_from_one_not_judged():
    shown = document("d", FIRST, [1, 1, 1, 1], judged=True, grade=0)
    assert shown.judgment == "judged not relevant (grade 0)"
    assert document("d", FIRST, [1, 1, 1, 1], judged=True).judgment == "not judged"
    assert document("d", FIRST, [1, 1, 1, 1]).judgment == ""


@pytest.mark.parametrize("width", [30, 40, 80, 160])
def test_a_long_document_shows_every_winner_in_lines_that_fit(long, width):
    text = printed(long, width)
    heat, _, _ = text.partition("Similarities")
    block = heat.split("\n\n", 1)[1]
    assert all(len(line.rstrip()) <= width for line in block.splitlines())
    assert heat.count("*.75") == 3
    assert "…" in block and "token100" not in block
    for winner in ("token10", "token150", "token290"):
        assert winner in block


def test_all_shows_every_token_of_a_long_document(long):
    heat, _, _ = printed(long, 80, everything=True).partition("Similarities")
    assert {f"token{number}" for number in range(300)} <= set(heat.split())


def test_without_colours_the_same_characters_are_printed(one):
    plain, coloured = printed(one), printed(one, colour="truecolor")
    assert "\x1b" not in plain and "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_a_cell_sets_both_its_colours_and_values_off_the_scale_take_its_ends():
    assert colours(-3.0, (0.0, 1.0)) == colours(0.0, (0.0, 1.0)) != colours(1.0, (0.0, 1.0))
    assert colours(0.5, (0.5, 0.5)) == colours(1.0, (0.0, 1.0))


@given(st.sets(st.integers(0, 59), min_size=1), st.integers(60, 90), st.integers(0, 3))
def test_columns_hold_the_winners_in_order_and_name_every_gap(winners, count, radius):
    columns = near_winners(winners, count, radius)
    shown = [column for column in columns if column is not None]
    assert winners <= set(shown) and shown == sorted(set(shown))
    whole = [-1, *shown, count]
    gaps = sum(after - before > 1 for before, after in pairwise(whole))
    assert columns.count(None) == gaps
    assert all(after - before != 2 for before, after in pairwise(whole))


def test_as_many_neighbours_are_shown_as_fit():
    def sized(most):
        return choose_columns({50}, 100, lambda columns: len(columns) <= most)

    assert sized(100) == list(range(100))
    assert sized(9) == [None, 47, 48, 49, 50, 51, 52, 53, None]
    assert sized(5) == [None, 49, 50, 51, None]
    assert sized(1) == [None, 50, None]


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (["[CLS]", "vita", "##min", ",", "##", "[MASK]"], None),
        (
            ["[CLS]", "[D] ", "V", "itamin", "ĠD", ",", "ĠcafÃ©", "Ċ", "[SEP]"],
            ["[CLS]", "[D]", "V", "##itamin", "D", ",", "café", "\\n", "[SEP]"],
        ),
        (["<s>", "▁vita", "min", "▁", "</s>"], ["<s>", "vita", "##min", "␣", "</s>"]),
        (["[CLS]", "a\x1b[31m"], ["[CLS]", "a\\x1b[31m"]),
    ],
)
def test_tokens_of_every_tokenizer_read_alike(tokens, shown):
    assert [label.shown for label in labels(tokens)] == (shown or tokens)


def test_a_piece_names_its_word_but_no_punctuation_beside_it():
    shown = labels(["[CLS]", "ĠVit", "amin", "s", ",", "Ġtoo"])
    assert whole_word(shown, 2) == "Vitamins"
    assert whole_word(shown, 4) == ","


def test_the_json_holds_every_number_unrounded(two, tmp_path):
    write_json(tmp_path / "out.json", as_json(two))
    read = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert read["query"] == {"id": "q1", "text": "vitamin [/red]", "tokens": QUERY}
    first, second = read["documents"]
    assert (first["grade"], first["judged"]) == (2, True)
    assert (second["grade"], second["judged"]) == (None, False)
    for shown, values in zip(two.documents, read["documents"], strict=True):
        assert values["score"] == shown.alignment.score
        assert values["similarities"] == shown.alignment.similarities.tolist()
        found = [values["tokens"][line["position"]] for line in values["contributions"]]
        assert found == [line["document_token"] for line in values["contributions"]]
    total = read["comparison"]["difference"]
    assert sum(read["comparison"]["differences"]) == pytest.approx(total)
    assert total == pytest.approx(first["score"] - second["score"])


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<svg"), ("a.PNG", b"\x89PNG")])
def test_a_picture_is_written_in_the_format_of_its_name(two, tmp_path, name, start):
    write_picture(two, tmp_path / "deep" / name)
    assert (tmp_path / "deep" / name).read_bytes().startswith(start)


def test_a_picture_shows_tokens_and_scores_and_nothing_more_than_the_winners_need(two, long):
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(chart(two).to_dict())
    for text in ("##min", "[/red]", "[bold]", "score 2.0000", "+.39", "A − B: +0.2000"):
        assert text in drawn
    cut = vl_convert.vegalite_to_svg(chart(long).to_dict())
    assert all(f">token{winner}<" in cut for winner in (10, 150, 290))
    assert ">token100<" not in cut
    assert ">token100<" in vl_convert.vegalite_to_svg(chart(long, everything=True).to_dict())
