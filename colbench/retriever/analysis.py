"""From text to index terms: lowercase, word pattern, stop words, Snowball stemming."""

from __future__ import annotations

import re

import Stemmer
from bm25s import stopwords
from pydantic import Field

from colbench.errors import ConfigError, did_you_mean
from colbench.settings import Settings

_STOP_WORDS = {
    "none": frozenset[str](),
    "english": frozenset(stopwords.STOPWORDS_EN),
    "english_long": frozenset(stopwords.STOPWORDS_EN_PLUS),
}


class AnalyserSettings(Settings):
    """How text becomes terms, the same for documents and queries."""

    pattern: str = Field(r"\w+", description="regular expression of one word")
    stop_words: str = Field(
        "english", description="none, english (Lucene's 33 words) or english_long"
    )
    stemmer: str | None = Field("english", description="Snowball algorithm, or null for none")


class Analyser:
    """Turns a text into its list of terms.

    Raises:
        ConfigError: unknown stop word list or stemmer, or a broken pattern.

    >>> Analyser(AnalyserSettings())("The quick foxes are jumping")
    ['quick', 'fox', 'jump']
    """

    def __init__(self, settings: AnalyserSettings) -> None:
        if settings.stop_words not in _STOP_WORDS:
            hint = did_you_mean(settings.stop_words, _STOP_WORDS)
            raise ConfigError(f"unknown stop word list '{settings.stop_words}': {hint}")
        if settings.stemmer is not None and settings.stemmer not in Stemmer.algorithms():
            hint = did_you_mean(settings.stemmer, Stemmer.algorithms())
            raise ConfigError(f"unknown stemmer '{settings.stemmer}': {hint}")
        try:
            self._words = re.compile(settings.pattern).findall
        except re.error as error:
            raise ConfigError(f"analyser pattern {settings.pattern!r}: {error}") from None
        self._stop_words = _STOP_WORDS[settings.stop_words]
        self._stem = Stemmer.Stemmer(settings.stemmer).stemWords if settings.stemmer else list

    def __call__(self, text: str) -> list[str]:
        """Return the terms of `text`, in order, with repetitions."""
        words = [word for word in self._words(text.lower()) if word not in self._stop_words]
        return list(self._stem(words))
