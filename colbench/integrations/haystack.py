"""Haystack: an index as a retriever component, a model as a ranker. On haystack-ai alone.

>>> from colbench import Colbert
>>> from colbench.integrations.haystack import ColbertRetriever
>>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
>>> index = model.index(["Cats purr.", "Dogs bark."], "pets", verbose=False)
>>> ColbertRetriever(index=index, k=1).run("What do cats do?")["documents"][0].content
'Cats purr.'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from colbench.errors import PackagesUnavailable
from colbench.integrations import described, searched

try:
    from haystack import Document, component
except ImportError as error:
    raise PackagesUnavailable(
        "colbench.integrations.haystack needs haystack-ai: pip install 'colbench[haystack]'"
    ) from error


@component
class ColbertRetriever:
    """A retriever over an application's index.

    A document has the id, text and score of a result, and in its meta the fields of the index
    beside `rank` and `passage`.

    Args:
        index: of `Colbert.open`, or several of `Colbert.open_all`.
        k: documents of a query.
        filter: over metadata, in colbench's spelling.
        options: of the search: hybrid, search, nprobe, ….
    """

    def __init__(
        self,
        index: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.index = index
        self.k = k
        self.filter = filter
        self.options: Mapping[str, Any] = options or {}

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, k: int | None = None, filter: dict[str, Any] | None = None
    ) -> dict[str, list[Document]]:
        """Return the best documents of a query.

        Args:
            query: a text.
            k: in place of that of the component.
            filter: in place of that of the component.
        """
        chosen = self.filter if filter is None else filter
        found = searched(self.index, query, self.k if k is None else k, chosen, self.options)
        documents = []
        for result in found:
            meta = {key: value for key, value in described(result).items() if key not in _OWN}
            documents.append(
                Document(id=result.id, content=result.text, meta=meta, score=result.score)
            )
        return {"documents": documents}


_OWN = ("id", "score")
"""What a document has beside its meta."""


@component
class ColbertRanker:
    """Reranks documents of any retriever by exact MaxSim, and keeps the best.

    Args:
        model: of `Colbert.from_pretrained`, or an index.
        k: documents that are kept; None for all.
    """

    def __init__(self, model: Any, k: int | None = None) -> None:
        self.model = model
        self.k = k

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, documents: list[Document], k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return documents by their scores.

        Args:
            query: a text.
            documents: whose content is ranked.
            k: in place of that of the component.
        """
        texts = [document.content or "" for document in documents]
        ranked = self.model.rerank(query, texts, self.k if k is None else k)
        return {
            "documents": [
                dataclasses.replace(documents[int(result.id)], score=result.score)
                for result in ranked
            ]
        }
