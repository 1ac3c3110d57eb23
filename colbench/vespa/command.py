"""`colbench vespa export`: an application package and its feed, from an index."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from colbench.application.colbert import Colbert
from colbench.errors import ConfigError, PackagesUnavailable
from colbench.files import atomic_write, cannot_write, ensure_writable, write_json
from colbench.paths import refuse_foreign, remove_made
from colbench.progress import bar, note
from colbench.vespa.feed import NAMESPACE, lines
from colbench.vespa.package import (
    SCHEMA,
    VARIANTS,
    application_name,
    check_variants,
    field_names,
    make_package,
)

PACKAGE, FEED, ABOUT = "application", "feed.jsonl", "export.json"

_MADE = re.compile(r"application|feed\.jsonl|export\.json|\.[a-z.]+\..*\.tmp|\.package-.*")

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
        default=",".join(VARIANTS),
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
    export.set_defaults(action=export_index)


def export_index(options: argparse.Namespace) -> int:
    """Write package and feed.

    Raises:
        PackagesUnavailable: pyvespa is not installed.
        ConfigError: the index cannot be exported, or an option cannot be used.
        StorageError: the folder holds something else, or cannot be written.
    """
    if importlib.util.find_spec("vespa") is None:
        raise PackagesUnavailable("colbench vespa needs pyvespa: pip install 'colbench[vespa]'")
    if options.rerank_count < 1 or (options.limit is not None and options.limit < 1):
        raise ConfigError("--rerank-count and --limit are at least 1")
    version = options.index_version
    index = Colbert.open(
        options.index, version=int(version) if version and version.isdecimal() else version
    )
    manifest = index.state.manifest
    if index.state.trained.reduction.projection is not None:
        raise ConfigError(
            f"{options.index} has projected vectors (index.dims={manifest.dims}), and queries of "
            "Vespa would not be: build the index without dims"
        )
    variants = [one.strip() for one in options.variants.split(",") if one.strip()]
    check_variants(variants, manifest.dims)
    name = options.name or application_name(options.index.absolute())
    fields = index.opened.fields
    try:
        package = make_package(name, manifest.dims, fields, variants, options.rerank_count)
    except ValueError as error:  # pyvespa's check of the name
        raise ConfigError(f"--name {name!r}: {error}") from None
    target = options.to.expanduser()
    refuse_foreign(target, _MADE, remedy="choose another --to")
    ensure_writable(target)
    _write_package(package, target)
    documents, replaced = _write_feed(index, target / FEED, variants, options.limit)
    write_json(
        target / ABOUT,
        {
            "documents": documents,
            "version": index.version,
            "dims": manifest.dims,
            "variants": variants,
            "schema": SCHEMA,
            "namespace": NAMESPACE,
            "encoder": index.opened.about.encoder.name,
            "fields": {
                field: {"name": plain, "type": fields[field]}
                for field, plain in field_names(fields).items()
            },
            "texts_with_characters_replaced": replaced,
        },
    )
    if replaced:
        note(f"{replaced} texts have characters that Vespa refuses: a space stands for each")
    print(f"package: {target / PACKAGE}\nfeed: {target / FEED} ({documents} documents)")
    return 0


def _write_package(package: Any, target: Path) -> None:
    """Write the package beside its place, and move it there."""
    try:
        work = Path(tempfile.mkdtemp(prefix=".package-", dir=target))
        try:
            package.to_files(work)
            work.chmod(0o755)
            with contextlib.suppress(FileNotFoundError):
                remove_made(target / PACKAGE, inside=target)
            work.rename(target / PACKAGE)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise cannot_write(target / PACKAGE, error) from error


def _write_feed(
    index: Colbert, file: Path, variants: list[str], limit: int | None
) -> tuple[int, int]:
    """Write the feed, and return how many documents it has, and in how many texts were changed."""
    documents = replaced = 0
    total = len(index) if limit is None else min(limit, len(index))
    with (
        atomic_write(file) as stream,
        bar(total=total, description="exporting", unit="doc") as progress,
    ):
        for line, changed in lines(index, variants, limit):
            stream.write(f"{line}\n")
            documents, replaced = documents + 1, replaced + changed
            progress.update(1)
    return documents, replaced
