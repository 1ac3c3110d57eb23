"""Lengths beyond a model's positions are refused in one line, from its files, before any work."""

import json
import shutil

import pytest
import torch

from colbench.config.compose import compose_run
from colbench.encoder.loading.cross_encoder import load_cross_encoder
from colbench.encoder.loading.positions import check_lengths, positions
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.errors import ColbenchError, ConfigError
from colbench.experiment.plan import look_for_weights


def settings(folder, **values):
    return EncoderSettings(name="t", model=str(folder), device="cpu", **values)


@pytest.fixture
def folder_of(tmp_path):
    def make(config, **files):
        (tmp_path / "config.json").write_text(json.dumps(config))
        for name, content in files.items():
            names = {"metadata": "artifact.metadata", "bert": "sentence_bert_config.json"}
            (tmp_path / names[name]).write_text(json.dumps(content))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514}, 512),
        ({"model_type": "longformer", "max_position_embeddings": 4098}, 4096),
    ],
)
def test_the_end_of_a_table_of_positions_is_told_from_the_configuration(folder_of, config, limit):
    folder = folder_of(config)
    check_lengths(settings(folder, document_length=limit, query_length=limit), folder)
    for side in ("document", "query"):
        asked = settings(folder, **{f"{side}_length": limit + 1})
        with pytest.raises(ConfigError, match=rf"set encoder\.{side}_length={limit} or less"):
            check_lengths(asked, folder)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "modernbert", "max_position_embeddings": 8192},
        {"model_type": "deberta-v2", "max_position_embeddings": 512},
        {"model_type": "t5", "n_positions": 512},
        {"model_type": "xlnet", "max_position_embeddings": -1},
        {"model_type": "bert", "max_position_embeddings": 512, "auto_map": {"AutoModel": "a.B"}},
        {"model_type": "bert", "max_position_embeddings": 512, "position_embedding_type": "alibi"},
        {},
    ],
)
def test_models_without_a_table_have_no_end(folder_of, config):
    folder = folder_of(config)
    check_lengths(settings(folder, document_length=100_000), folder)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"metadata": {"doc_maxlen": 1000}}, r"doc_maxlen=1000 \(artifact\.metadata\)"),
        ({"bert": {"max_seq_length": 700}}, r"max_seq_length=700 \(sentence_bert_config\.json\)"),
    ],
)
def test_a_length_of_the_checkpoint_is_told_with_its_file(folder_of, files, said):
    folder = folder_of({"model_type": "bert", "max_position_embeddings": 512}, **files)
    with pytest.raises(ConfigError, match=said):
        check_lengths(settings(folder), folder)
    check_lengths(settings(folder, document_length=300, query_length=64), folder)


def test_a_run_is_refused_before_anything_else(folder_of, tmp_path):
    words = ["systems=[colbert_exact]", "encoder.document_length=1000"]
    systems = compose_run(words).system.with_parts(["colbert_exact"])
    with pytest.raises(ConfigError, match=r"document_length=1000 .* the 512 tokens"):
        look_for_weights(systems, tmp_path, strict=False)


@pytest.mark.parametrize("key", ["doc_maxlen", "query_maxlen"])
def test_a_loaded_checkpoint_is_refused_too(stanford, tmp_path, key):
    folder = shutil.copytree(stanford, tmp_path / "model")
    metadata = json.loads((folder / "artifact.metadata").read_text())
    (folder / "artifact.metadata").write_text(json.dumps({**metadata, key: 65}))
    with pytest.raises(ConfigError, match=r"length of 65 for a .* the 64 tokens .*_length=64"):
        load_encoder(settings(folder), Form.TOKENS)
    load_encoder(settings(folder, document_length=64, query_length=32), Form.TOKENS)


def save_roberta(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "<pad>": 1, "a": 2, "<unk>": 3}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>"
    )
    fast.save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=4,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=22,
        pad_token_id=1,
    )
    RobertaModel(config).save_pretrained(folder)


def test_roberta_reads_two_tokens_fewer_than_it_has_rows(tmp_path):
    save_roberta(tmp_path)
    encoder = load_encoder(settings(tmp_path), Form.TOKENS)
    assert positions(encoder._model[0].model) == encoder.document_limit == 20
    (rows,) = encoder.encode_documents(["a " * 50])
    assert len(rows) == 20
    with pytest.raises(ConfigError, match="the 20 tokens"):
        load_encoder(settings(tmp_path, document_length=21), Form.TOKENS)


def test_pairs_beyond_the_positions_are_refused_where_they_were_asked_for(cross_bert, monkeypatch):
    capped = load_cross_encoder(CrossEncoderSettings(name="t", model=str(cross_bert)))
    assert capped.pair_limit == 64 - 3
    with pytest.raises(ConfigError, match=r"set cross_encoder\.max_length=64 or less"):
        load_cross_encoder(CrossEncoderSettings(name="t", model=str(cross_bert), max_length=513))


def test_a_model_that_fails_on_a_length_is_one_line(plain_bert, monkeypatch):
    encoder = load_encoder(settings(plain_bert), Form.TOKENS)

    def fails(*_, **__):
        raise IndexError("index out of range in self")

    monkeypatch.setattr(encoder._model[0].model, "forward", fails)
    with pytest.raises(ColbenchError, match=r"up to 5 tokens .* encoder\.document_length"):
        encoder.encode_documents(["a b a"])
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("values", "side"),
    [
        ({"query_prompt": "what is the capital of ", "query_length": 5}, "query"),
        ({"document_prompt": "what is the capital of ", "document_length": 7}, "document"),
        ({"query_length": 2}, "query"),
    ],
)
@pytest.mark.parametrize("form", Form)
def test_a_prompt_that_leaves_nothing_of_a_text_is_refused(bi_encoder, form, values, side):
    with pytest.raises(ConfigError, match=rf"nothing of a {side} itself .* encoder\.{side}_prompt"):
        load_encoder(settings(bi_encoder, **values), form)


def test_a_prompt_that_leaves_one_token_is_not(bi_encoder):
    values = {"query_prompt": "what is the capital of ", "query_length": 8}
    encoder = load_encoder(settings(bi_encoder, **values), Form.DENSE)
    assert encoder.query_limit == 8
    assert encoder.count_query_tokens(["paris", "paris berlin"]).tolist() == [8, 9]


@pytest.mark.parametrize("fixture", ["stanford", "pylate"])
def test_expansion_tokens_are_no_tokens_of_a_query(fixture, request):
    encoder = load_encoder(settings(request.getfixturevalue(fixture)), Form.TOKENS)
    assert encoder.query_limit == 12
    # [CLS] [Q] … [SEP] around the words.
    assert encoder.count_query_tokens(["a", "a b " * 10]).tolist() == [4, 23]
    with pytest.raises(ConfigError, match="nothing of a query itself"):
        load_encoder(settings(request.getfixturevalue(fixture), query_length=3), Form.TOKENS)
