"""From settings and a question to an `Explanation`: collection, model, vectors, alignment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.collection.settings import VectorsSettings
from colbench.config.settings import RunSettings
from colbench.encoder.base import Encoder
from colbench.encoder.cache.embeddings import Embeddings
from colbench.encoder.cache.filling import storage_dtype
from colbench.encoder.cache.store import EmbeddingCache, cached_documents, collections
from colbench.encoder.given import GivenEncoder, token_names
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.errors import ConfigError
from colbench.explain.alignment import align
from colbench.explain.record import ExplainedDocument, Explanation
from colbench.hits import tie_ranks
from colbench.index.maxsim import score_matrix
from colbench.progress import note
from colbench.retriever.chunks import Chunks, best_chunks
from colbench.vectors import Vectors

_MOST_DOCUMENTS = 2
_BLOCK = 65_536
_MOST_NAMES = 200_000
"""Ids among which a near one is looked for: comparing more takes longer than it helps."""

_TITLE = 60


@dataclass(frozen=True)
class Question:
    """What is to be explained.

    Attributes:
        query: free text; None where `query_id` names a query of the collection.
        query_id: id of a query; None where `query` is given.
        docs: ids of documents.
        texts: documents given by hand.
    """

    query: str | None
    query_id: str | None
    docs: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Given:
    id: str | None
    title: str
    text: str


def explain(settings: RunSettings, question: Question) -> Explanation:
    """Align a query with one or two documents, exactly as `colbert_exact` scores them.

    Document vectors are rounded to fp16, as exact search stores them, and taken from the cache
    where they are there; nothing is added to it. Of a document that is split the best chunk is
    aligned. Without a document the two with the highest scores are taken, which needs the vectors
    of all of them in the cache. Vectors that the collection gives are numbered, for want of tokens.

    Args:
        settings: `dataset`, `encoder` and `cache_dir` count. The collection is read only if the
            query or a document is one of its.
        question: what is to be explained.

    Raises:
        ConfigError: an unknown id, more than two documents, no text, vectors that are not there to
            choose documents by, or an encoder whose vectors stand for no single token.
        DataError: the collection cannot be had.
        WeightsUnavailable: the weights cannot be had.
    """
    _check(question)
    collection = None
    given_vectors = isinstance(settings.dataset, VectorsSettings)
    if given_vectors and question.texts:
        raise ConfigError("dataset=vectors gives vectors, and none of a --text: name a --doc")
    if given_vectors or question.query_id is not None or question.docs or not question.texts:
        collection = load_collection(settings.dataset, collections(settings.cache_dir))
    query = _query_text(question, collection)
    given = [_Given(None, _beginning(text), text) for text in question.texts]
    if collection is not None:
        given += [_document(collection, doc) for doc in question.docs]
    cache = EmbeddingCache(settings.cache_dir)
    encoder: Encoder
    if collection is not None and collection.given is not None:
        encoder = GivenEncoder(collection)
    else:
        encoder = load_encoder(
            settings.encoder, Form.TOKENS, settings.dataset.query_length, cache_root=cache.root
        )
    (tokens,) = encoder.query_tokens([query])
    (vectors,) = encoder.encode_queries([query])
    if collection is not None and not given:
        best = _best_two(collection, encoder, vectors, cache, question.query_id)
        given = [_document(collection, doc) for doc in best]
    grades: Mapping[str, int] | None = None
    if collection is not None and question.query_id is not None:
        grades = collection.qrels.get(question.query_id, {})
    documents = []
    for item in given:
        number, chunks = _best_chunk(encoder, item.text, vectors, cache)
        text = chunks[number]
        if isinstance(encoder, GivenEncoder):
            rows: NDArray[np.floating] = encoder.document(item.id or "")
            labels = token_names(len(rows)).tolist()
        else:
            rows = _vectors(encoder, text, cache)
            labels = _document_tokens(encoder, item.id, text)
        alignment = align(vectors, rows, tokens.tolist(), labels)
        judged = grades is not None and item.id is not None
        grade = grades.get(item.id) if grades is not None and item.id is not None else None
        chunk = (number + 1, len(chunks))
        documents.append(ExplainedDocument(item.id, item.title, alignment, judged, grade, chunk))
    return Explanation(
        query=query,
        query_id=question.query_id,
        collection=collection.name if collection else None,
        encoder=encoder.settings.name,
        documents=tuple(sorted(documents, key=lambda document: -document.alignment.score)),
    )


def _check(question: Question) -> None:
    if question.query is not None and not question.query.strip():
        raise ConfigError("the query has no text")
    if any(not text.strip() for text in question.texts):
        raise ConfigError("the text to explain is empty")
    if len(question.docs) + len(question.texts) > _MOST_DOCUMENTS:
        raise ConfigError("at most two documents can be compared: give one or two of --doc, --text")
    if len(set(question.docs)) < len(question.docs):
        raise ConfigError(f"document '{question.docs[0]}' is named twice: name two, or one")


def _query_text(question: Question, collection: Collection | None) -> str:
    if question.query is not None or collection is None:
        return question.query or ""
    texts = {query.id: query.text for query in collection.queries}
    if question.query_id not in texts:
        raise _unknown("query", str(question.query_id), list(texts), collection)
    return texts[question.query_id]


def _document(collection: Collection, doc: str) -> _Given:
    document = next((item for item in collection.documents if item.id == doc), None)
    if document is None:
        raise _unknown("document", doc, collection.doc_ids, collection)
    return _Given(document.id, document.title or _beginning(document.body), document.text)


def _unknown(kind: str, name: str, known: Sequence[str], collection: Collection) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1) if len(known) <= _MOST_NAMES else []
    plural = "queries with judgments" if kind == "query" else "documents"
    some = ", ".join(known[:3])
    hint = f"did you mean '{near[0]}'?" if near else f"it has {len(known):,} {plural}: {some}, …"
    return ConfigError(f"{collection.name} has no {kind} '{name}': {hint}")


def _beginning(text: str) -> str:
    return text if len(text) <= _TITLE else text[: _TITLE - 1].rstrip() + "…"


def _vectors(encoder: Encoder, text: str, cache: EmbeddingCache) -> NDArray[np.floating]:
    """Return the vectors of one document as exact search stores them."""
    cached = cached_documents(encoder, [text], cache)
    if cached is not None:
        ((_, _, rows),) = cached.blocks(_BLOCK)
        return rows
    (matrix,) = encoder.encode_documents([text])
    return matrix.astype(storage_dtype(encoder.form))


def _best_chunk(
    encoder: Encoder, text: str, query: Vectors, cache: EmbeddingCache
) -> tuple[int, list[str]]:
    """Return the number of the chunk with the highest score, and all chunks of the text."""
    if encoder.settings.long_documents == "truncate":
        return 0, [text]
    (chunks,) = encoder.split([text])
    if len(chunks) == 1:
        return 0, chunks
    matrices = [_vectors(encoder, chunk, cache).astype(np.float32) for chunk in chunks]
    starts = np.cumsum([0, *map(len, matrices)])
    scores = score_matrix([query], torch.from_numpy(np.concatenate(matrices)), starts)[0]
    return int(np.argmax(scores)), chunks


def _document_tokens(encoder: Encoder, doc: str | None, text: str) -> list[str]:
    (tokens,) = encoder.document_tokens([text])
    if not len(tokens):
        what = "the given text" if doc is None else f"document '{doc}'"
        raise ConfigError(f"{what} has no tokens with this encoder, so nothing aligns with it")
    return [str(token) for token in tokens]


def _best_two(
    collection: Collection,
    encoder: Encoder,
    query: Vectors,
    cache: EmbeddingCache,
    query_id: str | None,
) -> list[str]:
    """Return the ids of the two documents with the largest MaxSim, without the query's own where
    the collection drops it."""
    chunks = Chunks.of(collection, encoder, encoder.settings)
    embeddings: Embeddings | None
    if isinstance(encoder, GivenEncoder):
        embeddings = encoder.embeddings()
    else:
        embeddings = cached_documents(encoder, chunks.texts, cache)
    if embeddings is None:
        raise ConfigError(
            "name a document with --doc ID: to choose the best two, the vectors of all documents "
            "must be cached, as `colbench run` with systems=colbert_exact leaves them"
        )
    scores = []
    for first, end, rows in embeddings.blocks(_BLOCK):
        starts = np.concatenate([[0], np.cumsum(embeddings.lengths[first:end])])
        rows = rows.astype(storage_dtype(encoder.form)).astype(np.float32)
        scores.append(score_matrix([query], torch.from_numpy(rows), starts)[0])
    everything = np.concatenate(scores)
    ids = collection.doc_ids
    drop = query_id if collection.ignore_identical_ids else None
    docs = np.array([n for n, doc in enumerate(ids) if doc != drop], dtype=np.int64)
    numbers, _ = chunks.of_documents(docs)
    hits = best_chunks(numbers, everything[numbers], _MOST_DOCUMENTS, chunks.owners, tie_ranks(ids))
    note("no document is named: the two with the highest scores are taken")
    return [ids[doc] for doc in hits.docs.tolist()]
