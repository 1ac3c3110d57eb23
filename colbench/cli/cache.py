"""`colbench cache`: what the embedding cache holds, and removing it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from colbench.console import open_console

_DIR = "cache folder; default: the user's cache"


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("cache", help="list or prune cached document vectors")
    parser.add_argument("--dir", type=Path, help=_DIR)
    folder = argparse.ArgumentParser(add_help=False)
    # Suppressed, or its default would undo a --dir given before the verb.
    folder.add_argument("--dir", type=Path, help=_DIR, default=argparse.SUPPRESS)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", parents=[folder], help="one line per encoder")
    listing.set_defaults(action=show)
    prune = verbs.add_parser("prune", parents=[folder], help="remove cached vectors")
    which = prune.add_mutually_exclusive_group(required=True)
    which.add_argument("--older-than", type=float, metavar="DAYS", help="not used for DAYS days")
    which.add_argument("--fingerprint", help="of one encoder, as the list shows it")
    which.add_argument("--all", action="store_true", help="everything")
    prune.set_defaults(action=remove)


def _open(options: argparse.Namespace) -> Any:
    from colbench.encoder.cache.store import EmbeddingCache, default_root

    return EmbeddingCache(options.dir or default_root())


def show(options: argparse.Namespace) -> int:
    """Print what is cached."""
    from colbench.report.formats import count, size
    from colbench.report.table import Document, Table, names, numbers, texts
    from colbench.report.terminal import print_document

    cache = _open(options)
    columns = [
        *names("fingerprint"),
        *texts("model", "form", "precision"),
        *numbers(count, "documents", "vectors"),
        *numbers(size, "size", priority=1),
        *texts("used", priority=2),
    ]
    rows = [
        [
            *(entry.fingerprint[:12], entry.model, entry.form, entry.precision),
            *(entry.documents, entry.vectors, entry.bytes, f"{entry.last_used:%Y-%m-%d}"),
        ]
        for entry in cache.entries()
    ]
    console = open_console(160, markup=False)
    print_document(Document(str(cache.root), [Table("Cached vectors", columns, rows)]), console)
    return 0


def remove(options: argparse.Namespace) -> int:
    """Remove what was asked for and say how much it freed."""
    from colbench.report.formats import size

    freed = _open(options).prune(
        older_than_days=options.older_than,
        fingerprint=options.fingerprint,
        everything=options.all,
    )
    print(f"freed {size(freed)}")
    return 0
