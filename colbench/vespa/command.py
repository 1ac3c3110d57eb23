"""`colbench vespa export`: an application package and its feed, from an index."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_ABOUT = """\
Write an index that Colbert has made as a Vespa application: the package to deploy and the documents
to feed, with the token vectors as tensors and MaxSim as the second phase of ranking.

examples:
  colbench vespa export my_index --to my_vespa
  colbench vespa export my_index --to my_vespa --variants bits
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "vespa",
        help="write an application's index as a Vespa application",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="vespa", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write the application package and the feed")
    export.add_argument("index", type=Path, help="folder of the index")
    export.add_argument("--to", type=Path, required=True, help="folder for package and feed")
    export.add_argument(
        "--variants",
        default="float,bits",
        help="of the token vectors: float, bits, or both (%(default)s)",
    )
    export.add_argument("--index-version", help="number or name of the version to export")
    export.add_argument("--name", help="of the Vespa application; default: that of the folder")
    export.add_argument(
        "--rerank-count",
        type=int,
        default=100,
        metavar="N",
        help="documents that MaxSim scores in the second phase (%(default)s)",
    )
    export.add_argument("--limit", type=int, metavar="N", help="documents at most, to try it")
    export.set_defaults(action=_export)


def _export(options: argparse.Namespace) -> int:
    from colbench.vespa.export import export_index  # here, for the help loads no torch

    return export_index(options)
