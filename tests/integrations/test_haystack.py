"""Haystack's own pipelines: a retriever, a ranker, a prompt."""

import pytest
from facts import index_of_facts
from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder

from colbench.integrations.haystack import ColbertRanker, ColbertRetriever


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return index_of_facts(tmp_path_factory.mktemp("facts"))


def test_documents_have_the_text_and_what_the_search_says(index):
    found = ColbertRetriever(index=index, k=2).run("capital of france")["documents"]
    expected = index.search("capital of france", k=2)
    assert [(one.id, one.content, one.score) for one in found] == [
        (result.id, result.text, result.score) for result in expected
    ]
    assert found[0].meta["year"] == 2020 and found[0].meta["passage"]["number"] == 1
    only = ColbertRetriever(index=index, filter={"year": 2022}).run("capital", k=1)["documents"]
    assert [one.id for one in only] == ["tides"]


def test_documents_of_any_retriever_are_reranked(index):
    documents = [Document(content="dogs bark"), Document(content="the moon", meta={"a": 1})]
    (best,) = ColbertRanker(index, k=1).run("moon", documents)["documents"]
    assert (best.content, best.meta) == ("the moon", {"a": 1}) and best.score is not None
    assert documents[1].score is None


def test_a_pipeline_retrieves_ranks_and_asks(index):
    pipeline = Pipeline()
    pipeline.add_component("retriever", ColbertRetriever(index=index, k=3))
    pipeline.add_component("ranker", ColbertRanker(index, k=1))
    template = "{% for one in documents %}{{ one.content }}{% endfor %} {{ question }}"
    pipeline.add_component(
        "prompt", PromptBuilder(template, required_variables=["documents", "question"])
    )
    pipeline.connect("retriever.documents", "ranker.documents")
    pipeline.connect("ranker.documents", "prompt.documents")
    query = "capital of germany"
    answer = pipeline.run(
        {"retriever": {"query": query}, "ranker": {"query": query}, "prompt": {"question": "?"}}
    )
    assert answer["prompt"]["prompt"] == "berlin is the capital of germany ?"
