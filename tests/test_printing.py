"""What strangers have written moves no cursor, and is no command to a CI."""

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from colbench.console import open_console, put, tell
from colbench.errors import ConfigError
from colbench.printing import printable, visible
from colbench.progress import note
from colbench.report.table import Bullets, Column, Document, Facts, Listing, Paragraph, Table
from colbench.report.terminal import print_document

HOSTILE = [
    *("a\n::add-mask::b", "::error::x", " ::SET-OUTPUT name=a::b", "a\r::stop-commands::x"),
    *("x ::group::y", ":::warning::z", "##[error]x", "##[add-mask]y", "##vso[task.setvariable]z"),
    *("##teamcity[buildStop]", "\x1b[31mred", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\a"),
    *(
        "\x9b31m",
        "a\x07b",
        "a\x7fb",
        "a\u202eb",
        "a\u2066b",
        "a\u2028::error::b",
        "a\x85b",
        "\ud800",
    ),
]
COMMAND = re.compile(r"::(add-mask|error|set-output|stop-commands|group|warning)|##\w*\[", re.I)
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text):
    return not COMMAND.search(text) and not CONTROL.search(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_visible_on_one_line(text):
    assert harmless(printable(text)) and "\n" not in printable(text)


@given(st.text() | st.text("::#[]errogup-\n \x1b"))
def test_no_text_is_a_command(text):
    assert harmless(printable(text)) and len(printable(text).splitlines()) <= 1


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20))
def test_ordinary_text_stays(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    "text", ["std::vector", "a::b::c", "C# [x]", "# [x]", "فارسی\u200cها", "👩\u200d🔬"]
)
def test_what_is_no_command_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_errors_notes_and_reports_are_clean(text, capsys, monkeypatch):
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    assert harmless(str(ConfigError(f"unknown system '{text}'")))
    note(f"{text}: encoded")
    table = Table(text, [Column(title=text), Column(title="n")], [[text, text], [text, 1]])
    blocks = [table, Paragraph(text), Bullets([text]), Facts([(text, text)]), Listing(text)]
    narrow = Console(file=io.StringIO(), width=9, color_system=None)
    wide = Console(file=io.StringIO(), width=200, color_system=None)
    for console in (narrow, wide):
        print_document(Document(text, blocks), console)
        tell(console, "results", f"out/{text}/results.json")
    said = capsys.readouterr()
    for shown in (said.err, wide.file.getvalue(), narrow.file.getvalue()):
        assert harmless(shown), shown


def test_brackets_in_a_path_are_no_markup(capsys):
    tell(open_console(), "results", "out/[red]x[/red]:smile:")
    assert capsys.readouterr().out == "results: out/[red]x[/red]:smile:\n"


def test_data_is_cleaned_for_a_terminal_alone(capsys, monkeypatch):
    put("a\x9bb\nc\n", None)
    assert capsys.readouterr().out == "a\x9bb\nc\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    put("a\x9bb\nc\n", None)
    assert capsys.readouterr().out == "a\\x9bb\nc\n"
