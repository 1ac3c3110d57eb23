"""What an analyser lost of queries and documents, in words for a reader of the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import Stemmer

from colbench.retriever.analysis import AnalyserSettings
from colbench.retriever.languages import LANGUAGES
from colbench.retriever.words import WORD, finder, letters_by_script, lone, spaced_letters

_LETTERS = 200_000
"""Characters looked at for the script of a collection."""

_NAMED = 3
"""Stemmers named at most."""


def query_notes(
    analyse: Callable[[str], list[str]], settings: AnalyserSettings, queries: Sequence[str]
) -> Iterator[str]:
    """Say how many queries have no terms, and why; and in how many the pattern left out words.

    Args:
        analyse: the analyser.
        settings: its settings.
        queries: texts of the queries.
    """
    find, everything = finder(settings.pattern), finder(WORD)
    no_words = sum(not everything(query) for query in queries)
    analysed = [analyse(query) for query in queries]
    empty = sum(not terms for terms in analysed) - no_words
    alone = sum(bool(terms) and all(map(lone, terms)) for terms in analysed)
    total = f"of {len(queries)} queries"
    if empty:
        causes = [] if settings.stop_words == "none" else ["stop words"]
        causes += [] if settings.pattern == WORD else ["the pattern"]
        why = f" ({', '.join(causes)})" if causes else ""
        yield f"{empty} {total} have no terms left after analysis{why}"
    if no_words:
        yield f"{no_words} {total} have no letters or digits"
    if alone and settings.unspaced == "bigrams":
        yield (
            f"{alone} {total} are single characters of a script without spaces, not found inside "
            "words: analyser.unspaced=characters_too finds them"
        )
    if settings.pattern != WORD:
        cut = sum(bool(_left_out(query, everything, find)) for query in queries)
        if cut:
            yield f"in {cut} {total} the analyser's pattern left out whole words"


def _left_out(
    text: str, everything: Callable[[str], list[str]], find: Callable[[str], list[str]]
) -> list[str]:
    """Return the words of a text of which a pattern finds nothing."""
    lower = text.lower()
    return [word for word in everything(lower) if not any(find(word))]


def text_notes(settings: AnalyserSettings, texts: Iterable[str]) -> Iterator[str]:
    """Say which share of the words a pattern leaves out, and where the stemmer's script is another.

    Scripts whose words become bigrams are of no account: no stemmer is asked about them.

    Args:
        settings: of the analyser.
        texts: queries and documents, of which the beginning is looked at.
    """
    sample = _beginning(texts)
    if settings.pattern != WORD:
        words = finder(WORD)(sample.lower())
        lost = len(_left_out(sample, finder(WORD), finder(settings.pattern)))
        if lost:
            yield f"the analyser's pattern leaves out {lost / len(words):.1%} of the words"
    own = LANGUAGES[settings.resolved_language].scripts
    if settings.stemmer is None or (sample.isascii() and "Latin" in own):
        return
    scripts = sorted({script for language in LANGUAGES.values() for script in language.scripts})
    counts = letters_by_script(sample, scripts)
    total = spaced_letters(sample)
    script = max(counts, key=counts.__getitem__)
    if script in own or counts[script] * 2 <= total:
        return
    yield (
        f"{counts[script] / total:.0%} of the letters are {script}, and {settings.stemmer} is "
        f"written in {' or '.join(own)}: choose {_choices(script)}"
    )


def _beginning(texts: Iterable[str]) -> str:
    parts: list[str] = []
    length = 0
    for text in texts:
        parts.append(text[:_LETTERS])
        length += len(parts[-1])
        if length > _LETTERS:
            break
    return "\n".join(parts)


def _choices(script: str) -> str:
    """Return the settings that suit a script."""
    names = [name for name, language in LANGUAGES.items() if script in language.scripts]
    with_stemmer = [name for name in names if name in Stemmer.algorithms()]
    if len(with_stemmer) > _NAMED:
        return f"an analyser.stemmer of {script} script"
    if with_stemmer:
        return f"analyser.stemmer={' or '.join(with_stemmer)}"
    return f"analyser.language={' or '.join(names)} with analyser.stemmer=null"
