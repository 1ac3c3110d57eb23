"""Where the vectors of a folder come from: an encoder and a collection, or arrays in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from colbench.collection.load import load_collection
from colbench.collection.settings import VectorsSettings
from colbench.collection.vectors.folder import VectorsFolder
from colbench.collection.vectors.given import Rows
from colbench.collection.vectors.side import Side
from colbench.collection.vectors.write import DType, write_vectors
from colbench.config.settings import RunSettings
from colbench.encoder.cache.embeddings import Embeddings
from colbench.encoder.cache.store import EmbeddingCache, collections, embed_documents
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.errors import ConfigError
from colbench.progress import note

_BLOCK = 65_536


def write_encoded(
    settings: RunSettings, folder: Path, *, dtype: DType = "float16", texts: bool = True
) -> Path:
    """Write what the run's encoder makes of the run's collection.

    The vectors are those that `colbert_exact` searches: of documents in half precision, from the
    cache where they are there.

    Args:
        settings: `dataset`, `encoder` and `cache_dir` count.
        folder: to be made.
        dtype: of the documents' values.
        texts: whether texts are written beside them.

    Raises:
        ConfigError: documents are to be split, or the collection gives vectors itself.
        ColbenchError: the collection or the weights cannot be had, or the folder not be written.
    """
    if settings.encoder.long_documents == "chunk":
        raise ConfigError(
            "encoder.long_documents=chunk: a folder of vectors has one set of them a document; "
            "set encoder.long_documents=truncate"
        )
    collection = load_collection(settings.dataset, collections(settings.cache_dir))
    if collection.given is not None:
        raise ConfigError("dataset=vectors gives vectors already: use --from, or its folder")
    cache = EmbeddingCache(settings.cache_dir)
    encoder = load_encoder(
        settings.encoder,
        Form.TOKENS,
        query_length=collection.query_length,
        cache_root=cache.root,
    )
    embeddings = embed_documents(
        encoder, collection.texts, cache, description=f"{settings.encoder.name}: documents"
    )
    queries = encoder.encode_queries([query.text for query in collection.queries])
    if collection.ignore_identical_ids and set(collection.doc_ids) & set(collection.qrels):
        note("search them with dataset.ignore_identical_ids=true, as this collection is")
    return write_vectors(
        folder,
        zip(collection.doc_ids, _matrices(embeddings), strict=True),
        zip((query.id for query in collection.queries), queries, strict=True),
        collection.qrels,
        document_texts=dict(zip(collection.doc_ids, collection.texts, strict=True))
        if texts
        else None,
        query_texts={query.id: query.text for query in collection.queries} if texts else None,
        dtype=dtype,
    )


def _matrices(embeddings: Embeddings) -> Iterator[NDArray[Any]]:
    for first, end, rows in embeddings.blocks(_BLOCK):
        at = 0
        for length in embeddings.lengths[first:end].tolist():
            yield rows[at : at + length]
            at += length


def write_arrays(arrays: Path, folder: Path, *, dtype: DType = "float16") -> Path:
    """Write what lies in files as `dataset=vectors` reads them, with a manifest.

    Args:
        arrays: folder of `.npy` files, or of safetensors.
        folder: to be made.
        dtype: of the documents' values.

    Raises:
        DataError: a file is missing, or is not as it must be.
        StorageError: a file cannot be read or written.
    """
    found = VectorsFolder.open(VectorsSettings(path=arrays, unnormalized="allow"))
    raw = found.raw()
    qrels: dict[str, dict[str, int]] | None = None
    if raw.judgments is not None:
        qrels = {}
        for judgment in raw.judgments.items:
            qrels.setdefault(judgment.query_id, {})[judgment.doc_id] = judgment.grade
    texts = {document.id: document.text for document in raw.documents.items if document.text}
    return write_vectors(
        folder,
        _pairs(found.documents),
        _pairs(found.queries),
        qrels,
        document_texts=texts,
        query_texts={q.id: q.text for q in raw.queries.items if q.text != q.id},
        dtype=dtype,
    )


def _pairs(side: Side) -> Iterator[tuple[str, NDArray[Any]]]:
    rows, start = Rows(side.values.map(), side.values.dtype), 0
    for text_id, length in zip(side.ids, side.lengths.tolist(), strict=True):
        yield text_id, rows[start : start + length]
        start += length
