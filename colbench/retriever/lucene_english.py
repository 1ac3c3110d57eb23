"""The terms of Lucene's EnglishAnalyzer, which published figures of Anserini are made with.

Lucene takes words by Unicode's annex 29, drops possessives, lowers case letter by letter, drops 33
stop words, and stems with Porter's algorithm in the form that Porter himself gave it later
(https://tartarus.org/martin/PorterStemmer/, "points of difference from the published algorithm").
Snowball's `porter` is the published one, which this brings up to date.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import regex
import Stemmer

_LONGEST = 255
"""UTF-16 units of a word at most; what is beyond becomes a word of its own."""

_ATTACHED = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*+"


def _one_of(*classes: str) -> str:
    """Return a pattern of one character of these word-break classes, with what attaches to it."""
    members = "".join(rf"\p{{WB={name}}}" for name in classes)
    return f"(?:[{members}]{_ATTACHED})"


def _word() -> str:
    """Return the pattern of a word: rules WB5 to WB13b of the annex, and what stands alone."""
    letter, hebrew = _one_of("ALetter", "Hebrew_Letter"), _one_of("Hebrew_Letter")
    digit, kana, link = _one_of("Numeric"), _one_of("Katakana"), _one_of("ExtendNumLet")
    in_word = _one_of("MidLetter", "MidNumLet", "Single_Quote")
    in_number = _one_of("MidNum", "MidNumLet", "Single_Quote")
    quote = _one_of("Double_Quote")
    apostrophe = _one_of("Single_Quote")
    piece = (
        rf"(?:{hebrew}{quote}(?={hebrew})|{hebrew}{apostrophe}(?!{letter})"
        rf"|{letter}(?:{in_word}(?={letter}))?|{digit}(?:{in_number}(?={digit}))?)"
    )
    run = rf"(?:{kana}(?:{link}*{kana})*|{piece}+)"
    joined = rf"{link}*{run}(?:{link}+{run})*{link}*"
    picture = rf"[\p{{ExtPict}}\p{{EMod}}]{_ATTACHED}"
    alone = [
        rf"[\p{{Han}}\p{{Hiragana}}]{_ATTACHED}",
        rf"(?:\p{{Line_Break=SA}}{_ATTACHED})+",
        r"[#*0-9]\uFE0F?\u20E3",
        rf"(?:\p{{RI}}{_ATTACHED}){{2}}",
        rf"\u200D?{picture}(?:(?<=\u200D){picture})*",
    ]
    return "|".join([joined, *alone])


_words = regex.compile(_word(), regex.V1).findall
_porter = Stemmer.Stemmer("porter").stemWord
_ALIKE = frozenset("bdfgmnprtlsz")
"""Consonants whose second Snowball drops, too (or keeps, too: l, s and z)."""


def _lower(word: str) -> str:
    """Return a word in lower case, each character by itself, as Java has it."""
    return word.lower() if word.isascii() else "".join(c.lower()[:1] for c in word)


def _consonants(word: str) -> list[bool]:
    """Return which letters are consonants: all but a, e, i, o, u and a y after a consonant."""
    found: list[bool] = []
    for letter in word:
        after_consonant = bool(found) and found[-1]
        found.append(letter not in "aeiou" and not (letter == "y" and after_consonant))
    return found


def _has_measure(stem: str) -> bool:
    """Return whether a consonant follows a vowel somewhere: Porter's m > 0."""
    return any(now and not before for before, now in pairwise(_consonants(stem)))


def _undoubled(word: str) -> str | None:
    """Return what -ed or -ing leaves, less the second of two consonants that Snowball keeps."""
    verb = word.removesuffix("s") if word.endswith(("eds", "ings")) else word
    stem = verb.removesuffix("ing" if verb.endswith("ing") else "ed")
    if stem == verb or stem[-2:-1] != stem[-1:] or stem[-1:] in _ALIKE:
        return None
    consonants = _consonants(stem)
    return stem[:-1] if consonants[-1:] == [True] and not all(consonants) else None


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    """Stem with Porter's algorithm as he corrected it.

    >>> [_stem(word) for word in ("is", "possibly", "pathology", "logy", "trekking", "falling")]
    ['is', 'possibl', 'patholog', 'logi', 'trek', 'fall']
    """
    if len(word) <= 2:
        return word
    stem: str = _porter(_undoubled(word) or word)
    if stem.endswith("logi") and _has_measure(stem[:-4]):
        return stem[:-1]
    if stem.endswith("bli") and _has_measure(stem[:-3]):
        return str(_porter(f"{stem[:-1]}e"))
    return stem


class LuceneEnglish:
    """Turns a text into the terms that Lucene's EnglishAnalyzer makes of it.

    Not those of a newer Unicode: Lucene 9.9 knows the characters of Unicode 12.1. Odd sequences of
    emoji and marks may be cut elsewhere.

    >>> LuceneEnglish()("The U.S. clinic's p53-null mice lost 0.05 g, possibly more")
    ['u.', 'clinic', 'p53', 'null', 'mice', 'lost', '0.05', 'g', 'possibl', 'more']
    """

    def __init__(self) -> None:
        from bm25s.stopwords import STOPWORDS_EN  # slow to import

        self._stop_words = frozenset(STOPWORDS_EN)

    def __call__(self, text: str) -> list[str]:
        """Return the terms of `text`, in order, with repetitions."""
        terms = []
        for found in _words(text):
            for start in range(0, len(found), _LONGEST):
                word = found[start : start + _LONGEST]
                if word[-1] in "sS" and word[-2:-1] in ("'", "’", "＇"):
                    word = word[:-2]
                word = _lower(word)
                if word not in self._stop_words:
                    terms.append(_stem(word))
        return terms
