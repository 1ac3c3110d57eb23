"""LlamaIndex's own core: query engines, fusion, a workflow, with a made-up language model."""

import asyncio

import pytest
from facts import index_of_facts
from llama_index.core import PromptTemplate
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms.mock import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step

from colbench import DataError
from colbench.integrations.llama_index import ColbertPostprocessor, ColbertRetriever


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return index_of_facts(tmp_path_factory.mktemp("facts"))


SHOWN = PromptTemplate("{context_str}")
"""MockLLM answers with its prompt: with what was retrieved."""


class Words(BaseRetriever):
    """Another retriever, which finds what it is told to."""

    def __init__(self, ids):
        super().__init__()
        self._ids = ids

    def _retrieve(self, query_bundle):
        return [NodeWithScore(node=TextNode(id_=one, text=one), score=1.0) for one in self._ids]


def engine(index, **options):
    return RetrieverQueryEngine(
        retriever=ColbertRetriever(index=index, k=1),
        response_synthesizer=get_response_synthesizer(llm=MockLLM(), text_qa_template=SHOWN),
        **options,
    )


def test_nodes_have_the_text_and_what_the_search_says(index):
    nodes = ColbertRetriever(index=index, k=2).retrieve("capital of france")
    expected = index.search("capital of france", k=2)
    assert [node.node_id for node in nodes] == [result.id for result in expected]
    assert [node.score for node in nodes] == [result.score for result in expected]
    assert nodes[0].text == expected[0].text
    assert nodes[0].metadata["year"] == 2020 and nodes[0].metadata["day"] == "2020-05-17"
    shown = nodes[0].node.get_content(metadata_mode=MetadataMode.LLM)
    assert "year: 2020" in shown and "score" not in shown and "passage" not in shown


def test_filters_passages_and_options_are_of_the_retriever(index):
    retriever = ColbertRetriever(
        index=index, k=3, filter={"year": 2022}, text="passage", options={"search": "exhaustive"}
    )
    assert [node.node_id for node in retriever.retrieve("capital")] == ["tides"]
    assert [node.node_id for node in asyncio.run(retriever.aretrieve("capital"))] == ["tides"]


def test_a_query_engine_answers_from_what_was_retrieved(index):
    response = engine(index).query("capital of germany")
    assert "berlin is the capital of germany" in str(response)
    assert [node.node_id for node in response.source_nodes] == ["berlin"]


def test_an_agent_has_it_as_a_tool(index):
    tool = QueryEngineTool.from_defaults(engine(index), name="facts", description="Facts.")
    assert "paris" in str(tool.call(input="capital of france"))
    tool = RetrieverTool.from_defaults(ColbertRetriever(index=index, k=1), description="Facts.")
    assert "paris is the capital of france" in str(tool.call("capital of france"))


@pytest.mark.parametrize("mode", ["reciprocal_rerank", "relative_score"])
def test_it_is_fused_with_another_retriever(index, mode):
    fusion = QueryFusionRetriever(
        [ColbertRetriever(index=index, k=2), Words(["tides", "berlin"])],
        llm=MockLLM(),
        mode=mode,
        num_queries=1,
        similarity_top_k=3,
        use_async=False,
    )
    found = fusion.retrieve("capital of france")
    assert {node.node_id for node in found} >= {"paris", "berlin"}


def test_nodes_of_any_retriever_are_reranked(index):
    nodes = Words(["dogs bark", "the moon shines", "the sea"]).retrieve("moon")
    best = ColbertPostprocessor(model=index, k=2)
    (first, second) = best.postprocess_nodes(nodes, query_str="moon shines")
    assert first.node_id == "the moon shines" and first.score > second.score
    assert first.score == index.rerank("moon shines", ["the moon shines"])[0].score
    again = asyncio.run(best.apostprocess_nodes(nodes, query_str="moon shines"))
    assert [node.node_id for node in again] == [first.node_id, second.node_id]
    with pytest.raises(DataError, match="query_str"):
        best.postprocess_nodes(nodes)


def test_postprocessors_follow_each_other_in_an_engine(index):
    with_both = engine(
        index,
        node_postprocessors=[
            ColbertPostprocessor(model=index),
            SimilarityPostprocessor(similarity_cutoff=-100),
        ],
    )
    assert "berlin" in str(with_both.query("capital of germany"))


class Found(Event):
    nodes: list[NodeWithScore]


def test_a_workflow_retrieves_and_reranks(index):
    """Workflows are what has become of query pipelines, which llama-index-core 0.13 removed."""

    class Pipeline(Workflow):
        @step
        async def retrieve(self, event: StartEvent) -> Found:
            nodes = await ColbertRetriever(index=index, k=3).aretrieve(event.query)
            return Found(nodes=nodes)

        @step
        async def rerank(self, event: Found) -> StopEvent:
            best = ColbertPostprocessor(model=index, k=1)
            nodes = await best.apostprocess_nodes(event.nodes, query_str="capital of germany")
            return StopEvent(result=[node.node_id for node in nodes])

    async def run():
        return await Pipeline(timeout=60).run(query="capital of germany")

    assert asyncio.run(run()) == ["berlin"]
