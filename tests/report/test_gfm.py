import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from colbench.report.gfm import code, table, text

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


def rendered(markdown):
    """What a reader sees: HTML by a GFM parser."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


def shown(value):
    """The HTML of exactly these characters on one line."""
    value = " ".join(value.split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(character, entity)
    return value


ANY_TEXT = st.text(st.sampled_from("ab1 .)(|\\`*_~[]<>&;#-+=!$\n"), min_size=1, max_size=12).filter(
    str.strip
)


@pytest.mark.parametrize("value", HOSTILE)
def test_text_from_outside_shows_exactly_its_characters(value):
    assert rendered(text(value)) == f"<p>{shown(value)}</p>\n"
    assert rendered(f"- {text(value)}") == f"<ul>\n<li>{shown(value)}</li>\n</ul>\n"
    assert rendered(f"# {text(value)}") == f"<h1>{shown(value)}</h1>\n"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_code_span_shows_exactly_its_characters(value):
    assert rendered(code(value)) == f"<p><code>{shown(value)}</code></p>\n"


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(("write", "tag"), [(text, "{}"), (code, "<code>{}</code>")])
def test_a_table_keeps_its_shape_and_shows_exactly_the_characters(value, write, tag):
    html = rendered(table(["a", "b"], [[write(value), write(value)]], left=[True, False]))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells == [tag.format(shown(value))] * 2


@given(ANY_TEXT)
def test_any_text_survives_a_paragraph_an_item_a_heading_and_a_table(value):
    assert rendered(text(value)) == f"<p>{shown(value)}</p>\n"
    assert rendered(f"# {text(value)}") == f"<h1>{shown(value)}</h1>\n"
    assert rendered(f"- {code(value)}") == f"<ul>\n<li><code>{shown(value)}</code></li>\n</ul>\n"
    html = rendered(table(["a", "b"], [[text(value), code(value)]], left=[True, True]))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells == [shown(value), f"<code>{shown(value)}</code>"]
