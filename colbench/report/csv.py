"""A table as CSV, for other programs: a column for each value, unrounded."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.report.table import Table, plain


def csv_text(table: Table) -> str:
    """Return a table as CSV (RFC 4180, but lines end in LF), columns headed by their sources.

    Truth values are `true` and `false`; lists and mappings are JSON. An empty cell is null. A text
    that a spreadsheet would take for a formula has an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_cell(column.source or column.title) for column in table.columns])
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
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    value = plain(value) if isinstance(value, tuple) else value
    return _neutral(value) if isinstance(value, str) else value


_SIGNS = r"[\s\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"{_SIGNS}|[\t\r\n]")
"""Beginnings that spreadsheets take for a formula (OWASP, "CSV Injection"), full-width ones too."""
_INNER = re.compile(rf"([;\t\n])(?={_SIGNS})")
"""Where a cell begins for a spreadsheet to which commas and quotes say nothing."""


def _neutral(text: str) -> str:
    """Return text as a spreadsheet shows it; what is a number stays one.

    >>> _neutral("=1+1"), _neutral("-0.5"), _neutral("bm25"), _neutral("a;=1+1")
    ("'=1+1", '-0.5', 'bm25', "a;'=1+1")
    """
    # A carriage return by itself is not put into quotes, and begins a row for some readers.
    line = text.replace("\r\n", "\n").replace("\r", "\n")
    begins = _FORMULA.match(line) is not None
    try:
        float(line)
    except ValueError:
        text = line.lstrip()
        line = line[: len(line) - len(text)] + _INNER.sub(r"\1'", text)
        return f"'{line}" if begins else line
    return line
