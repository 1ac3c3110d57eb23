"""CSV: what a spreadsheet would run is text."""

import csv
import io

import pytest

from colbench.report.csv import csv_text
from colbench.report.table import Column, Table


def cells(*row):
    """Return the cells of a row after a spreadsheet has read them."""
    columns = [Column(title=f"c{place}") for place in range(len(row))]
    return list(csv.reader(io.StringIO(csv_text(Table("t", columns, [list(row)])))))[1]


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1", "\r=1", " =1", "＝1"),
        *("-", "+a", "@x", "=", "\n=1+1", "\u00a0=1", "\ufeff=1", "\u200b@x", "-1-1"),
    ],
)
def test_a_text_like_a_formula_has_an_apostrophe_before_it(text):
    assert cells(text) == ["'" + text.replace("\r", "\n")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(("a;=1+1", "a;'=1+1"), ("a\n=1", "a\n'=1"), ("a\r\n@x", "a\n'@x"), ("a\t-1", "a\t'-1")),
        *((["a;=1", 2], '["a;\'=1", 2]'), ("=1;=2", "'=1;'=2"), ("a; =1", "a;' =1")),
    ],
)
def test_a_formula_is_none_behind_another_separator_either(text, shown):
    assert cells(text) == [shown]


@pytest.mark.parametrize("text", ["bm25", "a=b", "1-2", "nbits=2, dims=64", "", "[1]", "'x"])
def test_other_text_stays(text):
    assert cells(text) == [text]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.5, "-0.5"), (-3, "-3"), ("-0.5", "-0.5"), ("+1e3", "+1e3"), (None, ""), (True, "true")],
)
def test_numbers_stay_numbers(value, shown):
    assert cells(value) == [shown]


def test_the_head_of_a_column_is_neutral_too():
    table = Table("t", [Column(title="=HYPERLINK()")], [])
    assert csv_text(table) == "'=HYPERLINK()\n"
