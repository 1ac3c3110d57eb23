"""The options that every subcommand with a configuration has."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


def add_words(parser: ArgumentParser) -> None:
    """Add the words of a configuration, and `--show-config`."""
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
