"""A comparison as GitHub-flavoured Markdown, for a pull request."""

from __future__ import annotations

import re

from colbench.compare.record import Comparison, Side
from colbench.compare.sections import sections
from colbench.compare.tables import ComparisonTable, Section
from colbench.report.gfm import code, table, text
from colbench.report.table import caption

_SIGNED = re.compile(r"[-+][0-9.]+( to [-+]?[0-9.]+)?")


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    parts = [
        f"# {code(comparison.a.path)} → {code(comparison.b.path)}",
        text(caption(comparison)),
        "\n".join([_side("A", comparison.a), _side("B", comparison.b), *_bullets(comparison)]),
        *map(_section, sections(comparison)),
    ]
    return "\n\n".join(parts) + "\n"


def _side(name: str, side: Side) -> str:
    return f"- {name}: {text(side.experiment)}, {text(side.created)}, {code(side.command)}"


def _bullets(comparison: Comparison) -> list[str]:
    return [f"- {text(note)}" for note in comparison.notes]


def _section(section: Section) -> str:
    parts = [
        f"## {section.heading}",
        "\n".join(f"- {text(note)}" for note in section.notes),
        *map(render_table, section.tables),
        text(section.legend),
    ]
    return "\n\n".join(filter(None, parts))


def _cell(value: str) -> str:
    """Return text; the sign of a number opens no list and is left as it is."""
    return value if _SIGNED.fullmatch(value) else text(value)


def render_table(found: ComparisonTable) -> str:
    """Return a table below its name; every row is one line."""
    lines = [
        [*map(code, line[: found.code]), *map(_cell, line[found.code :])] for line in found.lines
    ]
    shown = table([*map(text, found.titles)], lines, left=found.left)
    return f"### {text(found.name)}\n\n{shown}" if found.name else shown
