"""LangChain: an index as a retriever, a model as a document compressor. On langchain-core alone.

>>> from colbench import Colbert
>>> from colbench.integrations.langchain import ColbertRetriever
>>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
>>> index = model.index(["Cats purr.", "Dogs bark."], "pets", verbose=False)
>>> retriever = ColbertRetriever(index=index, k=1)
>>> retriever.invoke("What do cats do?")[0].page_content
'Cats purr.'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from colbench.errors import PackagesUnavailable
from colbench.integrations import described, searched

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun, Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import Runnable, RunnableLambda
except ImportError as error:
    raise PackagesUnavailable(
        "colbench.integrations.langchain needs langchain-core: pip install 'colbench[langchain]'"
    ) from error


class ColbertRetriever(BaseRetriever):
    """A retriever over an application's index.

    A document has the text, and in its metadata the fields of the index beside `id`, `score`,
    `rank` and `passage`. `invoke(query, k=…, filter=…)` takes others for one call. Searches run in
    LangChain's own threads where they are awaited.
    """

    index: Any = Field(description="of `Colbert.open`, or several of `Colbert.open_all`")
    k: int = Field(default=4, ge=1, description="documents of a query")
    filter: dict[str, Any] | None = Field(default=None, description="over metadata")
    text: Literal["document", "passage"] = Field(
        default="document", description="what page_content has: all of it, or the best passage"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="of the search: hybrid, search, nprobe, …"
    )

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: dict[str, Any] | None = None,
    ) -> list[Document]:
        """Return the best documents of a query."""
        chosen = self.filter if filter is None else filter
        found = searched(self.index, query, self.k if k is None else k, chosen, self.options)
        return [
            Document(
                id=result.id,
                page_content=result.text if self.text == "document" else result.passage.text,
                metadata=described(result),
            )
            for result in found
        ]


class ColbertCompressor(BaseDocumentCompressor):
    """Reranks documents of any retriever by exact MaxSim, and keeps the best.

    >>> from colbench import Colbert
    >>> from langchain_core.documents import Document
    >>> from colbench.integrations.langchain import ColbertCompressor
    >>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
    >>> texts = [Document(page_content=text) for text in ("Dogs bark.", "Cats purr.")]
    >>> best = ColbertCompressor(model=model, k=1).compress_documents(texts, "a cat")
    >>> best[0].page_content, round(best[0].metadata["relevance_score"], 1)
    ('Cats purr.', 2.7)
    """

    model: Any = Field(description="of `Colbert.from_pretrained`, or an index")
    k: int | None = Field(default=None, ge=1, description="documents that are kept; None for all")

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Return the best documents, with `relevance_score` in their metadata."""
        listed = list(documents)
        ranked = self.model.rerank(query, [one.page_content for one in listed], self.k)
        best = []
        for result in ranked:
            given = listed[int(result.id)]
            metadata = {**given.metadata, "relevance_score": result.score}
            best.append(given.model_copy(update={"metadata": metadata}))
        return best

    def runnable(self) -> Runnable[dict[str, Any], list[Document]]:
        """Return the same as a step of a chain: takes `query` and `documents`."""
        return RunnableLambda(
            lambda given: list(self.compress_documents(given["documents"], given["query"]))
        )
