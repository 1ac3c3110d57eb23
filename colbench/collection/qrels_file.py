"""Qrels as text: BEIR's three columns or TREC's four, with or without a header.

A line that begins with `#` is a comment, as it is to trec_eval; how many there are is noted. A
grade is a whole number, however it is written: 1, 1.0 and 1e0 are one grade.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from colbench.collection.raw import Judgment, Records, short
from colbench.collection.text_lines import BOM, TextLines
from colbench.errors import DataError

_GRADE_HEADERS = {"score", "relevance", "rel", "label", "grade"}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LARGEST = 999_999_999
"""Grade of nine digits. More are a time or an id in the wrong column, not a grade."""

_MARKS = {",": "comma", ";": "semicolon", "|": "bar"}
"""What others separate columns by."""


def read_qrels(lines: TextLines) -> Records[Judgment]:
    """Return the judgments of a file, read as they are consumed.

    Raises:
        DataError: while they are consumed, a line cannot be used.
        StorageError: while they are consumed, the file cannot be read.
    """
    comments = _Comments()
    return Records(_judgments(lines, comments), lines.where, lambda: comments.notes(lines.path))


class _Comments:
    """Lines that were skipped."""

    def __init__(self) -> None:
        self._count = 0
        self._judgments: list[str] = []

    def add(self, line: str) -> None:
        self._count += 1
        fields = line.split()
        if len(fields) in (3, 4) and len(fields[0]) > 1 and _NUMBER.fullmatch(fields[-1]):
            self._judgments.append(" ".join(fields))

    def notes(self, path: Path) -> list[str]:
        if not self._count:
            return []
        begin = "line of {} begins with # and is a comment"
        if self._count > 1:
            begin = "lines of {} begin with # and are comments"
        note = f"{self._count} {begin.format(path.name)}, as trec_eval reads it"
        if self._judgments:
            note += (
                f"; {len(self._judgments)} of them could be judgments, for example "
                f"{short(self._judgments[0])}: the id of a judged query cannot begin with #"
            )
        return [note]


def _judgments(lines: TextLines, comments: _Comments) -> Iterator[Judgment]:
    columns = 0
    first = True
    for line in lines:
        fields = line.split()
        if not fields:
            continue
        if fields[0].startswith("#"):
            comments.add(line)
            continue
        is_header = first and fields[-1].lower() in _GRADE_HEADERS
        if first:
            _check_separators(line, fields, lines)
        first = False
        if is_header:
            continue
        columns = columns or len(fields)
        if len(fields) not in (3, 4) or len(fields) != columns:
            _refuse_other_separator(line, lines)
            if "\r" in line:
                raise DataError(
                    f"{lines.where()}: lines end in a carriage return alone, as those of old Macs: "
                    "convert the line ends to line feeds"
                )
            wanted = columns if columns in (3, 4) else "3 (BEIR) or 4 (TREC)"
            raise DataError(
                f"{lines.where()}: {len(fields)} columns, expected {wanted}: query id, "
                "(iteration,) document id, grade; ids must not contain whitespace"
            )
        _check_separators(line, fields, lines)
        grade = _grade(fields[-1], line, lines)
        if fields[0].startswith(BOM):
            raise DataError(
                f"{lines.where()}: the query id {short(fields[0])} begins with a byte order mark, "
                "as where files were put together; remove it"
            )
        yield Judgment(fields[0], fields[-2], grade)


def _check_separators(line: str, fields: Sequence[str], lines: TextLines) -> None:
    """Refuse columns that are separated by something beside the space between them."""
    before = fields[:-1]
    if before and before[0][-1] in _MARKS and all(f.endswith(before[0][-1]) for f in before):
        _refuse_other_separator(line, lines)


def _refuse_other_separator(line: str, lines: TextLines) -> None:
    for mark, name in _MARKS.items():
        parts = line.split(mark)
        if len(parts) in (3, 4) and all(part.strip() for part in parts):
            raise DataError(
                f"{lines.where()}: looks {name}-separated; BEIR's qrels are tab-separated, TREC's "
                f"by spaces: write a tab in place of each {name}"
            )


def _grade(text: str, line: str, lines: TextLines) -> int:
    """Return a grade.

    Raises:
        DataError: it is no whole number, or too large to be a grade.
    """
    if not _NUMBER.fullmatch(text):
        _refuse_other_separator(line, lines)
        raise DataError(f"{lines.where()}: the grade {short(text)} is not an integer")
    grade = Decimal(text)
    if abs(grade) > _LARGEST:
        raise DataError(
            f"{lines.where()}: the grade {short(text)} has more than 9 digits; the last column "
            "must be the grade, and not a time or an id"
        )
    if grade != grade.to_integral_value():
        raise DataError(
            f"{lines.where()}: the grade {short(text)} is not an integer; round the grades, or "
            "multiply all by one number"
        )
    return int(grade)
