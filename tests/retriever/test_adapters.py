"""Retrievers of LangChain, LlamaIndex and Haystack as systems."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace as Some

import pytest

from colbench.errors import ConfigError, DataError
from colbench.retriever.adapters import Haystack, LangChain, LlamaIndex

TEXTS = {"a": "cats sleep all day", "b": "dogs bark at night", "c": "the moon pulls the sea"}
QUESTIONS = {"q1": "do cats sleep", "q2": "what pulls the sea"}


def overlap(query, text):
    return len(set(query.split()) & set(text.split()))


def ordered(query):
    return sorted(TEXTS, key=lambda one: -overlap(query, TEXTS[one]))


def langchain(key="source"):
    def invoke(query):
        return [Some(id=None, page_content=TEXTS[i], metadata={key: i}) for i in ordered(query)]

    return Some(invoke=invoke)


def llama_index():
    def retrieve(query):
        return [
            Some(node=Some(node_id=f"node-{i}", ref_doc_id=i, metadata={}), score=score)
            for i in TEXTS
            if (score := overlap(query, TEXTS[i]) / 10)
        ]

    return Some(retrieve=retrieve)


def haystack():
    def run(query, top_k):
        found = [Some(id=i, meta={}, score=float(overlap(query, TEXTS[i]))) for i in ordered(query)]
        return {"documents": found[:top_k]}

    return Some(run=run)


def pipeline():
    def run(data):
        query, k = data["embedder"]["text"], data["retriever"]["top_k"]
        return {"retriever": haystack().run(query, k), "reader": {"answers": []}}

    return Some(run=run)


def inputs(query, k):
    return {"embedder": {"text": query}, "retriever": {"top_k": k}}


@pytest.mark.parametrize(
    "system",
    [
        LangChain(langchain(), id_key="source"),
        LlamaIndex(llama_index()),
        Haystack(haystack()),
        Haystack(pipeline(), inputs=inputs, output="retriever"),
    ],
    ids=["langchain", "llama_index", "haystack", "pipeline"],
)
def test_documents_come_by_the_ids_of_the_collection(system):
    found = system.search("what pulls the sea", 2)
    assert found[0][0] == "c" and len(found) <= 2
    assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)


def test_the_best_part_of_a_document_stands_for_it():
    parts = [Some(id=None, metadata={"source": one}) for one in ("b", "a", "b", "c")]
    found = LangChain(Some(invoke=lambda query: parts), id_key="source").search("x", 2)
    assert found == [("b", 1.0), ("a", 0.5)]
    scored = [
        Some(node=Some(node_id=str(n), ref_doc_id="a", metadata={}), score=score)
        for n, score in enumerate((0.2, 0.9))
    ]
    assert LlamaIndex(Some(retrieve=lambda query: scored)).search("x", 5) == [("a", 0.9)]


def test_an_order_counts_where_a_score_is_missing():
    nodes = [
        Some(node=Some(node_id="a", metadata={}), score=None),
        Some(node=Some(node_id="b", metadata={}), score=5.0),
    ]
    assert LlamaIndex(Some(retrieve=lambda query: nodes)).search("x", 5) == [("a", 1), ("b", 0.5)]


def test_a_number_under_the_key_is_an_id():
    found = [Some(metadata={"row": 7})]
    assert LangChain(Some(invoke=lambda q: found), id_key="row").search("x", 5) == [("7", 1.0)]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([Some(id=None, metadata={"source": "a"})], "has no id; where the metadata has it"),
        ([Some(id=["a"], metadata={})], "has no id"),
        ("text", "str is no list of results"),
        (None, "NoneType is no list of results"),
        ({"documents": []}, "dict is no list of results"),
    ],
)
def test_answers_that_name_no_document_are_told(answer, told):
    with pytest.raises(DataError, match=told):
        LangChain(Some(invoke=lambda query: answer)).search("x", 5)


def test_a_missing_key_of_the_metadata_is_told_with_those_that_are_there():
    with pytest.raises(DataError, match="no 'doc' in its metadata, which holds source"):
        LangChain(langchain(), id_key="doc").search("cats", 5)


@pytest.mark.parametrize("answer", [{"reader": {}}, {}, None, {"retriever": []}])
def test_an_answer_of_haystack_without_documents_is_told(answer):
    system = Haystack(Some(run=lambda data: answer), inputs=inputs, output="retriever")
    with pytest.raises(DataError, match="no 'documents'"):
        system.search("x", 5)


def test_what_is_no_retriever_is_refused():
    with pytest.raises(ConfigError, match=r"LangChain takes .* with invoke\(…\): .* has none"):
        LangChain(haystack())
    with pytest.raises(ConfigError, match=r"inputs=.* and output"):
        Haystack(pipeline(), output="retriever")


ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(
    r"^```py\n(.*?)^```", (ROOT / "docs" / "rag.md").read_text(encoding="utf-8"), re.M | re.S
)


def write_folder(folder):
    """A folder in BEIR layout: the documents that the retrievers above have."""
    folder.mkdir()
    for name, rows in {"corpus": TEXTS, "queries": QUESTIONS}.items():
        lines = [json.dumps({"_id": one, "text": text}) for one, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tc\t1\n", encoding="utf-8"
    )


@pytest.mark.nightly
def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    write_folder(tmp_path / "my_folder")
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) == 3
    names = {"pipeline": pipeline()}
    for block, retriever in zip(BLOCKS, [langchain(), llama_index(), haystack()], strict=True):
        exec(compile(block, "docs/rag.md", "exec"), {**names, "retriever": retriever}, names)
        for system in names["results"].systems:
            assert (system.status, system.reason) == ("ok", None)
            assert system.effectiveness["ndcg@10"] == 1.0


def test_a_retriever_of_langchain_itself():
    pytest.importorskip("langchain_core", reason="langchain-core is not installed")
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class Own(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document(id=i, page_content=TEXTS[i]) for i in ordered(query)]

    assert LangChain(Own()).search("what pulls the sea", 1) == [("c", 1.0)]


def test_a_retriever_of_llama_index_itself():
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

    class Own(BaseRetriever):
        def _retrieve(self, query_bundle):
            return [
                NodeWithScore(
                    node=TextNode(
                        text=text,
                        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=i)},
                    ),
                    score=float(overlap(query_bundle.query_str, text)),
                )
                for i, text in TEXTS.items()
            ]

    assert LlamaIndex(Own()).search("what pulls the sea", 1) == [("c", 3.0)]


def test_retrievers_of_haystack_itself():
    pytest.importorskip("haystack", reason="haystack-ai is not installed")
    from haystack import Document, Pipeline
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore()
    store.write_documents([Document(id=i, content=text) for i, text in TEXTS.items()])
    component = InMemoryBM25Retriever(store)
    assert Haystack(component).search("what pulls the sea", 1)[0][0] == "c"
    whole = Pipeline()
    whole.add_component("retriever", InMemoryBM25Retriever(store))
    system = Haystack(
        whole,
        inputs=lambda query, k: {"retriever": {"query": query, "top_k": k}},
        output="retriever",
    )
    assert system.search("what pulls the sea", 1)[0][0] == "c"
