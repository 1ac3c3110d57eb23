"""Progress bars on standard error, and one switch that silences them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from colbench.printing import printable

QUIET_VARIABLE = "COLBENCH_QUIET"
"""Set to "1" by `--quiet`; an environment variable so that worker processes see it too."""


def is_quiet() -> bool:
    """Return whether progress output is switched off."""
    return os.environ.get(QUIET_VARIABLE) == "1"


class _Quieted:
    """How many threads have switched progress output off, and what the variable was before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.before: str | None = None


_QUIETED = _Quieted()


@contextmanager
def quieted(on: bool = True) -> Iterator[None]:
    """Switch progress output off inside, and back to what it was; nothing where `on` is False.

    Several threads may do so at once: the last one to leave switches it back.
    """
    if not on:
        yield
        return
    with _QUIETED.lock:
        if not _QUIETED.count:
            _QUIETED.before = os.environ.get(QUIET_VARIABLE)
            os.environ[QUIET_VARIABLE] = "1"
        _QUIETED.count += 1
    try:
        yield
    finally:
        with _QUIETED.lock:
            _QUIETED.count -= 1
            if not _QUIETED.count and _QUIETED.before is None:
                os.environ.pop(QUIET_VARIABLE, None)
            elif not _QUIETED.count and _QUIETED.before is not None:
                os.environ[QUIET_VARIABLE] = _QUIETED.before


def bar(
    iterable: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    description: str = "",
    unit: str = "it",
    leave: bool = True,
) -> tqdm[Any]:
    """Return a tqdm bar on standard error, which stays there at its end unless `leave` is False.

    Where standard error is not a terminal (a CI log) the bar refreshes every 20 seconds only.
    """
    return tqdm(
        iterable,
        total=total,
        desc=printable(description),
        unit=unit,
        file=sys.stderr,
        disable=is_quiet(),
        mininterval=0.2 if sys.stderr.isatty() else 20.0,
        dynamic_ncols=True,
        leave=leave,
    )


def note(message: str) -> None:
    """Print one line about what is going on to standard error, unless quiet."""
    if not is_quiet():
        tqdm.write(printable(message), file=sys.stderr)
