"""What subcommands have in common: options with a configuration, and where their text goes."""

from __future__ import annotations

import io
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from colbench.files import atomic_write
from colbench.printing import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 200
"""Columns of what no terminal shows, unless the environment variable COLUMNS says how many."""


def take_any_text() -> None:
    """Let standard output replace characters that its encoding lacks, such as those of a table.

    Standard error writes them as escapes, as Python has it.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def add_overrides(parser: ArgumentParser) -> None:
    """Add the overrides of a configuration, and `--show-config`."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration (Hydra)")
    parser.add_argument("--show-config", action="store_true", help="print the configuration, stop")


def add_folders(parser: ArgumentParser, holds: str) -> None:
    """Add `--config-dir` and `--quiet`.

    Args:
        parser: of the subcommand.
        holds: what a folder of one's own is for.
    """
    parser.add_argument("--quiet", action="store_true", help="no progress output (for CI)")
    parser.add_argument(
        "--config-dir",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help=f"a folder like conf/ with {holds} of your own",
    )


def add_wide(parser: ArgumentParser) -> None:
    """Add the option that prints tables whole."""
    parser.add_argument(
        "--wide",
        action="store_true",
        help="print each table whole, however narrow the terminal; default: the columns that "
        "matter first, the others below",
    )


def open_console(width: int | None = None, *, markup: bool = True) -> Console:
    """Return a console on standard output.

    Args:
        width: columns where that is no terminal and COLUMNS does not say; default: `WIDTH`.
        markup: whether brackets in texts set a style.
    """
    from rich.console import Console

    told = columns() or (None if sys.stdout.isatty() else width or WIDTH)
    return Console(width=told, markup=markup, emoji=False)


def columns() -> int | None:
    """Return what the environment variable COLUMNS says; None where that is no width."""
    told = os.environ.get("COLUMNS", "").strip()
    return int(told) or None if told.isascii() and told.isdigit() else None


def tell(console: Console, what: str, where: object) -> None:
    """Print where something was written, on one line: the path may hold what moves a cursor."""
    console.print(printable(f"{what + ':':<8} {where}"), soft_wrap=True, markup=False, emoji=False)


def put(text: str, output: Path | None) -> None:
    """Print text, or write it to `output` and say so.

    Raises:
        StorageError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(printable_lines(text) if sys.stdout.isatty() else text)
        return
    with atomic_write(output) as stream:
        stream.write(text)
    print(printable(f"written: {output}"), file=sys.stderr)


def draw(drawing: Callable[[Console], None], output: Path | None) -> None:
    """Draw on the terminal, or without colours into `output`."""
    from rich.console import Console

    if output is None:
        drawing(open_console())
        return
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    drawing(console)
    put(console.file.getvalue(), output)  # type: ignore[attr-defined]
