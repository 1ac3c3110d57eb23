"""Where training examples come from: judgments, the documents themselves, or a file.

A query made from a document itself serves collections without judgments. What became the query is
cut from the document: a model that is rewarded for finding the very same words learns to match
words. The title stays in front of a positive whose query is one of its sentences, as every system
sees documents with their titles; a body that begins with its title again, as Cranfield's do, is
taken without it.

`sentence` is the inverse cloze task (Lee et al. 2019, arXiv 1906.00300); there the sentence stays
in its passage one time in ten, here never.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from colbench.collection.load import load_collection, load_documents
from colbench.collection.model import Collection, Document
from colbench.collection.settings import DatasetSettings, IrdsSettings
from colbench.digests import sha256_file
from colbench.errors import ColbenchError, ConfigError, DataError
from colbench.settings import explain
from colbench.train.examples import Example, text_key
from colbench.train.files import existing_file, read_examples
from colbench.train.settings import CollectionSource, FileSource, Source

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
    spans, start = [], 0
    for stop in _STOP.finditer(text):
        following = stop["next"]
        if following is None or following[-1].isupper() or following[-1].isdigit():
            spans.append(text[start : stop.end()].strip())
            start = stop.end()
    return [sentence for sentence in [*spans, text[start:].strip()] if sentence]


def title_pair(document: Document, seed: int) -> Pair | None:
    """Return title and body; None where one is missing."""
    title, body = " ".join(document.title.split()), _body(document)
    return (title, body) if title and body else None


def first_sentence_pair(document: Document, seed: int) -> Pair | None:
    """Return the first sentence and the rest; None where one of them is too short."""
    first = sentences(_body(document))
    return _cut(document, first, first[0]) if first else None


def sentence_pair(document: Document, seed: int) -> Pair | None:
    """Return a sentence and the rest; None where there is none long enough, or too little rest.

    The draw depends on the seed and the document's id alone.
    """
    parts = sentences(_body(document))
    long_enough = [one for one in parts if len(one.split()) >= MIN_QUERY_WORDS]
    if not long_enough:
        return None
    digest = hashlib.sha256(f"{seed} sentence {document.id}".encode()).digest()
    return _cut(document, parts, long_enough[int.from_bytes(digest[:8], "big") % len(long_enough)])


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


SPLITS = frozenset({"train", "dev", "test", "val", "valid", "validation", "eval"})
"""What the last part of an ir_datasets id may be to be taken for a split."""

Compose = Callable[[str | None, str | None, Sequence[str]], DatasetSettings]
"""From an option of `conf/dataset`, a split and further overrides to the settings of a collection.
"""


@dataclass(frozen=True)
class SourceExamples:
    """All examples of one source, before anything is drawn or removed.

    Attributes:
        name: of the source.
        pairs: kind of source, as in `CollectionSource` and `FileSource`.
        collection: whose documents they are; None for a file.
        label: what reports call it: name of the collection, or of the file.
        fingerprint: sha256 of the collection's or the file's content.
        examples: in the order of the collection or file.
    """

    name: str
    pairs: str
    collection: Collection | None
    label: str
    fingerprint: str | None
    examples: list[Example]


def read_source(name: str, source: Source, compose: Compose, seed: int) -> SourceExamples:
    """Return all examples of a source; its `limit` is left to the caller.

    Args:
        name: of the source.
        source: what it is.
        compose: makes the settings of its collection.
        seed: of the draw of sentences.

    Raises:
        ConfigError: there is no such collection or split.
        DataError: it cannot be read, or it has no usable example.
        StorageError: a file of it cannot be read.
    """
    try:
        if isinstance(source, FileSource):
            return _from_file(name, source)
        settings = compose(source.dataset, source.split, source.overrides)
        load = load_collection if source.pairs == "judged" else load_documents
        return _from_collection(name, source, load(settings), seed)
    except ColbenchError as error:
        raise type(error)(f"train.sources.{name}: {error}") from error


def dataset_with_split(settings: DatasetSettings, split: str | None) -> DatasetSettings:
    """Return the settings of another split of the same collection; None changes nothing.

    It is the last part of an ir_datasets id (beir/scifact/test), the qrels file of a BEIR folder or
    the half of pydocs. A name that was chosen for the collection is kept, with the split after it.

    Raises:
        ConfigError: the id names no split, or the collection has no such split by its settings.
    """
    if split is None:
        return settings
    values: dict[str, Any] = {"split": split}
    if isinstance(settings, IrdsSettings):
        stem, _, last = settings.id.rpartition("/")
        if not stem or last not in SPLITS:
            raise ConfigError(
                f"dataset.id={settings.id} does not end in a split such as /test, so that "
                f"split={split} cannot take its place; leave split out and name the whole id of "
                "the training data: dataset=irds overrides=[dataset.id=…]"
            )
        values = {"id": f"{stem}/{split}"}
    if settings.name is not None:
        values["name"] = f"{settings.name}/{split}"
    try:
        return type(settings).model_validate({**settings.model_dump(), **values})
    except ValidationError as error:
        raise ConfigError(explain(error, type(settings), "dataset")) from None


def _from_file(name: str, source: FileSource) -> SourceExamples:
    path = existing_file(source.path)
    examples = read_examples(path, name)
    return SourceExamples(name, source.pairs, None, path.name, sha256_file(path), examples)


def _from_collection(
    name: str, source: CollectionSource, collection: Collection, seed: int
) -> SourceExamples:
    if source.pairs == "judged":
        examples = _judged(name, collection, source.least_grade)
    else:
        examples = _made(name, collection, source.pairs, seed)
    if not examples:
        raise DataError(_why_none(source, collection))
    return SourceExamples(
        name, source.pairs, collection, collection.name, collection.fingerprint, examples
    )


def _judged(name: str, collection: Collection, least_grade: int) -> list[Example]:
    """Return every query with each document judged that grade or better, if it has text."""
    documents = {document.id: document for document in collection.documents}
    return [
        _example(name, query.text, documents[doc_id].text, documents[doc_id], query.id)
        for query in collection.queries
        for doc_id, grade in collection.qrels[query.id].items()
        if grade >= least_grade and documents[doc_id].text
    ]


def _made(name: str, collection: Collection, pairs: str, seed: int) -> list[Example]:
    """Return one example of each document that has what the kind of source needs."""
    made = ((document, MAKERS[pairs](document, seed)) for document in collection.documents)
    return [_example(name, pair[0], pair[1], document, None) for document, pair in made if pair]


def _example(
    name: str, query: str, positive: str, document: Document, query_id: str | None
) -> Example:
    return Example(
        query=query,
        positive=positive,
        source=name,
        query_id=query_id,
        positive_id=document.id,
        origin=text_key(document.text),
    )


def _why_none(source: CollectionSource, collection: Collection) -> str:
    """Say in one line why a collection gives no example, and what to do."""
    if source.pairs == "title":
        return (
            f"no document of {collection.name} has both a title and a body; set pairs to "
            "first_sentence or sentence"
        )
    if source.pairs != "judged":
        return (
            f"no document of {collection.name} has a sentence of {MIN_QUERY_WORDS} words or more "
            f"and {MIN_REST_WORDS} words besides; set pairs to title, or take another dataset"
        )
    best = max(grade for judged in collection.qrels.values() for grade in judged.values())
    if 1 <= best < source.least_grade:
        hint = f"the highest grade is {best}: set least_grade to it or lower"
    else:
        hint = "take another split or dataset, or set pairs to title, first_sentence or sentence"
    return (
        f"no document of {collection.name} that has text is judged {source.least_grade} or better; "
        f"{hint}"
    )
