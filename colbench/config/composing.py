"""What every use of Hydra here has in common: where it searches, how it quotes, what it raises."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OSError,
    RuntimeError,
    AssertionError,
)
"""What a configuration that cannot be composed ends in: Hydra checks little of what it is given,
and lets the errors of its parsers through."""


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its class where it has none.

    >>> reason(ValueError("a\\nb")), reason(KeyError())
    ('a', 'KeyError')
    """
    return next(iter(str(error).splitlines()), type(error).__name__)


def quoted(text: str) -> str:
    """Return a quoted string of Hydra's grammar that means `text`.

    >>> quoted("an author's, folder")
    "'an author\\\\'s, folder'"
    """
    return QuotedString(text, Quote.single).with_quotes()


def search_path(folders: Iterable[Path]) -> list[str]:
    """Return the word that makes Hydra search `folders` too, in this order; none for none."""
    places = ",".join(quoted(f"file://{folder.resolve()}") for folder in folders)
    return [f"hydra.searchpath=[{places}]"] if places else []
