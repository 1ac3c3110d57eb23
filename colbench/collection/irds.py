"""Collections that ir_datasets knows.

A document's text is what its `default_text()` gives in ir_datasets, so that every tool built on
that package sees the same text. For BEIR, Cranfield and all others with a title that is
`title + " " + text`; Cranfield's abstracts begin with their title, which is therefore there twice,
as it is for everybody else. Vaswani, MS MARCO passages, LoTTE and NanoBEIR have a text only.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from colbench.collection.metadata import read_metadata
from colbench.collection.model import Document, Query
from colbench.collection.raw import Judgment, RawCollection, Records, judgments_of
from colbench.errors import ColbenchError, ConfigError, DataError
from colbench.progress import bar, is_quiet

_PARTS = ("docs", "queries", "qrels")
_ALONE = threading.RLock()
"""Held while standard error is another's: of two threads one would put back the other's."""
_CHATTER = ("[starting]", "[finished]", "[error]", "Opening", "download error", "Download failed")


def read_irds(dataset_id: str) -> RawCollection:
    """Return the collection; it is downloaded where it is missing and can be.

    Of two judgments of one pair the last counts, as in ir_datasets' own `qrels_dict`.

    Raises:
        ConfigError: the id is unknown, or has no documents, queries or qrels.
        DataError: the data cannot be had or read here.
    """
    with _library_output(), _one_line_errors(dataset_id):
        dataset = _find(dataset_id)
        queries = [_query(query) for query in dataset.queries_iter()]
        judgments = [
            Judgment(query_id, doc_id, int(grade))
            for query_id, doc_id, grade in judgments_of(dataset.qrels_dict())
        ]
        documents = [
            to_document(doc)
            for doc in bar(dataset.docs_iter(), description=f"reading {dataset_id}", unit="doc")
        ]

    def where() -> str:
        return f"ir_datasets {dataset_id}"

    return RawCollection(
        Records(documents, where), Records(queries, where), Records(judgments, where)
    )


def is_irds_id(dataset_id: str) -> bool:
    """Return whether ir_datasets knows an id, whatever it has under it."""
    with _library_output():
        import ir_datasets

        try:
            ir_datasets.registry[dataset_id]
        except KeyError:
            return False
        return True


def irds_has_judgments(dataset_id: str) -> bool:
    """Return whether an id has queries and qrels.

    Raises:
        ConfigError: the id is unknown, or has no documents.
        DataError: ir_datasets cannot tell.
    """
    with _library_output(), _one_line_errors(dataset_id):
        return not _missing_parts(_find(dataset_id, needs=("docs",)))


def read_irds_documents(dataset_id: str) -> Records[Document]:
    """Return the documents alone, of an id that may have no queries or judgments.

    Raises:
        ConfigError: the id is unknown, or has no documents.
        DataError: the data cannot be had or read here.
    """
    with _library_output(), _one_line_errors(dataset_id):
        source = _find(dataset_id, needs=("docs",)).docs_iter()
        read = bar(source, description=f"reading {dataset_id}", unit="doc")
        documents = [to_document(doc) for doc in read]
    return Records(documents, lambda: f"ir_datasets {dataset_id}")


def to_document(doc: Any) -> Document:
    """Return an ir_datasets document with `text` equal to its `default_text()`, stripped.

    The title is set apart only where the default text is `title + " " + rest`.
    """
    text: str = doc.default_text()
    title = getattr(doc, "title", "")
    if isinstance(title, str) and text.startswith(f"{title} "):
        return Document(doc.doc_id, title, text[len(title) + 1 :])
    return Document(doc.doc_id, "", text)


def _query(query: Any) -> Query:
    fields = query._asdict() if hasattr(query, "_asdict") else {}
    metadata = read_metadata(fields, ("query_id", "text"))
    return Query(query.query_id, query.default_text(), metadata)


def _find(dataset_id: str, needs: Sequence[str] = _PARTS) -> Any:
    import ir_datasets  # here, because importing it reads IR_DATASETS_HOME and makes that folder

    try:
        dataset = ir_datasets.load(dataset_id)
    except KeyError:
        close = difflib.get_close_matches(dataset_id, list(ir_datasets.registry))
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else "https://ir-datasets.com lists the ids"
        )
        raise ConfigError(f"dataset.id: ir_datasets has no '{dataset_id}': {hint}") from None
    missing = [part for part in _missing_parts(dataset) if part in needs]
    if missing:
        raise ConfigError(
            f"dataset.id: '{dataset_id}' has no {' and no '.join(missing)}; "
            f"{_complete_kin(dataset_id, ir_datasets.registry)}"
        )
    if not hasattr(dataset.docs_cls(), "default_text"):
        raise ConfigError(f"dataset.id: ir_datasets defines no text for documents of {dataset_id}")
    return dataset


def _missing_parts(dataset: Any) -> list[str]:
    return [part for part in _PARTS if not dataset.has(part)]


def _complete_kin(dataset_id: str, registry: Any) -> str:
    """Name ids that start like this one and have documents, queries and qrels, tests first."""
    family = f"{dataset_id.split('/')[0]}/"
    kin = [known for known in registry if known.startswith(family)]
    inside = [known for known in kin if known.startswith(f"{dataset_id}/")]
    complete = [known for known in inside or kin if not _missing_parts(registry[known])]
    if not complete:
        return "colbench needs all three"
    complete.sort(key=lambda known: (not known.endswith("/test"), known))
    more = f" or {len(complete) - 4} more" if len(complete) > 4 else ""
    return f"choose {', '.join(complete[:4])}{more}"


@contextlib.contextmanager
def _one_line_errors(dataset_id: str) -> Iterator[None]:
    """Turn whatever ir_datasets or the network raises into one line that says how to go on."""
    try:
        yield
    except ColbenchError:
        raise
    except Exception as error:
        problem, remedy = _diagnosis(error)
        raise DataError(f"ir_datasets cannot load {dataset_id}: {problem}; {remedy}") from error


def _diagnosis(error: Exception) -> tuple[str, str]:
    home = os.environ.get("IR_DATASETS_HOME", "~/.ir_datasets")
    offline = (
        "connect to the network, or copy the ir_datasets folder of a machine that has the "
        f"collection to {home} (IR_DATASETS_HOME chooses another place)"
    )
    request = getattr(error, "request", None)  # set on every exception of the requests package
    if request is not None:
        return f"downloading {request.url} failed ({type(error).__name__})", offline
    if isinstance(error, FileNotFoundError):
        return f"{error.filename or error} is missing", (
            "the collection has to be fetched by hand: https://ir-datasets.com says how"
        )
    if isinstance(error, ImportError):
        return str(error).splitlines()[0], "install it"
    if isinstance(error, OSError):
        return str(error), f"check the folder {home} (IR_DATASETS_HOME chooses another place)"
    reason = str(error.args[0] if error.args else "").split("\n")[0][:120]
    return f"{type(error).__name__}: {reason}", offline


@contextlib.contextmanager
def _library_output() -> Iterator[None]:
    """Let ir_datasets print licence terms and download bars, not its retries and timings."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(_CHATTER)

    logger = logging.getLogger("ir_datasets")
    with _ALONE:
        logger.addFilter(is_wanted)
        try:
            with contextlib.redirect_stderr(io.StringIO() if is_quiet() else sys.stderr):
                yield
        finally:
            logger.removeFilter(is_wanted)
