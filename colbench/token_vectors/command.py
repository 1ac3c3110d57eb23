"""`colbench vectors`: write a folder of token vectors, or check one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from colbench.console import add_folders, add_overrides, open_console, tell
from colbench.errors import ConfigError

_ABOUT = """\
Write token vectors as a folder that `colbench run dataset=vectors dataset.path=FOLDER` searches:
those that an encoder makes of a collection, or arrays that another program left as .npy files.

examples:
  colbench vectors write scifact_vectors dataset=beir/scifact encoder=minilm_colbert
  colbench vectors write mine dataset=pydocs encoder=custom encoder.model=model_folder
  colbench vectors write pages --from arrays

--from takes a folder with documents.values.npy (vectors, dims), documents.lengths.npy and
documents.ids.txt (an id a line), the same of queries, and, where there are any, documents.jsonl,
queries.jsonl and qrels/. In Python: colbench.vectors.write_vectors.
"""
_CHECK = "read a folder as `dataset=vectors` does, and say what is in it or what is wrong"


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    from colbench.collection.vectors.write import DType

    parser = commands.add_parser("vectors", help="write or check token vectors that are given")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    writing = verbs.add_parser(
        "write",
        help="write a folder, from an encoder and a collection or from arrays",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    writing.add_argument("folder", type=Path, metavar="FOLDER", help="to be made")
    add_overrides(writing)
    writing.add_argument(
        "--from", dest="arrays", type=Path, metavar="ARRAYS", help="folder of .npy files"
    )
    writing.add_argument(
        "--dtype", choices=get_args(DType), default="float16", help="of the documents' values"
    )
    writing.add_argument("--no-texts", action="store_true", help="leave the texts out")
    add_folders(writing, "encoders, datasets or experiments")
    writing.set_defaults(action=write)
    checking = verbs.add_parser("check", help=_CHECK, description=_CHECK)
    checking.add_argument("folder", type=Path, metavar="FOLDER")
    checking.set_defaults(action=check)


def write(options: argparse.Namespace) -> int:
    """Write a folder and say where it is."""
    from colbench.token_vectors.sources import write_arrays, write_encoded

    if options.arrays is not None:
        if options.overrides:
            raise ConfigError(
                f"--from takes arrays as they are: leave '{options.overrides[0]}' out"
            )
        made = write_arrays(options.arrays, options.folder, dtype=options.dtype)
    else:
        if not options.overrides:
            raise ConfigError("say whose vectors: dataset=… encoder=…, or --from ARRAYS")
        from colbench.config.compose import compose_run

        settings = compose_run(options.overrides, options.config_dir)
        if options.show_config:
            import sys

            import yaml

            yaml.safe_dump(settings.model_dump(mode="json"), sys.stdout, sort_keys=False)
            return 0
        made = write_encoded(
            settings, options.folder, dtype=options.dtype, texts=not options.no_texts
        )
    tell(open_console(), "vectors", made)
    return 0


def check(options: argparse.Namespace) -> int:
    """Check a folder and say what is in it."""
    from colbench.collection.load import load_collection
    from colbench.collection.settings import VectorsSettings
    from colbench.printing import printable

    collection = load_collection(VectorsSettings(path=options.folder))
    assert collection.given is not None
    print(printable(collection.name))
    for what, vectors in (
        ("documents", collection.given.documents),
        ("queries", collection.given.queries),
    ):
        print(
            f"{what}: {len(vectors.lengths):,}, {int(vectors.lengths.sum()):,} vectors of "
            f"{vectors.dims} dimensions, {vectors.precision}"
        )
    for text in collection.notes:
        print(f"- {printable(text)}")
    return 0
