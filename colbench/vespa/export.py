"""From an index to an application package and its feed."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colbench.application.colbert import Colbert
from colbench.errors import ConfigError, PackagesUnavailable, StorageError
from colbench.files import atomic_write, cannot_write, ensure_writable, write_json
from colbench.locks import exclusive
from colbench.paths import refuse_foreign, remove_made
from colbench.progress import bar, note
from colbench.vespa.feed import NAMESPACE, lines
from colbench.vespa.package import (
    SCHEMA,
    application_name,
    check_variants,
    field_names,
    make_package,
)

PACKAGE, FEED, ABOUT = "application", "feed.jsonl", "export.json"

_MADE = re.compile(r"application|feed\.jsonl|export\.json|\.lock|\.export-.*")
_MADE_BY = "colbench vespa export"


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
    named = options.index_version
    version = int(named) if named and named.isdecimal() else named
    index = Colbert.open(options.index, version=version)
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
    about = {
        "made_by": _MADE_BY,
        "documents": len(index) if options.limit is None else min(options.limit, len(index)),
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
    }
    _refuse_others(target)
    ensure_writable(target)
    with exclusive(target / ".lock", taken=f"another export is written to {target}"):
        replaced = _write(index, package, about, target)
    if replaced:
        note(f"{replaced} documents have characters that Vespa refuses: a space stands for each")
    print(f"package: {target / PACKAGE}\nfeed: {target / FEED} ({about['documents']} documents)")
    return 0


def _refuse_others(target: Path) -> None:
    """Refuse a folder that holds anything but an export, finished or not.

    Raises:
        StorageError: naming it.
    """
    remedy = "choose another --to"
    refuse_foreign(target, _MADE, remedy=remedy)
    held = [name for name in (PACKAGE, FEED, ABOUT) if (target / name).exists()]
    # Killed while it took its place, an export has its description where it was written.
    if held and not any(map(_is_ours, [target / ABOUT, *target.glob(f".export-*/{ABOUT}")])):
        raise StorageError(
            f"{target} holds {held[0]!r}, and no {ABOUT} says that colbench made it: move it "
            f"elsewhere or {remedy}"
        )


def _is_ours(file: Path) -> bool:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(about, dict) and about.get("made_by") == _MADE_BY


def _write(index: Colbert, package: Any, about: Mapping[str, Any], target: Path) -> int:
    """Write an export aside, then put it in the place of the last one, its description last.

    Returns:
        In how many documents characters had to be replaced.
    """
    try:
        work = Path(tempfile.mkdtemp(prefix=".export-", dir=target))
        try:
            (work / PACKAGE).mkdir()
            package.to_files(work / PACKAGE)
            replaced = _write_feed(index, about, work / FEED)
            write_json(work / ABOUT, {**about, "documents_with_characters_replaced": replaced})
            for name in (ABOUT, FEED, PACKAGE):
                with contextlib.suppress(FileNotFoundError):
                    remove_made(target / name, inside=target)
            for name in (PACKAGE, FEED, ABOUT):
                (work / name).rename(target / name)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for left in target.glob(".export-*"):
            remove_made(left, inside=target)
    except OSError as error:
        raise cannot_write(target, error) from error
    return replaced


def _write_feed(index: Colbert, about: Mapping[str, Any], file: Path) -> int:
    """Write the feed, and return in how many documents characters had to be replaced."""
    replaced = 0
    with (
        atomic_write(file) as stream,
        bar(total=about["documents"], description="exporting", unit="doc") as progress,
    ):
        for line, changed in lines(index, about["variants"], about["documents"]):
            stream.write(f"{line}\n")
            replaced += changed
            progress.update(1)
    return replaced
