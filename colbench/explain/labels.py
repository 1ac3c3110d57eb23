r"""Tokens as a person reads them.

Tokenizers mark word boundaries in three ways: WordPiece marks the continuation of a word (`##min`),
byte-level BPE the space before a word (`Ġvitamin`, with other bytes than ASCII spelt as letters),
SentencePiece too (`▁vitamin`). All are shown as WordPiece shows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPECIAL = re.compile(r"\[.*\] ?|<.*>|<\|.*\|>", re.DOTALL)
_SPACE = "␣"
_BYTE_SPACE, _PIECE_SPACE, _CONTINUED = "Ġ", "▁", "##"


@dataclass(frozen=True)
class Label:
    """One token.

    Attributes:
        shown: the token by itself, a continuation with `##` before it.
        text: its characters.
        joined: whether it follows the token before without a space.
    """

    shown: str
    text: str
    joined: bool


def printable(text: str) -> str:
    r"""Return a text on one line that can do nothing to a terminal.

    >>> printable("a\nb \x1b[31m é")
    'a\\nb \\x1b[31m é'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def labels(tokens: Sequence[str]) -> list[Label]:
    """Return a label of each token of a text.

    >>> [label.shown for label in labels(["[CLS]", "vita", "##min", "d"])]
    ['[CLS]', 'vita', '##min', 'd']
    >>> [label.shown for label in labels(["[CLS]", "V", "itamin", "ĠD", ",", "ĠcafÃ©"])]
    ['[CLS]', 'V', '##itamin', 'D', ',', 'café']
    """
    if any(token.startswith(_BYTE_SPACE) for token in tokens):
        texts = [token if _is_special(token) else _from_bytes(token) for token in tokens]
    elif any(token.startswith(_PIECE_SPACE) for token in tokens):
        texts = [token.replace(_PIECE_SPACE, " ") for token in tokens]
    else:
        return [_word_piece(token) for token in tokens]
    made: list[Label] = []
    after_special = True
    for token, text in zip(tokens, texts, strict=True):
        special = _is_special(token)
        joined = not (special or after_special or text.startswith(" "))
        bare = printable(text.strip(" ") or _SPACE)
        continued = joined and bare[:1].isalnum()
        made.append(Label(_CONTINUED + bare if continued else bare, bare, joined))
        after_special = special
    return made


def context(shown: Sequence[Label], position: int, radius: int) -> tuple[str, str, str]:
    """Return a token with what stands around it: (text before, its own text, text after).

    Args:
        shown: of all tokens of the text.
        position: of the token.
        radius: tokens taken from either side.

    >>> context(labels(["low", "vita", "##min", "d", "level"]), 2, 1)
    ('vita', 'min', ' d')
    """
    first, last = max(position - radius, 0), min(position + radius, len(shown) - 1)
    before = _join(shown[first:position])
    if before and not shown[position].joined:
        before += " "
    after = _join(shown[position + 1 : last + 1])
    if after and not shown[position + 1].joined:
        after = " " + after
    return before, shown[position].text, after


def whole_word(shown: Sequence[Label], position: int) -> str:
    """Return the word that a token is a piece of.

    >>> whole_word(labels(["low", "vita", "##min", "d"]), 2)
    'vitamin'
    """
    first = last = position
    while first > 0 and shown[first].shown.startswith(_CONTINUED):
        first -= 1
    while last + 1 < len(shown) and shown[last + 1].shown.startswith(_CONTINUED):
        last += 1
    return "".join(label.text for label in shown[first : last + 1])


def _join(shown: Sequence[Label]) -> str:
    words = [label.text if label.joined else " " + label.text for label in shown]
    return "".join(words).removeprefix(" ")


def _word_piece(token: str) -> Label:
    text = printable(token.removeprefix(_CONTINUED))
    joined = token.startswith(_CONTINUED) and token != _CONTINUED
    return Label(_CONTINUED + text, text, True) if joined else Label(printable(token), text, False)


def _is_special(token: str) -> bool:
    return _SPECIAL.fullmatch(token) is not None


def _byte_of_letter() -> dict[str, int]:
    """Return the table that byte-level BPE spells bytes with (Radford et al. 2019, GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + number): byte for number, byte in enumerate(others)}


_BYTES = _byte_of_letter()


def _from_bytes(token: str) -> str:
    if any(letter not in _BYTES for letter in token):
        return token
    return bytes(_BYTES[letter] for letter in token).decode("utf-8", errors="replace")
