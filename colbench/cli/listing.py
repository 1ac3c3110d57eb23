"""`colbench list`: what can be chosen."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from colbench.console import open_console
from colbench.features import features
from colbench.printing import printable

_Row = tuple[str, str]


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "list",
        help="show what can be chosen: systems, datasets, encoders, measures, …",
    )
    parser.add_argument("what", choices=sorted(_lists()), help="what to list")
    parser.add_argument(
        "--config-dir", action="append", default=[], type=Path, metavar="DIR", help="also look here"
    )
    parser.set_defaults(action=show)


def show(options: argparse.Namespace) -> int:
    """Print names and one line about each."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, about in _lists()[options.what](options.config_dir):
        table.add_row(printable(name), printable(about))
    open_console(160, markup=False).print(table)
    return 0


def _configured(group: str, *keys: str) -> Callable[[Sequence[Path]], Iterator[_Row]]:
    """List a configuration group by the first of `keys` that a file sets, else its comment."""

    def rows(extra: Sequence[Path]) -> Iterator[_Row]:
        from colbench.config.folder import options, read_yaml

        for name, path in options(group, extra).items():
            values = read_yaml(path)
            text = path.read_text(encoding="utf-8")
            about = next((str(values[key]) for key in keys if values.get(key)), "")
            yield name, about or _comment(text)

    return rows


def _comment(text: str) -> str:
    """Return the first sentence of a file's comments, past Hydra's package header."""
    comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    said = " ".join(line for line in comments if not line.startswith("@package"))
    return said.partition(". ")[0].removesuffix(".")


def _measures(extra: Sequence[Path]) -> Iterator[_Row]:
    from colbench.measures.catalogue import METRICS

    suffix = {"k": "@K", "k?": "[@K]", "persistence": ".95", "none": ""}
    for name, metric in METRICS.items():
        yield name + suffix[metric.parameter], metric.description


def _lists() -> dict[str, Callable[[Sequence[Path]], Iterator[_Row]]]:
    return {
        "systems": _configured("system", "about"),
        "datasets": _configured("dataset"),
        "encoders": _configured("encoder", "model"),
        "cross_encoders": _configured("cross_encoder", "model"),
        "experiments": _configured("experiment"),
        "indexes": _configured("index"),
        "searches": _configured("search", "name"),
        "measures": _measures,
        **{
            feature.listed_as: _configured(feature.name)
            for feature in features()
            if feature.listed_as is not None
        },
    }
