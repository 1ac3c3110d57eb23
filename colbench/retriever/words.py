"""Words of a text in any script, and bigrams where a script is written without spaces.

A word is a run of letters, digits and `_`, with the marks that stand on them and with joiners
inside it: what `\\w+` of Python's `re` finds, except that this one cuts at combining marks. Runs of
Han, Kana and Hangul become overlapping pairs of characters, as Lucene's CJKAnalyzer makes them (a
lone one stays), for Korean nouns carry particles and the others have no spaces; likewise runs of
Thai, Lao, Khmer and Burmese, by grapheme clusters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Literal

import regex

Unspaced = Literal["bigrams", "characters_too", "whole"]
"""What becomes of scripts without spaces."""

WORD = r"\w+"
"""The pattern that stands for words as above; any other is taken literally."""

_FIRST = r"[\p{L}\p{N}_]"
_NEXT = r"[\p{L}\p{N}\p{M}_]"
_all_words = regex.compile(rf"{_FIRST}{_NEXT}*+(?:[\u200c\u200d]{_NEXT}++)*+").findall
_ascii_words = re.compile(r"\w+", re.ASCII).findall

# U+30FC and U+FF70 lengthen a vowel in Katakana, and belong to no script.
_CJK = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\u30fc\uff70]&&[\p{L}\p{N}]]"
_NO_SPACES = r"[\p{Line_Break=SA}&&\p{L}]"
_unspaced = regex.compile(rf"{_CJK}|{_NO_SPACES}", regex.V1).search
_runs = regex.compile(
    rf"(?P<cjk>(?:{_CJK}\p{{M}}*+)++)"
    rf"|(?P<clusters>{_NO_SPACES}[\p{{Line_Break=SA}}\p{{M}}]*+)"
    rf"|(?:(?!{_CJK}|{_NO_SPACES}).)++",
    regex.V1 | regex.DOTALL,
).finditer
_characters = regex.compile(r"\P{M}\p{M}*+").findall
_clusters = regex.compile(r"\X").findall

# Soft hyphens, variation selectors, marks of direction, circles around a digit: no part of a word.
_unseen = regex.compile(
    r"[[\p{Default_Ignorable_Code_Point}\u20dd-\u20e4]--[\u200b-\u200d]]", regex.V1
)
_wide = regex.compile(r"[\uff01-\uff5e\uff65-\uff9f]+")


def _words(text: str) -> list[str]:
    found: list[str] = _ascii_words(text) if text.isascii() else _all_words(text)  # half the time
    return found


def finder(pattern: str) -> Callable[[str], list[str]]:
    """Return what finds all words of a text.

    Args:
        pattern: `WORD`, or a regular expression of the `regex` module with one group at most.

    Raises:
        regex.error: the pattern is none.
    """
    found: Callable[[str], list[str]] = regex.compile(pattern).findall
    return _words if pattern == WORD else found


def normalised(text: str, form: Literal["nfc", "nfkc", "none"]) -> str:
    """Return a text in a Unicode form; as it is for `none`.

    Full-width letters and half-width Kana are those of usual width under `nfc`, too, as Lucene's
    CJKWidthFilter has it.
    """
    if form == "none" or text.isascii():
        return text
    text = unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)
    text = _unseen.sub("", text)
    usual: str = _wide.sub(lambda wide: unicodedata.normalize("NFKC", wide[0]), text)
    return usual


def segmented(words: Iterable[str], unspaced: Unspaced = "bigrams") -> list[str]:
    """Replace the parts of words that are of scripts without spaces.

    Args:
        words: any words.
        unspaced: by their `bigrams`; by these and each character, `characters_too`; `whole` leaves
            them as they are.

    >>> segmented(["東京都", "mp3", "iphone手机", "ไทย", "猫"])
    ['東京', '京都', 'mp3', 'iphone', '手机', 'ไท', 'ทย', '猫']
    >>> segmented(["東京"], "characters_too")
    ['東', '京', '東京']
    """
    if unspaced == "whole":
        return list(words)
    characters = unspaced == "characters_too"
    return [
        part
        for word in words
        for part in ((word,) if word.isascii() else _parts(word, characters=characters))
    ]


def _parts(word: str, *, characters: bool) -> Iterator[str]:
    if _unspaced(word) is None:
        yield word
        return
    for run in _runs(word):
        if run.lastgroup is None:
            yield run[0]
            continue
        units = _characters(run[0]) if run.lastgroup == "cjk" else _clusters(run[0])
        if characters or len(units) == 1:
            yield from units
        yield from map("".join, pairwise(units))


def lone(term: str) -> bool:
    """Return whether a term is one character of a script without spaces."""
    return _unspaced(term) is not None and len(_clusters(term)) == 1


def letters_by_script(text: str, scripts: Iterable[str]) -> dict[str, int]:
    """Return script → letters of it in a text."""
    return {
        name: len(regex.findall(rf"[\p{{{name}}}&&\p{{L}}]", text, regex.V1)) for name in scripts
    }


def spaced_letters(text: str) -> int:
    """Return how many letters of a text are of scripts with spaces between words."""
    return len(regex.findall(rf"(?!{_CJK}|{_NO_SPACES})\p{{L}}", text, regex.V1))
