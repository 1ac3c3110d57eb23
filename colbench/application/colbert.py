"""`Colbert`: a model, and the index that it made or opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from colbench.application import writing
from colbench.application.database import Database
from colbench.application.model import Model, checked_texts
from colbench.application.opened import INDEX, Opened
from colbench.application.results import Document, Result, Version
from colbench.application.searching import DEFAULT, Wanted, check_k, search_queries, search_settings
from colbench.application.settings import About, read_about
from colbench.application.several import Several
from colbench.errors import ConfigError, DataError, StorageError
from colbench.index.colbert import versions as kept_versions
from colbench.index.colbert.documents import checked_ids
from colbench.index.colbert.index import ColbertIndex, check_encoder
from colbench.index.colbert.manifest import FILE_NAME as MANIFEST
from colbench.index.colbert.manifest import read_manifest
from colbench.index.colbert.settings import IndexSettings
from colbench.parallel import ALONE
from colbench.progress import quieted
from colbench.retriever.analysis import AnalyserSettings
from colbench.settings import Settings, explain
from colbench.vectors import Vectors

_Group = TypeVar("_Group", bound=Settings)
_Text = str | Sequence[str]


class Colbert:
    """A late-interaction model, and the index that it made or opened.

    Made by `from_pretrained` and `open`. An index shows what was last committed by itself; changes
    of other processes are seen by `refresh` or by opening it again. Any number of threads may
    search; one process at a time changes an index.

    >>> from colbench import Colbert
    >>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
    >>> texts = ["Paris is the capital of France.", "Tides are caused by the Moon."]
    >>> rows = [{"topic": "cities", "year": 2024}, {"topic": "nature", "year": 2019}]
    >>> index = model.index(texts, "facts", ids=["paris", "tides"], metadata=rows, verbose=False)
    >>> index.search("capital of France", k=1)[0].id
    'paris'
    >>> [found.id for found in index.search("capital of France", filter={"year": {"$lt": 2020}})]
    ['tides']
    >>> index.delete("tides")
    >>> len(Colbert.open("facts"))
    1
    """

    def __init__(
        self, model: Model | None, opened: Opened | None = None, *, version: bool = False
    ) -> None:
        self._model = model
        self._opened = opened
        self._pinned = version
        self._seen: tuple[int, ...] | None = None
        self._turn = threading.RLock()

    # Making and opening.

    @classmethod
    def from_pretrained(cls, encoder: Any, **settings: Any) -> Colbert:
        """Return a model, loaded when it is first needed.

        Args:
            encoder: as `encoder=` of a run: a name in `conf/encoder/`, a hub name, a folder in
                Stanford ColBERT, PyLate or sentence-transformers format, or `embedded:…`; or an
                `Encoder` that is loaded.
            **settings: keys of `conf/encoder/`, such as `document_length`, `chunk_overlap`,
                `device` and `precision`.

        Raises:
            ConfigError: there is no such name, or a key is unknown.
        """
        return cls(Model.of(encoder, **settings))

    def index(
        self,
        texts: Iterable[str],
        folder: str | Path,
        *,
        ids: Iterable[str] | None = None,
        metadata: Iterable[Mapping[str, Any] | None] | None = None,
        split: bool = True,
        analyser: Mapping[str, Any] | None = None,
        device: str = "cpu",
        verbose: bool = True,
        **settings: Any,
    ) -> Colbert:
        """Index texts in a folder, and return the index.

        Texts may be more than fit in memory. A call that was killed is made again, and goes on with
        what is encoded.

        Args:
            texts: documents, read once.
            folder: new or empty.
            ids: of the documents; "0", "1", … without.
            metadata: of each document a mapping of field to string, number, boolean, date, list of
                strings, or None.
            split: whether texts longer than the model reads are split into passages that overlap by
                `chunk_overlap` tokens; a document scores as its best one. Else the rest is cut off.
            analyser: keys of `system.bm25.analyser`, for hybrid search: `{"stemmer": "german"}`.
            device: where k-means runs: `cpu`, or a CUDA device.
            verbose: whether progress is shown on standard error.
            **settings: keys of `conf/index/`: `nbits`, `centroids`, `dims`, `pooling`, ….

        Raises:
            ConfigError: a setting is unknown or cannot be used.
            DataError: a text, an id or metadata cannot be used, or an id is given twice.
            StorageError: the folder holds something else, or cannot be written.
            WeightsUnavailable: the weights of the model cannot be had.
        """
        model = self.model
        place = Path(folder).expanduser()
        about = About(
            encoder=model.settings,
            given=model.given,
            split=split,
            index=_checked(IndexSettings, settings, "index"),
            analyser=_checked(AnalyserSettings, analyser or {}, "analyser"),
        )
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise DataError(f"texts is of type {type(texts).__name__}: give a list of strings")
        rows = writing.checked_rows(texts, ids, metadata)
        total = len(texts) if isinstance(texts, Sized) else None
        with ALONE, quieted(not verbose):
            writing.build(place, model, rows, about, total=total, device=device)
        return Colbert(model, _opened(place, about, None))

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        version: int | str | None = None,
        encoder: Any = None,
        trust_remote_code: bool = False,
    ) -> Colbert:
        """Open an index; the model is the one that it was made with, and loaded when it is needed.

        Args:
            folder: of the index.
            version: number or name of an earlier commit, which can be searched and not changed.
            encoder: the model where it has moved, or was given as an object; as of
                `from_pretrained`. Another one than that of the index is refused.
            trust_remote_code: whether code that comes with a model from the hub may run; the index
                alone cannot say so.

        Raises:
            StorageError: there is no index, or it is damaged.
            ConfigError: it was made with another model, or with one that only you can give.
            DataError: there is no such version.
        """
        place = Path(folder).expanduser()
        about = read_about(place)
        settings = about.encoder
        if settings.trust_remote_code and encoder is None and not trust_remote_code:
            raise ConfigError(
                f"{place} names the model {settings.model!r}, which runs code of its own: open it "
                "with trust_remote_code=True if you trust that"
            )
        model = None if about.given else Model(settings)
        opened = _opened(place, about, version)
        index = cls(model, opened, version=version is not None)
        if encoder is not None:
            index._model = Model.of(encoder)
            index._check_model()
        return index

    @classmethod
    def open_all(
        cls, folders: Iterable[str | Path | Colbert], *, trust_remote_code: bool = False
    ) -> Several:
        """Open several indexes, to search them as one.

        Args:
            folders: of indexes, or indexes that are open.
            trust_remote_code: as of `open`.
        """
        return Several(
            [
                one
                if isinstance(one, Colbert)
                else cls.open(one, trust_remote_code=trust_remote_code)
                for one in folders
            ]
        )

    # The model alone.

    @property
    def model(self) -> Model:
        """The model; it encodes queries and documents.

        Raises:
            ConfigError: the index was made with an object that was given, and it is not here.
        """
        if self._model is None:
            raise ConfigError(
                f"the index in {self.folder} was made with an encoder that was given as an object: "
                "open it with encoder=, the same one"
            )
        return self._model

    def encode(self, texts: _Text, *, queries: bool = False) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per text, rows of length 1.

        Args:
            texts: one or several; of documents, what is longer than the model reads is cut off.
            queries: whether they are encoded as queries.
        """
        listed = checked_texts(texts, "text")
        if not listed:
            return []
        return self.model.encode_queries(listed) if queries else self.model.encode_documents(listed)

    def rerank(self, query: str, texts: Sequence[str], k: int | None = None) -> list[Result]:
        """Return texts in memory by exact MaxSim with a query; no index is needed.

        Args:
            query: a text.
            texts: documents; long ones score as their best passage.
            k: how many to return; None for all.

        Returns:
            Results whose ids are the places of the texts: "0", "1", ….

        >>> from colbench import Colbert
        >>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
        >>> model.rerank("fruit", ["a stone bridge", "apples and pears"], k=1)[0].text
        'apples and pears'
        """
        if k is not None:
            check_k(k)
        (text,) = checked_texts(query, "query")
        return self.model.rerank(text, checked_texts(texts, "text"), k)

    # Search.

    def search(
        self,
        query: _Text,
        k: int = 10,
        *,
        filter: Mapping[str, Any] | None = None,
        hybrid: bool = False,
        align: bool = False,
        search: str | None = None,
        timings: dict[str, float] | None = None,
        **settings: Any,
    ) -> Any:
        """Return the best documents of a query, or of each of several.

        Args:
            query: a text, or several.
            k: documents wanted; fewer come back only where fewer match.
            filter: over metadata, such as `{"year": {"$gte": 2020}, "lang": "en"}`; documents that
                do not match are never scored.
            hybrid: whether BM25 is asked as well, and the rankings fused by reciprocal rank.
            align: whether results say which token of the passage each query token matched.
            search: an option of `conf/search/`, such as `k10`; default: `k1000`, as in a run.
            timings: receives the seconds of each stage: encode, filter, search, bm25, texts.
            **settings: keys of `conf/search/` in place of those: `nprobe`, `ndocs`, `exhaustive`.

        Returns:
            A list of `Result`, the best first, equal scores by id, descending; of several queries a
            list of such lists.

        Raises:
            ConfigError: the filter or a setting cannot be used, or no index is open.
            DataError: a query is no text, or k is less than 1.
        """
        queries = checked_texts(query, "query")
        found = self.search_all(
            queries,
            k,
            filter=filter,
            hybrid=hybrid,
            align=align,
            search=search,
            timings=timings,
            **settings,
        )
        return found[0] if isinstance(query, str) else found

    def search_all(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        filter: Mapping[str, Any] | None = None,
        hybrid: bool = False,
        align: bool = False,
        search: str | None = None,
        timings: dict[str, float] | None = None,
        fields: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> list[list[Result]]:
        """Return the best documents of each of several queries; arguments as of `search`.

        Args:
            queries: texts.
            k: documents wanted of each.
            filter: over metadata.
            hybrid: whether BM25 is asked as well.
            align: whether results have alignments.
            search: an option of `conf/search/`.
            timings: receives seconds.
            fields: that a filter may name beside those of this index, and their types.
            **settings: of the search.
        """
        check_k(k)
        wanted = Wanted(
            k=k,
            filter=filter,
            fields=fields or {},
            hybrid=hybrid,
            align=align,
            settings=search_settings(search or DEFAULT, k, settings),
        )
        return search_queries(self.opened, self.model, queries, wanted, timings)

    # What it holds.

    @property
    def opened(self) -> Opened:
        """The version that is open.

        Raises:
            ConfigError: no index is.
        """
        if self._opened is None:
            raise ConfigError(
                "no index is open: make one with .index(texts, folder), or Colbert.open(folder)"
            )
        return self._opened

    @property
    def folder(self) -> Path:
        """Where the index lies."""
        return self.opened.folder

    @property
    def state(self) -> ColbertIndex:
        """The vectors, whose documents are passages: see `docs/colbert-index.md`."""
        return self.opened.index

    @property
    def fields(self) -> dict[str, str]:
        """Fields of the metadata, and the type of each."""
        return dict(self.opened.fields)

    @property
    def ids(self) -> list[str]:
        """Ids of all documents, in the order in which they were given."""
        return list(self.opened.database.ids(self.opened.rows))

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.opened)

    def __bool__(self) -> bool:
        """Return True, also of an index without documents."""
        return True

    def __contains__(self, doc_id: object) -> bool:
        """Return whether there is a document of this id."""
        return isinstance(doc_id, str) and bool(self._rows([doc_id]))

    def __repr__(self) -> str:
        """Return the model, or where the index lies and what it holds."""
        if self._opened is None:
            return f"Colbert({self.model.settings.name!r})"
        return f"Colbert({str(self.folder)!r}: {len(self)} documents, version {self.version})"

    def get(self, ids: _Text) -> list[Document]:
        """Return documents by id, in the order given.

        Raises:
            DataError: there is no such document.
        """
        listed = _listed(ids)
        rows = self._rows(listed)
        if missing := [doc for doc in listed if doc not in rows]:
            raise DataError(f"there is no document {missing[0]!r} in {self.folder}")
        return self.opened.database.read([rows[doc] for doc in listed])

    def documents(self) -> Iterator[Document]:
        """Yield all documents in the order in which they were given, a few in memory at a time."""
        opened = self.opened
        for first in range(0, len(opened.rows), _READ):
            yield from opened.database.read(opened.rows[first : first + _READ].tolist())

    def vectors(self, doc_id: str) -> list[Vectors]:
        """Return the vectors of each passage of a document as search scores them.

        Returns:
            float32 (tokens, dims) each, decompressed.

        Raises:
            DataError: there is no such document.
        """
        (document,) = self.get([doc_id])
        opened = self.opened
        number = opened.place(self._rows([doc_id])[doc_id])
        first = int(np.searchsorted(opened.owners, number))
        return [opened.vectors(first + n) for n in range(len(document.passages))]

    def _rows(self, ids: Sequence[str]) -> dict[str, int]:
        found = self.opened.database.rows_of(ids, self.opened.version)
        return {doc: row for doc, (row, _) in found.items()}

    def check(self) -> None:
        """Compare vectors and texts, document by document.

        Raises:
            StorageError: they are of different documents.
        """
        self.opened.check()

    # Changes.

    def add(
        self,
        texts: str | Iterable[str],
        *,
        ids: _Text | Iterable[str] | None = None,
        metadata: Mapping[str, Any] | Iterable[Mapping[str, Any] | None] | None = None,
        verbose: bool = False,
    ) -> None:
        """Add documents, in one commit.

        Args:
            texts: one or several.
            ids: of as many; without, the next numbers.
            metadata: of as many.
            verbose: whether progress is shown on standard error.

        Raises:
            DataError: an id is there already or given twice, or a value cannot be used. Nothing is
                added then.
            StorageError: another process is changing the index.
        """
        if isinstance(texts, str):
            texts, ids, metadata = [texts], _one(ids), _one(metadata)
        elif isinstance(ids, str) or isinstance(metadata, Mapping):
            raise DataError("texts are several, and ids or metadata are one: give lists of all")
        self._change(lambda change: change.add(texts, ids, metadata), verbose)

    def update(
        self,
        texts: _Text | None = None,
        *,
        ids: _Text,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        verbose: bool = False,
    ) -> None:
        """Replace texts, metadata, or both, of documents that are there, in one commit.

        Args:
            texts: new ones; None keeps those that are there.
            ids: of the documents.
            metadata: new ones; None keeps those that are there.
            verbose: whether progress is shown on standard error.

        Raises:
            DataError: an id is not there or given twice, or something cannot be used. Nothing is
                changed then.
            StorageError: another process is changing the index.
        """
        if texts is None and metadata is None:
            raise DataError("nothing to update: give texts, metadata, or both")
        one = isinstance(ids, str)
        if not one and (isinstance(texts, str) or isinstance(metadata, Mapping)):
            raise DataError("ids are several, and texts or metadata are one: give lists of all")
        given: Any = _one(texts) if one else texts
        rows: Any = _one(metadata) if one else metadata
        listed = _listed(ids)
        self._change(lambda change: change.update(listed, given, rows), verbose)

    def delete(self, ids: _Text) -> None:
        """Delete documents, in one commit; their space is free after `compact` and `prune`.

        Raises:
            DataError: there is no such document, or it is given twice. Nothing is deleted then.
            StorageError: another process is changing the index.
        """
        listed = _listed(ids)
        self._change(lambda change: change.delete(listed))

    def compact(self, *, verbose: bool = False) -> None:
        """Rewrite the vectors without those of deleted documents; earlier versions keep theirs.

        Raises:
            StorageError: another process is changing the index.
        """
        self._change(lambda change: change.compact(), verbose)

    def refresh(self) -> None:
        """Show what is committed now, by whatever process; nothing where a version is open."""
        if self._pinned or self._seen == (seen := _seen(self.folder)):
            return
        with self._turn:
            folder, opened = self.folder, self.opened
            if read_manifest(folder / INDEX).change != opened.version:
                self._opened = _opened(folder, opened.about, None, before=opened)
            self._seen = seen

    def snapshot(self) -> Colbert:
        """Return the version that is open now, which no refresh of this object changes."""
        return Colbert(self._model, self.opened, version=True)

    def _change(self, work: Callable[[writing.Change], Any], verbose: bool = False) -> Any:
        if self._pinned:
            raise DataError(
                f"version {self.version} of {self.folder} is open, and versions never change: "
                "open the index without version=, or roll back to it there"
            )
        with self._turn, ALONE, quieted(not verbose):
            folder, about = self.folder, self.opened.about
            try:
                with writing.Change.open(folder, about, self._checked_model) as change:
                    return work(change)
            finally:
                self.refresh()

    def _checked_model(self) -> Model:
        self._check_model()
        return self.model

    # Versions.

    @property
    def version(self) -> int:
        """Number of the commit that is open."""
        return self.opened.version

    def versions(self) -> list[Version]:
        """Return the commits that are kept, the earliest first.

        >>> from colbench import Colbert
        >>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
        >>> index = model.index(["one", "two"], "numbers", verbose=False)
        >>> index.name_version("both")
        >>> index.delete("1")
        >>> [(version.number, version.documents, version.name) for version in index.versions()]
        [(1, 2, 'both'), (2, 1, None)]
        >>> index.rollback("both")
        >>> index.version, index.ids, len(Colbert.open("numbers", version=2))
        (3, ['0', '1'], 1)
        """
        kept = kept_versions.versions(self.folder / INDEX)
        counts = self.opened.database.documents_in(version.number for version in kept)
        return [
            Version(one.number, count, one.name, one.committed)
            for one, count in zip(kept, counts, strict=True)
        ]

    def name_version(self, name: str, version: int | str | None = None) -> None:
        """Name a version, which `prune` then leaves; None names the one that is open.

        Raises:
            ConfigError: the name cannot be used.
            DataError: there is no such version, or the name is a number.
        """
        chosen = self.version if version is None else version
        with writing.Change.open(self.folder, self.opened.about, self._checked_model):
            kept_versions.name_version(self.folder / INDEX, chosen, name)

    def rollback(self, version: int | str) -> None:
        """Return to what an earlier version held, in a new commit.

        Raises:
            DataError: there is no such version.
            StorageError: another process is changing the index.
        """
        number = kept_versions.number_of(self.folder / INDEX, version)
        self._change(lambda change: change.rollback(number))

    def prune(
        self, keep: int | None = None, *, versions: Iterable[int | str] = (), named: bool = False
    ) -> list[int]:
        """Forget earlier versions, remove what only they held, and return their numbers.

        Args:
            keep: how many of the latest stay; None forgets only those given.
            versions: others to forget, by number or name.
            named: whether `keep` also forgets those that have a name.

        Raises:
            DataError: there is no such version, or the latest is given.
            StorageError: another process is changing the index.
        """
        gone = list(versions)
        return list(
            self._change(lambda change: change.prune(keep=keep, versions=gone, named=named))
        )

    def share_model(self, other: Colbert) -> None:
        """Use the model of another index, which was made with the same one."""
        if self._model is not other._model and other._model is not None:
            self._model = other._model

    def _check_model(self) -> None:
        check_encoder(self.folder, self.state.manifest, self.model.encoder.document_fingerprint)


_READ = 1000


def _seen(folder: Path) -> tuple[int, ...] | None:
    """Return what tells one manifest from another without reading it; None where there is none."""
    try:
        status = (folder / INDEX / MANIFEST).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _opened(
    folder: Path, about: About, version: int | str | None, before: Opened | None = None
) -> Opened:
    """Open vectors and database, both of one version."""
    try:
        if before is None:
            index = ColbertIndex.open(folder / INDEX, version=version)
        else:
            index = before.index.reopened()
    except StorageError as error:
        if not (folder / INDEX / MANIFEST).exists():
            raise StorageError(
                f"the index in {folder} is not finished: index the same texts again, it goes on"
            ) from error
        raise
    return Opened(folder, about, index, Database(folder) if before is None else before.database)


def _one(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


def _listed(ids: Any) -> list[str]:
    return [ids] if isinstance(ids, str) else checked_ids(ids)


def _checked(kind: type[_Group], values: Mapping[str, Any], where: str) -> _Group:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(explain(error, kind, where)) from None
