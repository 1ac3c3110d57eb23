"""A docstring as plain prose: its summary sentence, and all the rest.

What is written for a renderer goes (directives, roles, tables, formulas set apart), and so does
what is not language (doctests, literal blocks). Sections that speak of *other* objects go too:
"See Also" quotes their summaries, "Methods" lists them, "References" cites.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from colbench.collection.pydocs.harvest import PLACEHOLDER


class Prose(NamedTuple):
    """A docstring taken apart.

    Attributes:
        summary: its first sentence.
        body: everything after it, on one line.
    """

    summary: str
    body: str


DROPPED_SECTIONS = frozenset({"see also", "references", "methods"})
READ_DIRECTIVES = frozenset({"note", "warning", "important", "tip", "caution", "hint", "rubric"})
"""Directives whose content is prose; the content of all others is dropped with them."""

_DIRECTIVE = re.compile(r"(\s*)\.\. ([\w:-]+)::(.*)")
_UNDERLINE = re.compile(r"\s*([-=~^*#])\1{2,}\s*")
_TABLE = re.compile(r"\s*(\|.*\||\+[-=+]+\+|[=-]{2,}(\s+[=-]{2,})+)\s*")
_SECTION = re.compile(r"\s*(See [Aa]lso|References?|Methods)\s*:*\s*")
_SIGNATURE = re.compile(r"(\.\. \w+::)?\s*[\w.]+ ?\(.*\)( *(->|→).*)?", re.DOTALL)
_FIELD = re.compile(rf"%\([^)]*\)s|{PLACEHOLDER}")

_MARKUP = (
    (re.compile(r":(?:py:|any:)?\w+:`([^`<]+?)\s*<[^`>]+>`"), r"\1"),
    (re.compile(r":(?:[\w-]+:)+`[~!]?([^`]*)`"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]+>`_+"), r"\1"),
    (re.compile(r"\[`+[~!]?([^`]*)`+\](?:\([^)]*\))?"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)\s]+\)"), r"\1"),
    (re.compile(r"\s*\[[\w*#-]+\]_"), ""),
    (re.compile(r"`+[~!]?([^`]*)`+_*"), r"\1"),
    (re.compile(r"(?<![\w*])\*{1,2}(?=\S)([^*]+?)(?<=\S)\*{1,2}(?![\w*])"), r"\1"),
    (re.compile(r"::(?=\s|$)"), ":"),
    (re.compile(r"\s+"), " "),
)
_SENTENCE_END = re.compile(r"[.!?](?=\s+[\"'(A-Z0-9]|\s*$)")
_ABBREVIATION = re.compile(r"\b(?:e\.?g|i\.?e|cf|vs|etc|resp|approx|[A-Z])\.$")


def take_apart(docstring: str) -> Prose | None:
    """Return summary and body; None if deprecated, without prose, or an unfilled template.

    >>> take_apart("f(x)\\n\\nMap a `value`. Or many.\\n\\nSee Also\\n--------\\ng : Map back.")
    Prose(summary='Map a value.', body='Or many.')
    """
    if re.search(r"^\.\. deprecated::", docstring, re.MULTILINE):
        return None
    lines = [line for line in docstring.expandtabs().splitlines() if not _is_field(line)]
    if any(_FIELD.search(line) for line in lines):
        return None
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    while paragraphs and _SIGNATURE.fullmatch(paragraphs[0].strip()):
        paragraphs.pop(0)
    if not paragraphs:
        return None
    first, _, remainder = paragraphs[0].strip().partition("\n")
    if _SIGNATURE.fullmatch(first):
        paragraphs[0] = remainder
    head, *rest = _prose("\n\n".join(paragraphs).splitlines())
    summary, opening = _first_sentence(head)
    return Prose(summary, " ".join(filter(None, [opening, *rest]))) if summary else None


def _is_field(line: str) -> bool:
    return _FIELD.search(line) is not None and not _FIELD.sub("", line).strip(" .,\n")


def _prose(lines: list[str]) -> list[str]:
    """Return the paragraphs worth reading, markup removed; at least one, perhaps empty."""
    lines_left = [
        "" if _UNDERLINE.fullmatch(line) or _TABLE.fullmatch(line) else line
        for line in _without_blocks(_without_sections(lines))
    ]
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines_left).strip())
    return [_plain(paragraph) for paragraph in paragraphs]


def _without_sections(lines: list[str]) -> list[str]:
    """Drop whole sections, from a header to the next header."""
    lines_left: list[str] = []
    dropping = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        underlined = bool(line.strip()) and _UNDERLINE.fullmatch(following) is not None
        if underlined or (line[:1].strip() and line.rstrip().endswith(":") and " " not in line):
            dropping = line.strip().rstrip(":").lower() in DROPPED_SECTIONS
        elif _SECTION.fullmatch(line):
            dropping = True
        if not dropping:
            lines_left.append(line)
    return lines_left


def _without_blocks(lines: list[str]) -> list[str]:
    """Drop doctests, fenced code, literal blocks and directives that hold no prose."""
    lines_left: list[str] = []
    dropped_below: int | None = None
    fenced = doctest = False
    for line in lines:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text.startswith("```"):
            fenced = not fenced
            continue
        doctest = bool(text) and (doctest or text.startswith(">>>"))
        if dropped_below is not None and text and indent <= dropped_below:
            dropped_below = None
        if fenced or doctest or dropped_below is not None:
            continue
        directive = _DIRECTIVE.match(line)
        if directive and directive[2].lower() in READ_DIRECTIVES:
            lines_left.append(directive[1] + directive[3].strip())
        elif directive or text.startswith((".. ", "..\n")):
            dropped_below = indent
        else:
            lines_left.append(line)
            if text.endswith("::"):
                dropped_below = indent
    return lines_left


def _plain(paragraph: str) -> str:
    for pattern, replacement in _MARKUP:
        paragraph = pattern.sub(replacement, paragraph)
    return paragraph.strip()


def _first_sentence(paragraph: str) -> tuple[str, str]:
    for end in _SENTENCE_END.finditer(paragraph):
        sentence = paragraph[: end.end()]
        if not _ABBREVIATION.search(sentence):
            return sentence.strip(), paragraph[end.end() :].strip()
    return paragraph.strip(), ""
