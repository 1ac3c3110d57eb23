"""A table as CSV, for other programs: a column for each value, unrounded."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.report.table import Table, plain


def csv_text(table: Table) -> str:
    """Return a table as CSV (RFC 4180, but lines end in LF), columns headed by their sources.

    Truth values are `true` and `false`; lists and mappings are JSON. An empty cell is null.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.source or column.title for column in table.columns])
    writer.writerows([_cell(value) for value in record.values()] for record in table.records())
    return stream.getvalue()


def write_csv(table: Table, path: Path) -> None:
    """Write a table to a file.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(path) as stream:
        stream.write(csv_text(table))


def _cell(value: Any) -> Any:
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return plain(value) if isinstance(value, tuple) else value
