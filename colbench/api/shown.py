"""How what the functions return shows itself: as text, and as HTML in a notebook."""

from __future__ import annotations

import functools
import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from colbench.console import columns
from colbench.errors import PackagesUnavailable
from colbench.report.table import Block, Document

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

_WIDTH = 120
"""Columns of the text, unless the environment variable COLUMNS says how many."""


class Shown(ABC):
    """Something with a report, of which text and HTML show the short account."""

    @abstractmethod
    def document(self) -> Document:
        """Return the report."""

    def __repr__(self) -> str:
        """Return the short account of the report as text."""
        from rich.console import Console

        from colbench.report.terminal import print_document

        width = columns() or _WIDTH
        console = Console(file=io.StringIO(), width=width, color_system=None, emoji=False)
        print_document(self.document(), console, brief=True)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    def _repr_html_(self) -> str:
        """Return the same as HTML with pictures, as Jupyter asks for it."""
        return self._html

    @functools.cached_property
    def _html(self) -> str:
        from colbench.report.html.fragment import render_fragment, shown_in_brief

        blocks: list[Block] = list(self.document().blocks())
        return render_fragment(shown_in_brief(blocks))


def frame(rows: list[dict[str, Any]], index: list[str]) -> pandas.DataFrame:
    """Return rows as a data frame.

    Raises:
        PackagesUnavailable: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise PackagesUnavailable("to_frame needs pandas: pip install pandas") from None
    made = pandas.DataFrame(rows)
    return made.set_index(index) if len(made) else made
