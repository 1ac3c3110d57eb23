"""LlamaIndex: an index as a retriever, a model as a node postprocessor. On llama-index-core alone.

>>> from colbench import Colbert
>>> from colbench.integrations.llama_index import ColbertRetriever
>>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
>>> index = model.index(["Cats purr.", "Dogs bark."], "pets", verbose=False)
>>> ColbertRetriever(index=index, k=1).retrieve("What do cats do?")[0].text
'Cats purr.'
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from colbench.errors import DataError, PackagesUnavailable
from colbench.integrations import described, searched

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.bridge.pydantic import Field
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise PackagesUnavailable(
        "colbench.integrations.llama_index needs llama-index-core: "
        "pip install 'colbench[llama-index]'"
    ) from error

_OF_THE_SEARCH = ("id", "score", "rank", "passage", "index")


class ColbertRetriever(BaseRetriever):
    """A retriever over an application's index.

    A node has the id and text of its document, and in its metadata the fields of the index beside
    `id`, `score`, `rank` and `passage`, which language models and embeddings are not shown.

    Args:
        index: of `Colbert.open`, or several of `Colbert.open_all`.
        k: documents of a query.
        filter: over metadata.
        text: what a node has: the whole document, or its best passage.
        options: of the search: hybrid, search, nprobe, ….
        **base: of LlamaIndex's retriever, such as `callback_manager`.
    """

    def __init__(
        self,
        index: Any,
        k: int = 4,
        *,
        filter: Mapping[str, Any] | None = None,
        text: Literal["document", "passage"] = "document",
        options: Mapping[str, Any] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self._index = index
        self._k = k
        self._filter = filter
        self._text = text
        self._options = dict(options or {})

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = searched(self._index, query_bundle.query_str, self._k, self._filter, self._options)
        return [
            NodeWithScore(
                node=TextNode(
                    id_=result.id,
                    text=result.text if self._text == "document" else result.passage.text,
                    metadata=described(result),
                    excluded_llm_metadata_keys=list(_OF_THE_SEARCH),
                    excluded_embed_metadata_keys=list(_OF_THE_SEARCH),
                ),
                score=result.score,
            )
            for result in found
        ]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


class ColbertPostprocessor(BaseNodePostprocessor):
    """Reranks nodes of any retriever by exact MaxSim, and keeps the best.

    >>> from colbench import Colbert
    >>> from llama_index.core.schema import NodeWithScore, TextNode
    >>> from colbench.integrations.llama_index import ColbertPostprocessor
    >>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
    >>> nodes = [NodeWithScore(node=TextNode(text=one)) for one in ("Dogs bark.", "Cats purr.")]
    >>> ColbertPostprocessor(model=model, k=1).postprocess_nodes(nodes, query_str="a cat")[0].text
    'Cats purr.'
    """

    model: Any = Field(description="of `Colbert.from_pretrained`, or an index", exclude=True)
    k: int | None = Field(default=None, ge=1, description="nodes that are kept; None for all")

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex knows it."""
        return "ColbertPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise DataError("ColbertPostprocessor ranks nodes by a query: give query_str")
        texts = [one.node.get_content(metadata_mode=MetadataMode.NONE) for one in nodes]
        ranked = self.model.rerank(query_bundle.query_str, texts, self.k)
        return [
            NodeWithScore(node=nodes[int(result.id)].node, score=result.score) for result in ranked
        ]

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._postprocess_nodes, nodes, query_bundle)
