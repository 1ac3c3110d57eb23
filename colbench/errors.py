"""Errors a person can act on.

Every mistake a user can make ends in a `ColbenchError`: one line that says what is wrong, where,
and what to do. The command line prints that line and exits with `exit_code`; a traceback always
means a defect in colbench.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from colbench.printing import printable

_LONGEST, _HEAD, _TAIL = 4000, 3000, 800


class ColbenchError(Exception):
    """Base of every error that is reported to the user as one line.

    A message may quote what stands in a damaged file: line breaks and other characters that do not
    print are shown as escapes, and the middle of a very long message is left out.

    >>> print(ColbenchError("unknown key 'a\\nb'"))
    unknown key 'a\\nb'
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(_printable(message))


class ConfigError(ColbenchError):
    """A configuration key, value or name that cannot be used."""


class DataError(ColbenchError):
    """A collection whose content cannot be used; names the file and line where it can."""


class StorageError(ColbenchError):
    """A file or folder that cannot be read or written, or whose content is damaged."""


class StorageUnavailable(StorageError):
    """A file or folder that cannot be read now and may be whole: see `files.unavailable`.

    Too many files are open, memory is short, permissions lack, a disk fails. It says nothing of the
    content, so that nothing is removed or made anew for it.
    """


class WeightsUnavailable(ColbenchError):
    """Model weights that cannot be had here; the message says how to get them.

    A system that raises it is reported as `skipped` and the run goes on.
    """


class PackagesUnavailable(WeightsUnavailable):
    """Packages of an optional system that are not installed; the message says how to get them.

    Answered as missing weights are: the system is skipped.
    """


class ProgramError(ColbenchError):
    """A program from outside that did not do what it should.

    Attributes:
        log: the end of what it said on standard error.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def _printable(message: str) -> str:
    if len(message) > _LONGEST:
        message = f"{message[:_HEAD]} … {message[-_TAIL:]}"
    message = printable(message)
    if message.isprintable():
        return message
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in message
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the known spelling nearest to `name`, or lists what there is.

    >>> did_you_mean("bm52", ["bm25", "bi_encoder"])
    "did you mean 'bm25'?"
    >>> did_you_mean("zzz", ["b", "a"])
    'choose from: a, b'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"choose from: {', '.join(names)}"
