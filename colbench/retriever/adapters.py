"""Retrievers of LangChain, LlamaIndex and Haystack as systems of kind `python`.

Each is called as its framework calls it, and no framework is imported here. What is benchmarked is
a retriever over an index that is there already, of the documents of the collection: it is asked,
and not given the documents.

    from colbench.retriever.adapters import LangChain
    results = colbench.run(dataset="my_folder", systems={"mine": LangChain(retriever)})

A found document has to be told from others by an id of the collection: its own, or one under
`id_key` of its metadata. Where a pipeline splits documents, several parts of one are found: the
best of them stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from colbench.collection.raw import short
from colbench.errors import ConfigError, DataError


class _Adapter:
    """A retriever of a framework.

    Args:
        retriever: of the framework.
        id_key: key of the metadata that holds the collection's id; default: the document's own id.
    """

    _call = ""
    _known = ""

    def __init__(self, retriever: Any, id_key: str | None = None) -> None:
        if not callable(getattr(retriever, self._call, None)):
            raise ConfigError(
                f"{type(self).__name__} takes {self._known}, with {self._call}(…): "
                f"{type(retriever).__name__} has none"
            )
        self.retriever, self.id_key = retriever, id_key

    def search(self, query: str, k: int) -> list[tuple[str, float]]:
        """Return the k best documents.

        Without scores, which a retriever may leave out, its order is what counts: a document has
        the inverse of its rank then.

        Raises:
            DataError: a document has no id of the collection, or the answer is no list.
        """
        answer = self._answer(query, k)
        if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
            raise DataError(f"{type(self).__name__}: {type(answer).__name__} is no list of results")
        found = [(self._id(document), score) for document, score in map(self._taken, answer)]
        scored = bool(found) and all(score is not None for _, score in found)
        best: dict[str, float] = {}
        for rank, (doc_id, score) in enumerate(found, start=1):
            value = float(score) if scored and score is not None else 1 / rank
            best[doc_id] = max(value, best.get(doc_id, value))
        return sorted(best.items(), key=lambda item: -item[1])[:k]

    def _answer(self, query: str, k: int) -> Any:
        raise NotImplementedError

    def _taken(self, result: Any) -> tuple[Any, Any]:
        """Return a document, and its score or None."""
        raise NotImplementedError

    def _metadata(self, document: Any) -> Any:
        return getattr(document, "metadata", None)

    def _own_id(self, document: Any) -> Any:
        return getattr(document, "id", None)

    def _id(self, document: Any) -> str:
        if self.id_key is None:
            found = self._own_id(document)
            place, remedy = "id", "; where the metadata has it, say under which key: id_key='…'"
        else:
            metadata = self._metadata(document)
            metadata = metadata if isinstance(metadata, Mapping) else {}
            found = metadata.get(self.id_key)
            keys = ", ".join(map(str, metadata)) or "nothing"
            place, remedy = f"'{self.id_key}' in its metadata", f", which holds {keys}"
        if found is None or isinstance(found, bool) or not isinstance(found, str | int):
            raise DataError(
                f"{type(self).__name__}: a document that was found has no {place}{remedy}: "
                f"{short(str(document))}"
            )
        return str(found)


class LangChain(_Adapter):
    """A `BaseRetriever` of LangChain, or anything with its `invoke(query)`.

    How many documents it finds is its own setting (`search_kwargs={"k": 100}`): let it be as many
    as the measures look at. LangChain's retrievers return no scores.

    >>> from types import SimpleNamespace as Some
    >>> found = [Some(id="d2", metadata={}), Some(id="d1", metadata={})]
    >>> LangChain(Some(invoke=lambda query: found)).search("a query", 10)
    [('d2', 1.0), ('d1', 0.5)]
    """

    _call, _known = "invoke", "a retriever of LangChain"

    def _answer(self, query: str, k: int) -> Any:
        return self.retriever.invoke(query)

    def _taken(self, result: Any) -> tuple[Any, Any]:
        return result, None


class LlamaIndex(_Adapter):
    """A `BaseRetriever` of LlamaIndex, or anything with its `retrieve(query)`.

    How many nodes it finds is its own setting (`similarity_top_k=100`). A node that is part of a
    document counts for the document it comes from, `ref_doc_id`, where it names one.

    >>> from types import SimpleNamespace as Some
    >>> node = Some(node_id="n7", ref_doc_id="d2", metadata={})
    >>> LlamaIndex(Some(retrieve=lambda query: [Some(node=node, score=0.8)])).search("a query", 10)
    [('d2', 0.8)]
    """

    _call, _known = "retrieve", "a retriever of LlamaIndex"

    def _answer(self, query: str, k: int) -> Any:
        return self.retriever.retrieve(query)

    def _taken(self, result: Any) -> tuple[Any, Any]:
        return getattr(result, "node", result), getattr(result, "score", None)

    def _own_id(self, document: Any) -> Any:
        source = getattr(document, "ref_doc_id", None)
        return source if source is not None else getattr(document, "node_id", None)


class Haystack(_Adapter):
    """A retriever component or a pipeline of Haystack, asked with `run`.

    Args:
        retriever: a component with `run(query=…, top_k=…)`, such as `InMemoryBM25Retriever`; or a
            `Pipeline` with `inputs`.
        id_key: key of a document's `meta` that holds the collection's id; default: its own id.
        inputs: of a pipeline: `(query, k) -> data`, what its `run(data)` takes.
        output: of a pipeline: the component whose `documents` count.

    >>> from types import SimpleNamespace as Some
    >>> def run(query, top_k):
    ...     return {"documents": [Some(id="d2", meta={}, score=3.5)][:top_k]}
    >>> Haystack(Some(run=run)).search("a query", 10)
    [('d2', 3.5)]
    """

    _call, _known = "run", "a retriever or a pipeline of Haystack"

    def __init__(
        self, retriever: Any, id_key: str | None = None, *, inputs: Any = None, output: str = ""
    ) -> None:
        super().__init__(retriever, id_key)
        if (inputs is None) != (not output):
            raise ConfigError(
                "Haystack: a pipeline needs both inputs=(query, k) -> data and output"
            )
        self.inputs, self.output = inputs, output

    def _answer(self, query: str, k: int) -> Any:
        if self.inputs is None:
            answer = self.retriever.run(query=query, top_k=k)
        else:
            answer = self.retriever.run(self.inputs(query, k))
            answer = answer.get(self.output) if isinstance(answer, Mapping) else answer
        if not isinstance(answer, Mapping) or "documents" not in answer:
            raise DataError("Haystack: the answer has no 'documents': name the component as output")
        return answer["documents"]

    def _taken(self, result: Any) -> tuple[Any, Any]:
        return result, getattr(result, "score", None)

    def _metadata(self, document: Any) -> Any:
        return getattr(document, "meta", None)
