"""Queries made from documents themselves, for collections without judgments.

Each function turns a document into a query and what is left of the document, which is the positive.
What became the query is cut from it: a model that is rewarded for finding the very same words
learns to match words. The title stays in front of a positive whose query is one of its sentences,
as every system sees documents with their titles; a body that begins with its title again, as
Cranfield's do, is taken without it.

`sentence` is the inverse cloze task (Lee et al. 2019, arXiv 1906.00300); there the sentence stays
in its passage one time in ten, here never.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from itertools import islice

from colbench.collection.model import Document
from colbench.train.examples import text_key

MIN_QUERY_WORDS = 4
MIN_REST_WORDS = 10

Pair = tuple[str, str]
"""A query, and its positive."""

_WORD = re.compile(r"\w+")
_AFTER_TITLE = re.compile(r"[\s.,:;|)\]–—-]*")
_STOP = re.compile(r"""(?<=\s)[.?!]\s+|[.?!]["'”’)\]]*\s+(?=(?P<next>["'“‘(\[]*\w))""")


def sentences(text: str) -> list[str]:
    """Split a text at full stops, question marks and exclamation marks.

    One of them ends a sentence where white space and then a capital or a digit follows, quotes and
    brackets aside, or where it stands alone between white space, as in tokenised text. So "et al.
    2019" is split, and a text without capitals is not; no language's abbreviations are known.

    >>> sentences("It works (see Fig. 2)! Does it? Yes, e.g. here.")
    ['It works (see Fig.', '2)!', 'Does it?', 'Yes, e.g. here.']
    """
    found, start = [], 0
    for stop in _STOP.finditer(text):
        following = stop["next"]
        if following is None or following[-1].isupper() or following[-1].isdigit():
            found.append(text[start : stop.end()].strip())
            start = stop.end()
    return [sentence for sentence in [*found, text[start:].strip()] if sentence]


def title_pair(document: Document, seed: int) -> Pair | None:
    """Return title and body; None where one is missing."""
    title, body = " ".join(document.title.split()), _body(document)
    return (title, body) if title and body else None


def first_sentence_pair(document: Document, seed: int) -> Pair | None:
    """Return the first sentence and the rest; None where one of them is too short."""
    found = sentences(_body(document))
    return _cut(document, found, found[0]) if found else None


def sentence_pair(document: Document, seed: int) -> Pair | None:
    """Return a sentence and the rest; None where there is none long enough, or too little rest.

    The draw depends on the seed and the document's id alone.
    """
    found = sentences(_body(document))
    long_enough = [one for one in found if len(one.split()) >= MIN_QUERY_WORDS]
    if not long_enough:
        return None
    digest = hashlib.sha256(f"{seed} sentence {document.id}".encode()).digest()
    return _cut(document, found, long_enough[int.from_bytes(digest[:8], "big") % len(long_enough)])


MAKERS: Mapping[str, Callable[[Document, int], Pair | None]] = {
    "title": title_pair,
    "first_sentence": first_sentence_pair,
    "sentence": sentence_pair,
}
"""Kind of source → from a document and a seed to its pair."""


def _cut(document: Document, parts: list[str], query: str) -> Pair | None:
    """Cut a sentence, wherever the document repeats it."""
    key = text_key(query)
    rest = " ".join(part for part in parts if text_key(part) != key)
    if len(query.split()) < MIN_QUERY_WORDS or len(rest.split()) < MIN_REST_WORDS:
        return None
    return query, f"{document.title} {rest}".strip()


def _body(document: Document) -> str:
    """Return the body without the title's words at its beginning."""
    body = document.body.strip()
    title = [word.casefold() for word in _WORD.findall(document.title)]
    while title:
        first = list(islice(_WORD.finditer(body), len(title)))
        if [word[0].casefold() for word in first] != title:
            break
        after = _AFTER_TITLE.match(body, first[-1].end())
        body = body[after.end() if after else first[-1].end() :]
    return body
