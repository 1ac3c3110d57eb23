"""The labels that `colbench explain` shows are those of the vectors, one each, in order."""

import pytest

from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.encoder.tokens import document_tokens, query_tokens
from colbench.errors import ConfigError

QUERIES = ["What is the capital of France?", "a", ""]
DOCUMENTS = ["Paris is the capital of France.", "a, b", ""]


def load(model, **settings):
    settings = EncoderSettings(name="test", model=str(model), device="cpu", **settings)
    return load_encoder(settings, Form.TOKENS)


@pytest.mark.parametrize("fixture", ["stanford", "pylate", "native", "plain_bert", "bi_encoder"])
def test_every_vector_of_a_query_and_of_a_document_has_one_label(fixture, request):
    encoder = load(request.getfixturevalue(fixture))
    query_lengths = [len(tokens) for tokens in encoder.query_tokens(QUERIES)]
    assert query_lengths == [len(rows) for rows in encoder.encode_queries(QUERIES)]
    document_lengths = [len(tokens) for tokens in encoder.document_tokens(DOCUMENTS)]
    assert document_lengths == [len(rows) for rows in encoder.encode_documents(DOCUMENTS)]


@pytest.mark.parametrize("fixture", ["stanford", "pylate"])
def test_the_marker_and_the_expansion_of_a_colbert_query_are_named(fixture, request):
    (tokens,) = load(request.getfixturevalue(fixture)).query_tokens(["what is paris"])
    assert tokens.tolist() == [
        *["[CLS]", "[unused0]", "what", "is", "paris", "[SEP]"],
        *["[MASK]"] * 6,
    ]


def test_the_prompt_of_queries_is_part_of_their_tokens(bi_encoder):
    own, without = load(bi_encoder), load(bi_encoder, query_prompt="")
    assert next(own.query_tokens(["paris"])).tolist() == ["[CLS]", "what", "paris", "[SEP]"]
    assert next(without.query_tokens(["paris"])).tolist() == ["[CLS]", "paris", "[SEP]"]


@pytest.mark.parametrize("prompt", ["document", "passage", "corpus"])
def test_the_prompt_of_documents_counts_under_every_name_that_encoding_knows(plain_bert, prompt):
    encoder = load(plain_bert)
    encoder._model.prompts = {prompt: "the "}
    (tokens,) = encoder.document_tokens(["paris"])
    assert tokens.tolist() == ["[CLS]", "the", "paris", "[SEP]"]
    assert len(encoder.encode_documents(["paris"])[0]) == len(tokens)


@pytest.mark.parametrize("tokens_of", [query_tokens, document_tokens])
def test_a_checkpoint_that_pools_tokens_itself_is_refused(plain_bert, tokens_of):
    from sentence_transformers.multi_vector_encoder.modules import token_pooling

    encoder = load(plain_bert)
    encoder._model.append(token_pooling.HierarchicalTokenPooling(pool_factor=2))
    with pytest.raises(ConfigError, match="pools tokens itself"):
        next(tokens_of(encoder._model, ["paris"]))
