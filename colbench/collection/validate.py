"""The gate between a source and everything else: a `Collection` is only ever made here.

Nothing is dropped silently. What makes a score meaningless is refused in one line; what merely
changes it (an unjudged query, a judgment of an unknown document) is counted in the notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import is_normalized, normalize

from colbench.collection.model import Collection, Document, Query
from colbench.collection.raw import Judgment, RawCollection, Records, checked, examples, short
from colbench.errors import DataError

_Qrels = dict[str, dict[str, int]]

SHARED_IDS = "queries have the id of a document"
"""In the note on a collection where the rule of identical ids may drop something."""


def build_collection(
    raw: RawCollection,
    *,
    name: str,
    ignore_identical_ids: bool | None = None,
    query_length: int | None = None,
    max_unknown_docs: float = 0.0,
    texts: bool = True,
) -> Collection:
    """Check every record of `raw` and return the collection.

    Args:
        raw: the records; consumed. Without judgments all queries stay, and nothing is judged.
        name: name of the collection.
        ignore_identical_ids: whether a document with the query's own id is left out; None where
            nobody chose, which keeps them and says so in a note if there are any.
        query_length: published query length in tokens.
        max_unknown_docs: largest share of judgments that may name documents it lacks.
        texts: whether documents are searched by their texts, so that one without is noted.

    Raises:
        DataError: an id or a text cannot be used, a part is empty, a judged query has no text, or
            too many judgments name unknown documents.
    """
    queries = checked(raw.queries, "query")
    judged = None if raw.judgments is None else _merged(raw.judgments)
    documents = checked(raw.documents, "document")
    doc_ids = {document.id for document in documents}
    if raw.judgments is None or judged is None:
        told: list[str] = []
        _note_identical_ids(queries, doc_ids, ignore_identical_ids, told)
        return Collection(
            name=name,
            documents=documents,
            queries=queries,
            qrels={},
            ignore_identical_ids=bool(ignore_identical_ids),
            query_length=query_length,
            notes=tuple(told),
        )
    notes = raw.judgments.notes()
    qrels = _of_known_queries(judged, queries, raw.judgments.where(), notes)
    qrels = _of_known_docs(qrels, doc_ids, max_unknown_docs, raw.judgments.where(), notes)
    judged_queries = _judged_queries(queries, qrels, raw.queries.where(), notes)
    _note_contents(documents if texts else (), judged_queries, qrels, notes)
    _note_identical_ids(judged_queries, doc_ids, ignore_identical_ids, notes)
    return Collection(
        name=name,
        documents=documents,
        queries=judged_queries,
        qrels={query.id: qrels[query.id] for query in judged_queries},
        ignore_identical_ids=bool(ignore_identical_ids),
        query_length=query_length,
        notes=tuple(notes),
    )


def _merged(records: Records[Judgment]) -> _Qrels:
    """Return the qrels; a judgment repeated with the same grade counts once."""
    qrels: _Qrels = {}
    for query_id, doc_id, grade in records.items:
        before = qrels.setdefault(query_id, {}).setdefault(doc_id, grade)
        if before != grade:
            raise DataError(
                f"{records.where()}: query {short(query_id)} and document {short(doc_id)} are "
                f"judged {grade} here and {before} before; keep one of the two"
            )
    if not qrels:
        told = "".join(f"; {note}" for note in records.notes())
        raise DataError(f"{records.where()}: there are no judgments{told}; at least one is needed")
    return qrels


def _of_known_queries(
    qrels: _Qrels, queries: Sequence[Query], where: str, notes: list[str]
) -> _Qrels:
    known = {query.id for query in queries}
    unknown = [query_id for query_id in qrels if query_id not in known]
    forms = _other_forms(unknown, known, "queries")
    if len(unknown) == len(qrels):
        raise DataError(
            f"{where}: none of the judged queries is in the collection, for example "
            f"{examples(unknown)}"
            f"{forms or '; check that queries and judgments belong together'}"
        )
    if unknown:
        notes.append(
            f"judgments of {len(unknown)} queries the collection does not have are ignored, "
            f"for example {examples(unknown)}{forms}"
        )
    return {query_id: judged for query_id, judged in qrels.items() if query_id in known}


def _other_forms(unknown: Iterable[str], known: Iterable[str], where: str) -> str:
    """Say which ids of the judgments are known in another Unicode form; nothing where none is.

    On the screen they look alike: files that passed through macOS are often decomposed.
    """
    composed = {normalize("NFC", value): value for value in known if not value.isascii()}
    pairs = [
        (value, composed[normalize("NFC", value)])
        for value in dict.fromkeys(unknown)
        if normalize("NFC", value) in composed
    ]
    if not pairs:
        return ""
    judged, other = pairs[0]
    return (
        f"; {len(pairs)} of these would be known in another Unicode form: {short(judged)} is "
        f"{_form(judged)} in the qrels and {_form(other)} in the {where}: write both in one form"
    )


def _form(value: str) -> str:
    if is_normalized("NFC", value):
        return "composed (NFC)"
    return "decomposed (NFD)" if is_normalized("NFD", value) else "in a mixed form"


def _of_known_docs(
    qrels: _Qrels, doc_ids: set[str], largest_share: float, where: str, notes: list[str]
) -> _Qrels:
    total = sum(len(judged) for judged in qrels.values())
    unknown = [doc for judged in qrels.values() for doc in judged if doc not in doc_ids]
    if not unknown:
        return qrels
    problem = (
        f"{len(unknown)} of {total} judgments ({len(unknown) / total:.1%}) name documents the "
        f"collection does not have, for example {examples(unknown)}"
        f"{_other_forms(unknown, doc_ids, 'documents')}"
    )
    if len(unknown) > largest_share * total:
        raise DataError(
            f"{where}: {problem}; complete the documents, or accept it with "
            f"dataset.max_unknown_docs (now {largest_share:g})"
        )
    notes.append(f"{problem}; they are left out")
    known = (
        (query_id, {doc: grade for doc, grade in judged.items() if doc in doc_ids})
        for query_id, judged in qrels.items()
    )
    return {query_id: judged for query_id, judged in known if judged}


def _judged_queries(
    queries: Sequence[Query], qrels: _Qrels, where: str, notes: list[str]
) -> list[Query]:
    judged = [query for query in queries if query.id in qrels]
    if not judged:
        raise DataError(f"{where}: no query has a judgment of a document the collection has")
    empty = [query.id for query in judged if not query.text.strip()]
    if empty:
        raise DataError(
            f"{where}: {len(empty)} judged queries have no text, for example {examples(empty)}; "
            "give them one or remove their judgments"
        )
    if len(judged) < len(queries):
        notes.append(
            f"{len(queries) - len(judged)} of {len(queries)} queries have no judgment and are left "
            "out"
        )
    return judged


def _note_contents(
    documents: Sequence[Document], queries: Sequence[Query], qrels: _Qrels, notes: list[str]
) -> None:
    empty = [document.id for document in documents if not document.text]
    if empty:
        notes.append(
            f"{len(empty)} of {len(documents)} documents have no text and are kept, for example "
            f"{examples(empty)}"
        )
    hopeless = [query.id for query in queries if max(qrels[query.id].values()) <= 0]
    if hopeless:
        notes.append(
            f"{len(hopeless)} of {len(queries)} queries have no relevant document and score 0 in "
            f"every average, for example {examples(hopeless)}"
        )


def _note_identical_ids(
    queries: Sequence[Query], doc_ids: set[str], rule: bool | None, notes: list[str]
) -> None:
    shared = [query.id for query in queries if query.id in doc_ids]
    if not shared or rule is False:
        return
    shared_ids = f"{len(shared)} of {len(queries)} {SHARED_IDS}"
    if rule:
        notes.append(f"{shared_ids}; that document is dropped from their results (BEIR's rule)")
    else:
        notes.append(
            f"{shared_ids}; it is kept in their results, where BEIR's own evaluation drops it: set "
            "dataset.ignore_identical_ids to true or false"
        )
