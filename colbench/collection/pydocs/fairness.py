"""The rules that keep the answer out of the question."""

from __future__ import annotations

import re
from collections.abc import Iterable

MIN_QUERY_WORDS = 5
MAX_QUERY_WORDS = 40
MIN_DOCUMENT_WORDS = 30
LEAK = 0.7
"""A document quotes its query if this share of the query's content words stand together in it."""

_WORD = re.compile(r"[a-z][a-z0-9]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STOP = frozenset(
    {
        *("an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "do", "does"),
        *("each", "for", "from", "has", "have", "if", "in", "into", "is", "it", "its", "more"),
        *("no", "not", "of", "on", "one", "only", "or", "other", "over", "per", "so", "such"),
        *("than", "that", "the", "their", "them", "then", "there", "these", "they", "this"),
        *("those", "to", "two", "up", "use", "used", "uses", "using", "via", "was", "we", "when"),
        *("where", "whether", "which", "while", "will", "with", "within", "without", "you"),
        "your",
    }
)
_POINTER = re.compile(
    r"(see|same as|alias|deprecated|todo|internal|private|overrid\w*|call signature|"
    r"this (function|method|class) is (deprecated|identical))\b",
    re.IGNORECASE,
)
"""Summaries that say where to look instead of what the object does."""


def words(text: str) -> list[str]:
    """Return the words of a text in order, lower case, numbers and single letters left out.

    >>> words("Return the k-th 2D array.")
    ['return', 'the', 'th', 'array']
    """
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Return `words` less function words ("the", "of")."""
    return [word for word in words(text) if word not in _STOP]


def without_name(text: str, name: str) -> str:
    """Return `text` without the object's own name, in whatever spelling it occurs.

    `KMeans` is also found as `kmeans`, `K-Means`, `k_means`, `sklearn.cluster.KMeans`, `KMeans()`;
    of a method, the name of its class goes as well. Single parts of a name stay ("train" for
    `train_test_split`): they are ordinary words, and a question cannot be asked without them.

    >>> without_name("Perform K-Means clustering of means.", "sklearn.cluster.KMeans")
    'Perform clustering of means.'
    >>> without_name("Fit the Ridge to X.", "sklearn.linear_model.Ridge.fit")
    'the to X.'
    """
    for own in own_names(name):
        text = _name_pattern(own).sub(" ", text)
    text = re.sub(r"\(\s*\)|\[\s*\]|''|\"\"", " ", text)
    # A hyphen that joined the name to a word, and punctuation that followed it.
    text = re.sub(r"(?<!\S)-(?=[A-Za-z])|(?<=\w)-(?!\S)", " ", text)
    text = re.sub(r"\s+([.,;:!?)\]])(?=\s|$)", r"\1", text)
    return re.sub(r"\s+", " ", text).strip().lstrip(".,;:!?-–/)] ")


def names_itself(text: str, name: str) -> bool:
    """Return whether the object's own name occurs in `text`, in any spelling."""
    return any(_name_pattern(own).search(text) for own in own_names(name))


def own_names(name: str) -> list[str]:
    """Return the last part of a dotted name and, for a method, the class before it.

    >>> own_names("sklearn.svm.SVC.fit")
    ['fit', 'SVC']
    """
    *before, last = name.split(".")
    is_method = bool(before) and before[-1][:1].isupper()
    return [last, before[-1]] if is_method else [last]


def _name_pattern(own: str) -> re.Pattern[str]:
    parts = _PART.findall(own) or [own]
    spelled = r"[\s_-]*".join(map(re.escape, parts))
    return re.compile(rf"(?<!\w)(?:\w+\.)*_*{spelled}_*(?:e?s)?(?:\(\))?(?!\w)", re.IGNORECASE)


def is_query(text: str) -> bool:
    """Return whether a summary, its name removed, still asks for something."""
    if _POINTER.match(text) or "http" in text:
        return False
    distinct = set(content_words(text))
    return len(distinct) >= MIN_QUERY_WORDS and len(text.split()) <= MAX_QUERY_WORDS


def is_document(text: str) -> bool:
    """Return whether a body is long enough, in Latin script, and words rather than a table."""
    tokens = text.split()
    content = words(text)
    ascii_share = sum(map(str.isascii, tokens)) / max(len(tokens), 1)
    return (
        len(content) >= MIN_DOCUMENT_WORDS
        and ascii_share >= 0.9
        and len(content) >= 0.5 * len(tokens)
    )


def quotes(document: str, query: str) -> bool:
    """Return whether a document repeats its query, word for word or nearly so.

    It does where `LEAK` of the query's distinct content words lie within a stretch of the document
    1.5 times as long as the query: any lexical matcher would win there.

    >>> quotes("Here: sort a big list in place, quickly.", "Sort a big list in place")
    True
    >>> quotes("Put the elements of a list in order.", "Sort a big list in place")
    False
    """
    wanted = set(content_words(query))
    if not wanted:
        return False
    text = content_words(document)
    span = max(len(wanted), round(1.5 * len(wanted)))
    places = [place for place, word in enumerate(text) if word in wanted]
    start = 0
    for end, place in enumerate(places):
        while places[start] <= place - span:
            start += 1
        if end - start + 1 >= LEAK * len(wanted):
            inside = {text[here] for here in places[start : end + 1]}
            if len(inside) >= LEAK * len(wanted):
                return True
    return False


def shingles(texts: Iterable[str], length: int = 3) -> frozenset[str]:
    """Return the runs of `length` words of a sequence of words, each as one string.

    >>> sorted(shingles(["a", "b", "c", "d"]))
    ['a b c', 'b c d']
    """
    sequence = list(texts)
    return frozenset(
        " ".join(sequence[start : start + length])
        for start in range(max(len(sequence) - length + 1, 1))
    )
