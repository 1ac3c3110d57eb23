"""Where a subcommand's text goes: standard output, or the file of `--output`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from colbench.files import atomic_write

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 200
"""Columns of what no terminal shows."""


def add_wide(parser: argparse.ArgumentParser) -> None:
    """Add the option that prints tables whole."""
    parser.add_argument(
        "--wide",
        action="store_true",
        help="print each table whole, however narrow the terminal; default: the columns that "
        "matter first, the others below",
    )


def put(text: str, output: Path | None) -> None:
    """Print text, or write it to `output` and say so.

    Raises:
        StorageError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    with atomic_write(output) as stream:
        stream.write(text)
    print(f"written: {output}", file=sys.stderr)


def draw(drawing: Callable[[Console], None], output: Path | None) -> None:
    """Draw on the terminal, or without colours into `output`."""
    from rich.console import Console

    if output is None:
        drawing(Console(width=None if sys.stdout.isatty() else _WIDTH))
        return
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    drawing(console)
    put(console.file.getvalue(), output)  # type: ignore[attr-defined]
