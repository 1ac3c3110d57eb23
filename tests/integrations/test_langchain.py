"""LangChain's own core: chains, streams, tools, with a language model that is scripted."""

import asyncio
import re

import pytest
from facts import index_of_facts
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.tools import create_retriever_tool

from colbench import Colbert, ConfigError
from colbench.integrations.langchain import ColbertCompressor, ColbertRetriever


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return index_of_facts(tmp_path_factory.mktemp("facts"))


def texts_of(documents):
    return "\n".join(document.page_content for document in documents)


def test_documents_have_the_text_and_what_the_search_says(index):
    documents = ColbertRetriever(index=index, k=2).invoke("capital of france")
    expected = index.search("capital of france", k=2)
    assert [document.id for document in documents] == [result.id for result in expected]
    first, best = documents[0], expected[0]
    assert first.page_content == best.text
    assert first.metadata["score"] == best.score and first.metadata["rank"] == 1
    assert first.metadata["year"] == 2020 and first.metadata["day"] == "2020-05-17"
    assert first.metadata["passage"]["end"] == len(best.text)


def test_k_and_filter_are_of_the_retriever_or_of_one_call(index):
    retriever = ColbertRetriever(index=index, k=3, filter={"year": {"$gte": 2021}})
    assert {document.id for document in retriever.invoke("capital")} == {"berlin", "tides"}
    found = retriever.invoke("capital", k=1, filter={"year": 2020})
    assert [document.id for document in found] == ["paris"]
    with pytest.raises(ConfigError, match="did you mean 'year'"):
        retriever.invoke("capital", filter={"yaer": 1})


def test_it_is_awaited_batched_and_streamed(index):
    retriever = ColbertRetriever(index=index, k=1)
    expected = retriever.invoke("moon")
    assert asyncio.run(retriever.ainvoke("moon")) == expected
    assert retriever.batch(["moon", "moon"]) == [expected, expected]
    assert list(retriever.stream("moon")) == [expected]


def test_a_passage_and_options_of_the_search_can_be_asked_for(index):
    index.add(" ".join(f"word{n}" for n in range(30)), ids="long")
    try:
        retriever = ColbertRetriever(
            index=index, k=1, text="passage", options={"search": "exhaustive"}
        )
        (document,) = retriever.invoke("word29")
    finally:
        index.delete("long")
    assert document.id == "long" and "word29" in document.page_content
    assert "word0 " not in document.page_content


def answer(prompt):
    """A language model that answers with the first sentence it is shown."""
    return re.search(r"context: (.*)", prompt.to_string())[1]


def test_a_chain_answers_from_what_was_retrieved(index):
    retriever = ColbertRetriever(index=index, k=1)
    prompt = ChatPromptTemplate.from_template("context: {context}\nquestion: {question}")
    chain = (
        {"context": retriever | texts_of, "question": RunnablePassthrough()}
        | prompt
        | RunnableLambda(answer)
        | StrOutputParser()
    )
    assert chain.invoke("capital of germany") == "berlin is the capital of germany"


def test_a_chain_streams_what_its_model_writes(index):
    model = GenericFakeChatModel(messages=iter([AIMessage("the moon pulls the sea")]))
    prompt = ChatPromptTemplate.from_template("{context} {question}")
    chain = (
        {
            "context": ColbertRetriever(index=index, k=1) | texts_of,
            "question": RunnablePassthrough(),
        }
        | prompt
        | model
        | StrOutputParser()
    )
    parts = list(chain.stream("what makes tides"))
    assert len(parts) > 1 and "".join(parts) == "the moon pulls the sea"


def test_an_agent_calls_it_as_a_tool(index):
    retriever = ColbertRetriever(index=index, k=1)
    tool = create_retriever_tool(retriever, "facts", "Searches facts about the world.")
    call = ToolCall(name="facts", args={"query": "capital of france"}, id="1", type="tool_call")
    asks = AIMessage("", tool_calls=[call])  # what a language model with tools says
    message = tool.invoke(asks.tool_calls[0])
    assert isinstance(message, ToolMessage) and message.tool_call_id == "1"
    assert message.content == "paris is the capital of france"
    said = FakeListChatModel(responses=["Paris."]).invoke([asks, message])
    assert said.content == "Paris."


def test_documents_of_any_retriever_are_reranked(index):
    documents = [
        Document(page_content="dogs bark", metadata={"from": "elsewhere"}),
        Document(page_content="the moon shines", metadata={"from": "here"}),
    ]
    compressor = ColbertCompressor(model=index, k=1)
    (best,) = compressor.compress_documents(documents, "moon")
    assert best.page_content == "the moon shines" and best.metadata["from"] == "here"
    assert best.metadata["relevance_score"] == index.rerank("moon", ["the moon shines"])[0].score
    assert "relevance_score" not in documents[1].metadata
    assert asyncio.run(compressor.acompress_documents(documents, "moon")) == [best]
    step = compressor.runnable()
    assert step.invoke({"query": "moon", "documents": documents}) == [best]
    assert compressor.compress_documents([], "moon") == []


def test_several_indexes_are_one_retriever(index):
    several = Colbert.open_all([index])
    (document,) = ColbertRetriever(index=several, k=1).invoke("moon")
    assert document.metadata["index"] == "facts"
