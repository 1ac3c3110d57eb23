"""From text to index terms: lowercase, word pattern, stop words, Snowball stemming."""

from __future__ import annotations

import re

import Stemmer
from pydantic import Field, field_validator

from colbench.errors import did_you_mean
from colbench.settings import Settings

_STOP_WORDS = {
    "none": None,
    "english": "STOPWORDS_EN",
    "english_long": "STOPWORDS_EN_PLUS",
}  # → name in bm25s.stopwords


class AnalyserSettings(Settings):
    """How text becomes terms, the same for documents and queries."""

    pattern: str = Field(r"\w+", description="regular expression of one word")
    stop_words: str = Field(
        "english", description="none, english (Lucene's 33 words) or english_long"
    )
    stemmer: str | None = Field("english", description="Snowball algorithm, or null for none")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except (re.error, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if groups > 1:
            raise ValueError("more than one group: write (?:…) for those that are not the word")
        return pattern

    @field_validator("stop_words")
    @classmethod
    def _is_a_list(cls, name: str) -> str:
        if name not in _STOP_WORDS:
            raise ValueError(did_you_mean(name, _STOP_WORDS))
        return name

    @field_validator("stemmer")
    @classmethod
    def _is_an_algorithm(cls, name: str | None) -> str | None:
        if name is not None and name not in Stemmer.algorithms():
            raise ValueError(did_you_mean(name, Stemmer.algorithms()))
        return name


class Analyser:
    """Turns a text into its list of terms.

    >>> Analyser(AnalyserSettings())("The quick foxes are jumping")
    ['quick', 'fox', 'jump']
    """

    def __init__(self, settings: AnalyserSettings) -> None:
        from bm25s import stopwords  # slow to import, and not needed to check a configuration

        self._words = re.compile(settings.pattern).findall
        stop_words = _STOP_WORDS[settings.stop_words]
        self._stop_words = frozenset(getattr(stopwords, stop_words) if stop_words else ())
        self._stem = Stemmer.Stemmer(settings.stemmer).stemWords if settings.stemmer else list

    def __call__(self, text: str) -> list[str]:
        """Return the terms of `text`, in order, with repetitions; none of them is empty."""
        words = [word for word in self._words(text.lower()) if word not in self._stop_words]
        return [term for term in self._stem(words) if term]  # Porter stems "s" to nothing
