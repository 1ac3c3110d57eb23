"""Both forms of a model come out of one forward pass, with the bytes of two."""

import numpy as np
import pytest

from colbench.collection.model import Collection, Document, Query
from colbench.encoder.cache import filling
from colbench.encoder.cache.store import EmbeddingCache, embed_documents, embed_in_both_forms
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.experiment.bench import EncodeTask
from colbench.experiment.measurement import encode_documents
from colbench.experiment.plan import in_both_forms
from colbench.retriever.base import Workbench

WORDS = ["paris", "berlin", "is", "the", "capital", "of", "france", "a", "b", ",", "."]
TEXTS = [" ".join(WORDS[(n * i) % 11] for i in range(1 + n % 17)) for n in range(1, 60)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(filling, "SHARD_BYTES", 1)


@pytest.fixture
def load(tmp_path):
    def loaded(model, form, **values):
        values = {"batch_tokens": 64, "document_length": 12, **values}
        settings = EncoderSettings(name="t", model=str(model), device="cpu", **values)
        return load_encoder(settings, form, cache_root=tmp_path / "converted")

    return loaded


@pytest.fixture
def passes(monkeypatch):
    """Texts of each forward pass through any transformer."""
    from sentence_transformers.base.modules import Transformer

    seen = []
    original = Transformer.forward

    def watched(self, features, **kwargs):
        seen.append(len(features["input_ids"]))
        return original(self, features, **kwargs)

    monkeypatch.setattr(Transformer, "forward", watched)
    return seen


def vectors(embeddings):
    return np.concatenate([block for _, _, block in embeddings.blocks(50)])


def alone(load, model, form, tmp_path, texts=TEXTS, **values):
    cache = EmbeddingCache(tmp_path / f"alone-{form.value}")
    return embed_documents(load(model, form, **values), texts, cache, description="t")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"document_prompt": "the capital "},
        {"normalize": False, "pooling": "cls"},
        {"precision": "bf16"},
        {"backend": "openvino"},
    ],
)
def test_the_bytes_are_those_of_a_pass_for_each_form(load, bi_encoder, tmp_path, passes, values):
    if values.get("backend") == "openvino":
        pytest.importorskip("openvino")
    forms = (Form.DENSE, Form.TOKENS)
    expected = [alone(load, bi_encoder, form, tmp_path, **values) for form in forms]
    encoders = [load(bi_encoder, form, **values) for form in forms]
    assert encoders[0].shares_passes(encoders[1])
    passes.clear()
    cache = EmbeddingCache(tmp_path / "both")
    both = embed_in_both_forms(*encoders, TEXTS, cache, description="t")
    assert sum(passes) == len(set(TEXTS))
    for one, other in zip(expected, both, strict=True):
        assert vectors(one).tobytes() == vectors(other).tobytes()
        assert one.stats.encoded == other.stats.encoded == len(set(TEXTS))
        assert (one.stats.one_pass, other.stats.one_pass) == (False, True)
    passes.clear()
    again = embed_in_both_forms(*encoders, TEXTS, cache, description="t")
    assert passes == [] and [one.stats.cached for one in again] == [len(set(TEXTS))] * 2
    assert again[0].stats.one_pass  # the speed in the cache is still that of both


def test_each_order_of_the_forms_gives_the_same(load, bi_encoder, tmp_path):
    dense, tokens = load(bi_encoder, Form.DENSE), load(bi_encoder, Form.TOKENS)
    a, b = (EmbeddingCache(tmp_path / name) for name in "ab")
    first = embed_in_both_forms(dense, tokens, TEXTS, a, description="t")
    second = embed_in_both_forms(tokens, dense, TEXTS, b, description="t")
    for one, other in zip(first, reversed(second), strict=True):
        assert vectors(one).tobytes() == vectors(other).tobytes()


def test_what_one_form_has_is_encoded_for_the_other_alone(load, bi_encoder, tmp_path, passes):
    dense, tokens = load(bi_encoder, Form.DENSE), load(bi_encoder, Form.TOKENS)
    cache = EmbeddingCache(tmp_path / "both")
    embed_documents(tokens, TEXTS, cache, description="t")
    passes.clear()
    one, other = embed_in_both_forms(dense, tokens, TEXTS, cache, description="t")
    texts = len(set(TEXTS))
    assert sum(passes) == texts
    assert (one.stats.encoded, other.stats.encoded) == (texts, 0)
    assert not one.stats.one_pass and not other.stats.one_pass
    expected = alone(load, bi_encoder, Form.DENSE, tmp_path)
    assert vectors(one).tobytes() == vectors(expected).tobytes()


@pytest.mark.parametrize("written", [1, 4, 5])
def test_a_run_stopped_between_two_shards_resumes_with_the_bytes_of_one_that_was_not(
    load, bi_encoder, tmp_path, monkeypatch, written
):
    cache = EmbeddingCache(tmp_path / "both")
    encoders = [load(bi_encoder, form) for form in (Form.DENSE, Form.TOKENS)]
    original, count = filling.write_shard, 0

    def stopping(*arguments, **keywords):
        nonlocal count
        if count == written:
            raise KeyboardInterrupt
        count += 1
        return original(*arguments, **keywords)

    monkeypatch.setattr(filling, "write_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        embed_in_both_forms(*encoders, TEXTS, cache, description="t")
    monkeypatch.setattr(filling, "write_shard", original)
    resumed = embed_in_both_forms(*encoders, TEXTS, cache, description="t")
    for form, found in zip((Form.DENSE, Form.TOKENS), resumed, strict=True):
        expected = alone(load, bi_encoder, form, tmp_path)
        assert vectors(found).tobytes() == vectors(expected).tobytes()
    assert sum(found.stats.cached for found in resumed) > 0


@pytest.mark.parametrize(
    "values", [{"document_length": 9}, {"document_prompt": "a "}, {"precision": "bf16"}]
)
def test_forms_that_read_other_tokens_have_passes_of_their_own(load, bi_encoder, values):
    dense = load(bi_encoder, Form.DENSE)
    assert not dense.shares_passes(load(bi_encoder, Form.TOKENS, **values))
    assert not dense.shares_passes(load(bi_encoder, Form.DENSE, pooling="cls"))


def task(form, **values):
    return EncodeTask(encoder=EncoderSettings(name="t", model="m", **values), form=form)


def test_tasks_of_two_forms_are_put_together():
    dense, tokens, other = task(Form.DENSE), task(Form.TOKENS), task(Form.TOKENS, batch_tokens=7)
    mean = task(Form.DENSE, pooling="mean")
    paired = in_both_forms([dense, other, tokens, mean])
    assert [(one.key, one.also and one.also.key) for one in paired] == [
        (dense.key, tokens.key),
        (other.key, None),
        (tokens.key, None),
        (mean.key, None),
    ]
    assert in_both_forms([tokens])[0].also is None
    assert in_both_forms([tokens, mean])[0].also == mean


@pytest.fixture
def bench(tmp_path):
    documents = [Document(str(n), "", text) for n, text in enumerate(TEXTS)]
    queries = [
        Query("1", "what is a"),
        Query("2", "paris is the capital of france"),
        Query("3", ""),
    ]
    return Workbench(
        collection=Collection("tiny", documents, queries, {}),
        folder=tmp_path / "indexes",
        cache=EmbeddingCache(tmp_path / "cache"),
        systems={},
        memory_bytes=1 << 30,
    )


def test_a_task_of_both_forms_counts_each(bench, bi_encoder, passes):
    settings = EncoderSettings(
        name="t", model=str(bi_encoder), device="cpu", query_length=6, document_length=12
    )
    tokens = EncodeTask(encoder=settings, form=Form.TOKENS)
    reply = encode_documents(EncodeTask(encoder=settings, form=Form.DENSE, also=tokens), bench)
    texts = len(set(TEXTS))
    assert sum(passes[-40:]) >= texts and reply.also is not None
    assert (reply.docs_encoded, reply.also.docs_encoded) == (texts, texts)
    # With [CLS], [SEP] and the prompt of a word they have 6, 9 and 3 tokens.
    told = [text for text in reply.cut_off if "queries" in text]
    assert told == [
        "t: 1 of 3 queries are longer than 6 tokens; 3 tokens (16.7 %) were cut off "
        "(a larger encoder.query_length keeps them)"
    ]
    stats = bench.encodings[0]
    assert (stats.queries, stats.truncated_queries, stats.truncated_query_tokens) == (3, 1, 3)
    assert stats.queries_cut == pytest.approx(3 / (stats.query_tokens + 3))


def test_a_form_that_cannot_be_had_leaves_the_other_alone(bench, plain_bert):
    settings = EncoderSettings(name="t", model=str(plain_bert), device="cpu")
    dense = EncodeTask(encoder=settings, form=Form.DENSE)  # says nothing of pooling
    reply = encode_documents(EncodeTask(encoder=settings, form=Form.TOKENS, also=dense), bench)
    assert reply.docs_encoded == len(set(TEXTS)) and reply.also is None
