"""Text files read line by line, with the line number at hand for an error message."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from colbench.errors import DataError, StorageError

BOM = "\ufeff"
"""A byte order mark; Unicode calls it a zero width no-break space."""


class TextLines:
    """The lines of a UTF-8 file, plain or (where the name ends in `.gz`) compressed.

    Lines end at `\\n` or `\\r\\n` only, so U+2028 inside a JSON string is no line break; a byte
    order mark is skipped. Reading streams: one line is in memory at a time.

    Raises:
        DataError: while iterating, a line is not UTF-8 or the compressed file is cut off.
        StorageError: while iterating, the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0

    def where(self) -> str:
        """Return `file:line` of the line read last; the file alone before and after reading."""
        return f"{self.path}:{self.number}" if self.number else str(self.path)

    def __iter__(self) -> Iterator[str]:
        opened = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opened(self.path, "rb") as stream:
                for number, line in enumerate(stream, start=1):
                    self.number = number
                    text = self._decode(line)
                    yield text.removeprefix(BOM) if number == 1 else text
            self.number = 0
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.path}: damaged after line {self.number} ({error}); fetch the file again"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _decode(self, line: bytes) -> str:
        try:
            return line.rstrip(b"\r\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.where()}: byte {error.start + 1} of the line (0x{line[error.start]:02x}) "
                "is not UTF-8; convert the file to UTF-8"
            ) from error
