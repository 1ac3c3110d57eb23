"""The ColBERT index on its own: built of matrices or texts, searched, changed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from colbench.collection.model import Document
from colbench.config.models import named_settings
from colbench.errors import ConfigError, DataError
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex as IndexState
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.versions import Version, name_version, versions
from colbench.index.colbert.writer import IndexWriter
from colbench.parallel import ALONE
from colbench.progress import quieted
from colbench.settings import explain

_GIVEN = "vectors that were given"
"""Stands for the encoder where only vectors are known."""

_SEARCH = "k1000"
"""Option of `conf/search/` whose settings hold where nothing else is asked for, as in a run."""

Matrix = NDArray[Any]
"""Float (tokens, dims), rows of length 1; a tensor of torch will do."""

AnyDocuments = Mapping[str, Any] | tuple[Any, Any] | Iterable[Any]
"""What `ColbertIndex.build` takes for documents."""


class TokenEncoder(Protocol):
    """What turns texts into token vectors: a `MultiVectorEncoder` of sentence-transformers."""

    def encode_document(self, inputs: list[str], /, **options: Any) -> Any:
        """Return one matrix of token vectors a text."""
        ...

    def encode_query(self, inputs: list[str], /, **options: Any) -> Any:
        """Return one matrix of token vectors a text."""
        ...


class ColbertIndex:
    """An index in a folder: ColBERTv2's compression, PLAID's search.

    Made by `build` and `open`. It shows what was last committed by itself; changes that another
    process made are seen by opening it again.

    Attributes:
        state: what is open, for all that `docs/colbert-index.md` tells of.

    >>> import colbench, numpy as np
    >>> vectors = np.eye(8, dtype=np.float32)
    >>> documents = {"a": vectors[:3], "b": vectors[3:6]}
    >>> index = colbench.ColbertIndex.build("my_index", documents, nbits=4)
    >>> index.search(vectors[4:6], k=1)[0][0]
    'b'
    >>> index.add({"c": vectors[6:]})
    >>> index.delete(["a"])
    >>> len(index), "c" in index, "a" in colbench.ColbertIndex.open("my_index")
    (2, True, False)
    """

    def __init__(self, state: IndexState, encoder: TokenEncoder | None = None) -> None:
        self.state = state
        self._encoder = encoder
        self._searchers: dict[str, Searcher] = {}
        self._earlier = False

    @classmethod
    def build(
        cls,
        folder: str | Path,
        documents: AnyDocuments,
        *,
        encoder: TokenEncoder | str | None = None,
        device: str = "cpu",
        keep_versions: bool = False,
        verbose: bool = False,
        **settings: Any,
    ) -> ColbertIndex:
        """Build an index and open it.

        Args:
            folder: new or empty.
            documents: ids and token matrices: a mapping, pairs, or `(ids, matrices)`; matrices
                alone have the ids "0", "1", …. With an encoder, texts in place of matrices, or
                documents of a collection. `(encoder, texts)` is the same as `encoder=`.
            encoder: a MultiVectorEncoder of sentence-transformers (6.0 or later), or, for matrices,
                a name for what made them, which `open` can check.
            device: where k-means runs: `cpu`, or a CUDA device.
            keep_versions: whether this commit and each later one can be opened and returned to.
            verbose: whether progress is shown on standard error.
            **settings: build parameters: `nbits`, `centroids`, `dims`, `pooling` and those of
                `conf/index/`.

        Raises:
            ConfigError: a setting is unknown or cannot be used.
            DataError: ids or matrices cannot be used: NaN, rows that are not of length 1.
            StorageError: the folder holds something, or cannot be written.

        >>> import colbench, numpy as np
        >>> ids, matrices = ["a", "b"], [np.eye(8)[:3], np.eye(8)[3:]]
        >>> colbench.ColbertIndex.build("another_index", (ids, matrices), nbits=2)
        ColbertIndex('another_index': 2 documents, 8 tokens of 8 dimensions, nbits=2)
        """
        if isinstance(documents, tuple) and documents and _encodes(documents[0]):
            encoder, documents = documents
        model = None if encoder is None or isinstance(encoder, str) else encoder
        chosen = _checked(IndexSettings, settings, "index")
        name = encoder if isinstance(encoder, str) else fingerprint(model)
        with quieted(not verbose):
            ids, matrices = matrices_of(documents, model)
            dims = matrices[0].shape[1] if matrices else settings.get("dims")
            if dims is None:
                raise DataError("no documents: give one at least, or dims for an empty index")
            given = Documents.of(ids, matrices, int(dims))
            with ALONE:
                build_index(
                    Path(folder).expanduser(),
                    given,
                    chosen,
                    encoder=name,
                    device=device,
                    keep_versions=keep_versions,
                )
        return cls(IndexState.open(Path(folder).expanduser(), encoder=name), model)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        encoder: TokenEncoder | str | None = None,
        version: int | str | None = None,
    ) -> ColbertIndex:
        """Open an index; its arrays are mapped, not read into memory.

        Args:
            folder: of the index.
            encoder: that of the build, which is checked; with a model, texts can be searched.
            version: number or name of a commit, where the index keeps them; what is opened so
                can be searched and not changed.

        Raises:
            StorageError: there is none, or it is damaged.
            ConfigError: it was built with another encoder.
            DataError: there is no such version.
        """
        model = None if encoder is None or isinstance(encoder, str) else encoder
        name = encoder if isinstance(encoder, str) else fingerprint(model) if model else None
        index = cls(
            IndexState.open(Path(folder).expanduser(), encoder=name, version=version), model
        )
        index._earlier = version is not None
        return index

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.state.folder

    @property
    def ids(self) -> list[str]:
        """Ids of the documents that a search can find."""
        return list(self.state.numbers)

    def __len__(self) -> int:
        """Return the number of documents that a search can find."""
        return self.state.live_documents

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self.state.numbers

    def __repr__(self) -> str:
        """Return where it lies and what it holds."""
        settings = self.state.manifest.settings
        return (
            f"ColbertIndex({str(self.folder)!r}: {len(self)} documents, "
            f"{self.state.holds.tokens} tokens of {self.state.manifest.dims} dimensions, "
            f"nbits={settings.nbits})"
        )

    def search(
        self,
        query: Matrix | str,
        k: int = 10,
        *,
        among: Collection[str] | None = None,
        **settings: Any,
    ) -> list[tuple[str, float]]:
        """Return the best documents of a query.

        Args:
            query: float (tokens, dims), rows of length 1; a text where the encoder is known.
            k: documents wanted; fewer come back only where fewer have a token.
            among: ids of the documents that may be found; the search is of them alone, so that
                the others take no place in it.
            **settings: search parameters in place of the default ones (`conf/search/k1000.yaml`):
                `nprobe`, `ndocs`, `centroid_score_threshold`, `exhaustive`, `arithmetic`.

        Returns:
            (document id, score), the best first; equal scores by id, descending.

        Raises:
            ConfigError: a setting is unknown, or a text is given and no encoder is known.
            DataError: the query cannot be used, k is less than 1, or an id is not in the index.

        >>> import colbench, numpy as np
        >>> documents = {"a": np.eye(8)[:3], "b": np.eye(8)[3:6], "c": np.eye(8)[2:4]}
        >>> index = colbench.ColbertIndex.build("filtered_index", documents)
        >>> [name for name, _ in index.search(np.eye(8)[3:6], k=2, among=["a", "c"])]
        ['c', 'a']
        """
        if not isinstance(k, int) or k < 1:
            raise DataError(f"k={k!r}: ask for at least one document")
        deep = {"ndocs": None} if k > 1000 else {}  # else a quarter of them is all there is
        key = repr(sorted({**deep, **settings}.items()))
        if key not in self._searchers:
            values = {**named_settings("search", _SEARCH, (), {}), **deep, **settings}
            chosen = _checked(SearchSettings, values, "search")
            self._searchers[key] = Searcher(self.state, chosen)
        vectors = self._vectors(query)
        with ALONE:
            hits = self._searchers[key].search(vectors, k, allowed=self._allowed(among), fill=True)
        names = map(self.state.doc_id, hits.docs.tolist())
        return list(zip(names, hits.scores.tolist(), strict=True))

    def _allowed(self, among: Collection[str] | None) -> NDArray[np.bool_] | None:
        if among is None:
            return None
        allowed = np.zeros(self.state.documents, dtype=np.bool_)
        allowed[self.state.numbers_of(among)] = True
        return allowed

    def versions(self) -> list[Version]:
        """Return the commits that are kept, the earliest first.

        Raises:
            StorageError: the index keeps none.

        >>> import colbench, numpy as np
        >>> documents = {"a": np.eye(8)[:3], "b": np.eye(8)[3:]}
        >>> index = colbench.ColbertIndex.build("kept_index", documents, keep_versions=True)
        >>> index.name_version("both")
        >>> index.delete(["b"])
        >>> [(version.number, version.documents, version.name) for version in index.versions()]
        [(1, 2, 'both'), (2, 1, None)]
        >>> index.rollback("both")
        >>> index.version, index.ids, index.prune(keep=1)
        (3, ['a', 'b'], [2])
        """
        return versions(self.folder)

    @property
    def version(self) -> int:
        """Number of the commit that is open."""
        return self.state.manifest.change

    def name_version(self, name: str, version: int | str | None = None) -> None:
        """Name a version, which `prune` then leaves; None names the one that is open.

        Raises:
            ConfigError: the name cannot be used.
            DataError: there is no such version, or the name is a number.
            StorageError: the index keeps none, or another process is writing to it.
        """
        with quieted(), self._writer():
            name_version(self.folder, self.version if version is None else version, name)

    def rollback(self, version: int | str) -> None:
        """Return to what an earlier version held, in a new commit.

        Raises:
            DataError: there is no such version.
            StorageError: the index keeps none, or another process is writing to it.
        """
        with quieted(), self._writer() as writer:
            writer.rollback(version)
        self._settle()

    def prune(
        self,
        keep: int | None = None,
        *,
        versions: Iterable[int | str] = (),
        named: bool = False,
    ) -> list[int]:
        """Forget earlier versions, remove what only they held, and return their numbers.

        Args:
            keep: how many of the latest stay; None forgets only those given.
            versions: others to forget, by number or name.
            named: whether `keep` also forgets those that have a name.

        Raises:
            DataError: there is no such version, or the latest is given.
            StorageError: the index keeps none, or another process is writing to it.
        """
        with quieted(), self._writer() as writer:
            return list(writer.prune(keep=keep, versions=versions, named=named))

    def _vectors(self, query: Any) -> NDArray[np.float32]:
        if isinstance(query, str):
            if self._encoder is None:
                raise ConfigError(
                    "a text needs an encoder: ColbertIndex.open(folder, encoder=model), or give "
                    "token vectors"
                )
            (query,) = self._encoder.encode_query([query])
        vectors = matrix(query, "the query")
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def add(self, documents: AnyDocuments, *, verbose: bool = False) -> None:
        """Add documents, as `build` takes them.

        Raises:
            DataError: an id is there already, or matrices cannot be used. Nothing is added then.
            StorageError: another process is writing to the index.
        """
        self._put(documents, verbose, update=False)

    def update(self, documents: AnyDocuments, *, verbose: bool = False) -> None:
        """Replace documents that are there by new versions.

        Raises:
            DataError: an id is not there, or matrices cannot be used. Nothing is changed then.
            StorageError: another process is writing to the index.
        """
        self._put(documents, verbose, update=True)

    def delete(self, ids: Iterable[str]) -> None:
        """Delete documents; `compact` reclaims their space.

        Raises:
            DataError: an id is not in the index. Nothing is deleted then.
            StorageError: another process is writing to the index.
        """
        with quieted(), self._writer() as writer:
            writer.delete(ids)
        self._settle()

    def compact(self, *, verbose: bool = False) -> None:
        """Rewrite the documents as one segment, and free the space of deleted ones.

        Raises:
            StorageError: another process is writing to the index.
        """
        with ALONE, quieted(not verbose), self._writer() as writer:
            writer.compact()
        self._settle()

    def _put(self, documents: AnyDocuments, verbose: bool, *, update: bool) -> None:
        with ALONE, quieted(not verbose), self._writer() as writer:
            ids, matrices = matrices_of(documents, self._encoder)
            given = Documents.of(ids, matrices, self.state.manifest.encoder_dims)
            (writer.update if update else writer.add)(given)
        self._settle()

    def _writer(self) -> Any:
        if self._earlier:
            raise DataError(
                f"version {self.version} of {self.folder} is open, and versions never change: "
                "open the index without version=, or roll back to it there"
            )
        return IndexWriter.open(self.folder, encoder=self.state.manifest.encoder)

    def _settle(self) -> None:
        self.state = IndexState.open(self.folder, checksums=False)
        self._searchers.clear()


def _checked(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(explain(error, kind, where)) from None


def _encodes(value: object) -> bool:
    return callable(getattr(value, "encode_document", None))


def matrices_of(
    documents: Any, encoder: TokenEncoder | None
) -> tuple[list[str], list[NDArray[Any]]]:
    """Return ids and matrices, texts encoded.

    Raises:
        DataError: they are in no form that is known, or there is no encoder for texts.
    """
    ids, values = _ids_and_values(documents)
    texts = [value.text if isinstance(value, Document) else value for value in values]
    if not any(isinstance(text, str) for text in texts):
        return ids, [matrix(one, f"document {doc!r}") for doc, one in zip(ids, texts, strict=True)]
    if not all(isinstance(text, str) for text in texts):
        raise DataError("some documents are texts and some are matrices: give all in one form")
    if encoder is None:
        raise DataError("documents are texts: give encoder=, a MultiVectorEncoder")
    encoded = encoder.encode_document(texts)
    # As the cache of a run keeps them.
    return ids, [
        matrix(one, f"document {doc!r}").astype(np.float16)
        for doc, one in zip(ids, encoded, strict=True)
    ]


def _ids_and_values(documents: Any) -> tuple[list[str], list[Any]]:
    if isinstance(documents, Mapping):
        return list(documents), list(documents.values())
    if isinstance(documents, str | bytes) or not isinstance(documents, Iterable):
        raise DataError(
            f"documents of type {type(documents).__name__}: give a mapping of id to matrix, pairs, "
            "or (ids, matrices)"
        )
    listed = list(documents)
    if isinstance(documents, tuple) and len(listed) == 2 and _are_ids(listed[0]):
        ids, values = list(listed[0]), list(listed[1])
        if len(ids) != len(values):
            raise DataError(f"{len(ids)} document ids were given with {len(values)} matrices")
        return ids, values
    if listed and all(isinstance(one, Document) for one in listed):
        return [document.id for document in listed], listed
    if listed and all(map(_is_pair, listed)):
        return [pair[0] for pair in listed], [pair[1] for pair in listed]
    return [str(number) for number in range(len(listed))], listed


def _are_ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str)


def matrix(value: Any, what: str) -> NDArray[Any]:
    """Return token vectors as an array of numpy.

    Raises:
        DataError: they are no matrix of floating-point numbers.
    """
    if hasattr(value, "detach"):  # a tensor of torch, which numpy does not take from a GPU
        value = value.detach().float().cpu().numpy()
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.ndim == 2 and found.dtype.kind in "iu":
        found = found.astype(np.float32)
    if found.ndim != 2 or found.dtype.kind != "f":
        shape = "x".join(map(str, found.shape)) or "none"
        raise DataError(
            f"{what}: token vectors of shape {shape} and type {found.dtype}: give floats, tokens x "
            "dims"
        )
    return found


def fingerprint(encoder: TokenEncoder | None) -> str:
    """Return what stands for an encoder in an index: a digest of its weights."""
    if encoder is None:
        return _GIVEN
    digest = hashlib.sha256(type(encoder).__qualname__.encode())
    state: Mapping[str, Any] = getattr(encoder, "state_dict", dict)()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(matrix_bytes(state[name]))
    return digest.hexdigest()


def matrix_bytes(tensor: Any) -> bytes:
    """Return the bytes of a tensor, of whatever type."""
    import torch

    flat = tensor.detach().cpu().contiguous().view(-1)
    return bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""
