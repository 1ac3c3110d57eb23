"""Progress bars on standard error, and one switch that silences them."""

from __future__ import annotations

import os
import sys
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


@contextmanager
def quieted(on: bool = True) -> Iterator[None]:
    """Switch progress output off inside, and back to what it was; nothing where `on` is False."""
    before = os.environ.get(QUIET_VARIABLE)
    if on:
        os.environ[QUIET_VARIABLE] = "1"
    try:
        yield
    finally:
        if on and before is None:
            os.environ.pop(QUIET_VARIABLE, None)
        elif on and before is not None:
            os.environ[QUIET_VARIABLE] = before


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
