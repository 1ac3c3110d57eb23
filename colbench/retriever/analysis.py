"""From text to index terms: normalised, lower-cased words, stop words, Snowball stemming.

Order of work: Unicode normalisation; what the language cuts off (elided articles, suffixes after an
apostrophe); lower case; letters that the language folds; words; bigrams of scripts without spaces;
stop words; the stemmer. English takes none of the steps of a language, so that its terms are the
words that `\\w+` finds, lower-cased, stopped and stemmed.
"""

from __future__ import annotations

from typing import Literal

import regex
import Stemmer
from pydantic import Field, field_validator, model_validator

from colbench.errors import did_you_mean
from colbench.retriever.languages import LANGUAGES, Language, language_of
from colbench.retriever.lucene_english import LuceneEnglish
from colbench.retriever.words import WORD, Unspaced, finder, normalised, segmented
from colbench.settings import Settings

_STOP_WORDS = ("auto", "none", "english_long", *LANGUAGES)


class AnalyserSettings(Settings):
    """How text becomes terms, the same for documents and queries."""

    normalisation: Literal["nfc", "nfkc", "none"] = Field(
        "nfc", description="Unicode form that text is brought to first; nfc, nfkc or none"
    )
    language: str | None = Field(
        None, description="what is folded and cut off; null for the stemmer's language"
    )
    pattern: str = Field(
        WORD,
        description=r"regular expression of one word; \w+ keeps the marks and joiners in words",
    )
    unspaced: Unspaced = Field(
        "bigrams",
        description="Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese: bigrams of "
        "characters, characters_too beside them, or whole runs",
    )
    stop_words: str = Field(
        "auto", description="auto for the language's, none, english_long or a language"
    )
    stemmer: str | None = Field("english", description="Snowball algorithm, or null for none")
    lucene_english: bool = Field(
        False,
        description="the terms of Lucene's EnglishAnalyzer, exactly; no other key counts then",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            groups = regex.compile(pattern).groups
        except regex.error as error:
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

    @field_validator("language")
    @classmethod
    def _is_a_language(cls, name: str | None) -> str | None:
        if name is not None and name not in LANGUAGES:
            raise ValueError(did_you_mean(name, LANGUAGES))
        return name

    @model_validator(mode="after")
    def _stemmer_of_the_language(self) -> AnalyserSettings:
        named = self.language
        if named and self.stemmer and named != language_of(self.stemmer):
            right = named if named in Stemmer.algorithms() else "null"
            raise ValueError(
                f"the language is {named} and the stemmer {self.stemmer}: "
                f"set analyser.stemmer={right}"
            )
        return self

    @property
    def resolved_language(self) -> str:
        """The language named, else that of the stemmer, else English."""
        return self.language or language_of(self.stemmer or "english")


class Analyser:
    """Turns a text into its list of terms.

    >>> Analyser(AnalyserSettings())("The quick foxes are jumping")
    ['quick', 'fox', 'jump']
    >>> Analyser(AnalyserSettings(stemmer="turkish"))("İstanbul'un IRMAKLARI")
    ['istanbul', 'ırmak']
    """

    def __init__(self, settings: AnalyserSettings) -> None:
        self._settings = settings
        self._language = LANGUAGES[settings.resolved_language]
        self._find = finder(settings.pattern)
        self._stop_words = self._stopped(settings.stop_words)
        self._stem = Stemmer.Stemmer(settings.stemmer).stemWords if settings.stemmer else list
        self._lucene = LuceneEnglish() if settings.lucene_english else None

    def __call__(self, text: str) -> list[str]:
        """Return the terms of `text`, in order, with repetitions; none of them is empty."""
        if self._lucene is not None:
            return self._lucene(text)
        words = [word for word in self.words(text) if word not in self._stop_words]
        terms = self._stem(words)
        for pattern, replacement in self._language.term_folds:
            terms = [pattern.sub(replacement, term) for term in terms]
        if letters := self._language.term_letters:
            terms = [term.translate(letters) for term in terms]
        return [term for term in terms if term]  # Porter stems "s" to nothing

    def words(self, text: str) -> list[str]:
        """Return the words of `text` as they stand before stop words go and stems are made."""
        text = normalised(text, self._settings.normalisation)
        for pattern, replacement in self._language.cuts:
            text = pattern.sub(replacement, text)
        text = _lower_case(text, self._language)
        for pattern, replacement in self._language.folds:
            text = pattern.sub(replacement, text)
        if letters := self._language.letters:
            text = text.translate(letters)
        words = self._find(text)
        return words if text.isascii() else segmented(words, self._settings.unspaced)

    def _stopped(self, name: str) -> frozenset[str]:
        """Return the stop words, each as the analyser would have it in a text."""
        if name == "auto":
            name = self._settings.resolved_language
        analysed = (self.words(word) for word in stop_words(name))
        return frozenset(words[0] for words in analysed if len(words) == 1)


def _lower_case(text: str, language: Language) -> str:
    """Return the text in lower case, a dotted capital İ as a plain i."""
    if language.turkic:
        text = text.replace("I\u0307", "i").replace("İ", "i").replace("I", "ı")
    elif not text.isascii():
        text = text.replace("İ", "i")  # str.lower makes it i and a combining dot
    return text.lower()


def stop_words(name: str) -> frozenset[str]:
    """Return a list of stop words: bm25s' where it has one of the language, else stopwords-iso's.

    `english` are the 33 of Lucene. Nothing for `none` and for a language without a list.
    """
    from bm25s import stopwords  # slow to import, and not needed to check a configuration

    own = {"english": "STOPWORDS_EN", "english_long": "STOPWORDS_EN_PLUS"}
    known = getattr(stopwords, own.get(name, f"STOPWORDS_{name.upper()}"), None)
    if known is not None:
        return frozenset(known)
    import stopwordsiso

    code = LANGUAGES[name].code if name in LANGUAGES else ""
    return frozenset(stopwordsiso.stopwords(code) if stopwordsiso.has_lang(code) else ())
