"""Stanford ColBERT checkpoints are told by what their files hold, and loaded as they were trained.

However `architectures` is spelled, whatever stands before the names of the weights.
"""

import json
import shutil
import string

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from colbench.encoder.loading.checkpoint import Kind, detect_kind
from colbench.encoder.loading.stanford import stanford_model
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError

DOCUMENTS = ["Paris is the capital of France.", "a , b"]
QUERIES = ["What is the capital of France?", "a"]
HEADS = [
    *("cls.predictions.transform.dense.weight", "bert.pooler.dense.weight"),
    *("cls.predictions.decoder.weight", "cls.seq_relationship.weight", "lm_head.dense.weight"),
    *("head.dense.weight", "classifier.weight", "lm_predictions.lm_head.dense.weight"),
    *("vocab_projector.weight", "qa_outputs.weight", "decoder.block.0.layer.0.q.weight"),
]


def load(folder, form=Form.TOKENS, **values):
    return load_encoder(EncoderSettings(name="t", model=str(folder), device="cpu", **values), form)


def vectors(folder, **values):
    encoder = load(folder, **values)
    assert not encoder.untrained
    return [*encoder.encode_documents(DOCUMENTS), *encoder.encode_queries(QUERIES)]


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def copy(stanford, tmp_path):
    """A Stanford checkpoint to change."""
    return shutil.copytree(stanford, tmp_path / "changed")


def rewrite(folder, config=None, metadata=None, weights=None):
    for file, change in (("config.json", config), ("artifact.metadata", metadata)):
        if change is not None:
            content = json.loads((folder / file).read_text())
            (folder / file).write_text(json.dumps(change(content)))
    if weights is not None:
        file = folder / "model.safetensors"
        save_file(weights(load_file(file)), file, metadata={"format": "pt"})


def without(*names):
    return lambda content: {k: v for k, v in content.items() if k not in names}


def renamed(prefix):
    def change(weights):
        return {
            f"{prefix}{k.removeprefix('bert.')}" if k.startswith("bert.") else k: v
            for k, v in weights.items()
        }

    return change


@pytest.mark.parametrize(
    "architectures", [["HF_ColBERT_XLMR"], ["HF_ColBERT_Roberta"], ["BertModel"], [], None]
)
def test_the_spelling_of_the_architecture_changes_nothing(stanford, copy, architectures):
    rewrite(copy, config=lambda c: {**c, "architectures": architectures})
    assert detect_kind(copy) is Kind.LATE_INTERACTION
    assert_equal(vectors(copy), vectors(stanford))


def test_a_configuration_without_architectures_changes_nothing(stanford, copy):
    rewrite(copy, config=without("architectures"))
    assert_equal(vectors(copy), vectors(stanford))


@pytest.mark.parametrize("prefix", ["", "roberta.", "model.", "model.bert.", "module.roberta."])
def test_what_stands_before_the_names_of_weights_changes_nothing(stanford, copy, prefix):
    rewrite(copy, config=without("architectures"), weights=renamed(prefix))
    assert_equal(vectors(copy), vectors(stanford))


def test_the_same_weights_under_two_names_are_used(stanford, copy):
    """PrimeQA keeps one backbone as `bert` and as `roberta`."""
    rewrite(copy, weights=lambda w: w | {k: v.clone() for k, v in renamed("roberta.")(w).items()})
    assert_equal(vectors(copy), vectors(stanford))


def test_sharded_weights_are_found(stanford, copy):
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(weights)
    halves = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": []}
    halves["model-00002-of-00002.safetensors"] = names[9:]
    for file, keys in halves.items():
        save_file({k: weights[k] for k in keys}, copy / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {k: f for f, keys in halves.items() for k in keys}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    rewrite(copy, config=without("architectures"))
    assert_equal(vectors(copy), vectors(stanford))


def test_it_is_loaded_as_sentence_transformers_loads_it_where_that_knows_it(stanford):
    from sentence_transformers import MultiVectorEncoder

    theirs = MultiVectorEncoder(str(stanford), device="cpu", local_files_only=True)
    ours = vectors(stanford)
    documents = theirs.encode_document(DOCUMENTS, convert_to_numpy=True)
    for a, b in zip([*documents, *theirs.encode_query(QUERIES)], ours, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, atol=1e-6)
    assert ours[0].shape == (9, 128)  # [CLS] [D] six words [SEP], without the full stop
    assert ours[1].shape == (5, 128)  # [CLS] [D] a b [SEP], without the comma


def test_without_metadata_the_defaults_hold(copy):
    (copy / "artifact.metadata").unlink()
    rewrite(copy, config=without("architectures"))
    document, _, query, _ = vectors(copy)
    assert (len(document), len(query)) == (9, 32)
    encoder = load(copy)
    (tokens,) = encoder.query_tokens(["a"])
    assert tokens[:4].tolist() == ["[CLS]", "[unused0]", "a", "[SEP]"]
    assert set(tokens[4:].tolist()) == {"[MASK]"}
    assert next(encoder.document_tokens(["a"]))[1] == "[unused1]"


def test_metadata_decides_lengths_markers_and_masks(stanford, copy):
    def change(metadata):
        own = {"query_token_id": "berlin", "doc_token_id": "germany", "mask_punctuation": False}
        return {**without("dim")(metadata), **own, "query_maxlen": 7, "similarity": "l2"}

    rewrite(copy, metadata=change)
    document, comma, query, _ = vectors(copy)
    assert (len(document), len(comma), len(query)) == (10, 6, 7)
    encoder = load(copy)
    assert next(encoder.document_tokens(["a"])).tolist() == ["[CLS]", "germany", "a", "[SEP]"]
    assert next(encoder.query_tokens(["a"]))[1] == "berlin"


def test_a_distance_orders_documents_as_the_cosine_does(copy):
    rewrite(copy, metadata=lambda m: {**m, "similarity": "l2"})
    documents, queries = vectors(copy)[:2], vectors(copy)[2:]
    for query in queries:
        cosine = [float((query @ d.T).max(axis=1).sum()) for d in documents]
        squares = [((query[:, None] - d[None]) ** 2).sum(axis=2) for d in documents]
        distance = [float(-s.min(axis=1).sum()) for s in squares]
        assert np.argsort(cosine).tolist() == np.argsort(distance).tolist()


def test_a_bias_of_the_projection_is_used(stanford, copy):
    rewrite(copy, weights=lambda w: w | {"linear.bias": torch.ones(128)})
    biased = vectors(copy)
    assert not np.allclose(biased[0], vectors(stanford)[0])


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"doc_maxlen": "long"}', '{"query_maxlen": -1}', '{"interaction": "flipr"}'],
)
def test_metadata_that_cannot_be_followed_is_one_line(copy, content):
    (copy / "artifact.metadata").write_text(content)
    with pytest.raises(ConfigError, match=r"artifact\.metadata") as error:
        load(copy)
    assert "\n" not in str(error.value)


def test_a_checkpoint_without_its_projection_is_refused(copy):
    rewrite(copy, weights=without("linear.weight"))
    with pytest.raises(ConfigError, match=r"holds linear\.weight"):
        load(copy)


def test_a_projection_of_another_model_is_refused(copy):
    rewrite(copy, weights=lambda w: w | {"linear.weight": torch.randn(8, 24)})
    with pytest.raises(ConfigError, match="24 dimensions and the backbone gives 16"):
        load(copy)


def test_a_projection_that_is_no_matrix_is_refused(copy):
    rewrite(copy, weights=lambda w: w | {"linear.weight": torch.randn(16)})
    with pytest.raises(ConfigError, match=r"linear\.weight has the shape \(16,\)"):
        load(copy)


@pytest.mark.parametrize("fixture", ["stanford", "plain_bert", "bi_encoder"])
def test_a_folder_without_a_vocabulary_is_refused(fixture, request, tmp_path):
    folder = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "model")
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / file).unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="no vocabulary for its tokenizer") as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_one_that_was_saved_with_its_modules_since_then_keeps_them(stanford, tmp_path):
    """As answerai-colbert-small: both formats in one folder, the projection twice."""
    model = stanford_model(
        str(stanford),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={},
    )
    model.save_pretrained(str(tmp_path / "both"))
    shutil.copy(stanford / "artifact.metadata", tmp_path / "both")
    weights = load_file(tmp_path / "both" / "model.safetensors")
    weights["linear.weight"] = load_file(stanford / "model.safetensors")["linear.weight"]
    save_file(weights, tmp_path / "both" / "model.safetensors", metadata={"format": "pt"})
    assert_equal(vectors(tmp_path / "both"), vectors(stanford))


@pytest.mark.parametrize(
    ("fixture", "key"),
    [
        ("stanford", "extra.weight"),
        ("stanford", "bert.side.weight"),
        ("plain_bert", "adapter.dense.weight"),
        ("pylate", "extra.weight"),
        ("bi_encoder", "extra.weight"),
        ("native", "extra.weight"),
    ],
)
def test_weights_that_no_module_takes_are_refused(fixture, key, request, tmp_path):
    folder = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "model")
    rewrite(folder, weights=lambda w: w | {key: torch.randn(4, 16)})
    with pytest.raises(
        ConfigError, match=rf"model\.safetensors holds {key}, which no part"
    ) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_a_module_folder_that_modules_json_does_not_name_is_refused(plain_bert, pylate, tmp_path):
    folder = shutil.copytree(plain_bert, tmp_path / "model")
    shutil.copytree(pylate / "1_Dense", folder / "1_Dense")
    with pytest.raises(ConfigError, match=r"1_Dense.*holds linear\.weight"):
        load(folder)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("fixture", ["plain_bert", "bi_encoder"])
def test_heads_that_whole_checkpoints_have_are_no_obstacle(fixture, form, request, tmp_path):
    folder = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "model")
    before = load(folder, form, pooling="mean").encode_documents(DOCUMENTS)
    heads = {key: torch.randn(16, 16) for key in HEADS}
    rewrite(folder, weights=lambda w: w | heads | {"embeddings.position_ids": torch.arange(64)})
    assert_equal(load(folder, form, pooling="mean").encode_documents(DOCUMENTS), before)


@pytest.mark.parametrize(
    ("fixture", "form", "untrained"),
    [
        ("plain_bert", Form.TOKENS, True),
        ("bi_encoder", Form.TOKENS, True),
        ("bi_encoder", Form.DENSE, False),
        ("pylate", Form.TOKENS, False),
        ("native", Form.TOKENS, False),
        ("stanford", Form.TOKENS, False),
    ],
)
def test_an_encoder_knows_whether_its_tokens_were_trained(fixture, form, untrained, request):
    assert load(request.getfixturevalue(fixture), form).untrained is untrained


WORDS = ["paris", "is", "the", "capital", "of", "france", "what", "a", "b"]


def save_xlmr(folder, vocabulary_size=None):
    """Save an XLM-RoBERTa of 16 dimensions as PrimeQA would, with a tokenizer of a few words."""
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    folder.mkdir()
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁{word}", -1.0) for word in WORDS] + [("▁", -3.0)]
    pieces += [(symbol, -2.0) for symbol in string.punctuation + string.ascii_lowercase]
    while vocabulary_size and len(pieces) < vocabulary_size - 1:
        pieces.append((f"▁w{len(pieces)}", -9.0))
    tokenizer = XLMRobertaTokenizerFast(vocab=[*pieces, ("<mask>", 0.0)])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = XLMRobertaModel(
        XLMRobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=66,
            pad_token_id=1,
        )
    )
    model.save_pretrained(folder)
    weights = {f"roberta.{name}": value for name, value in model.state_dict().items()}
    weights["linear.weight"] = torch.randn(8, 16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "architectures": ["HF_ColBERT_XLMR"]})
    )
    return model.eval(), weights["linear.weight"]


def by_hand(model, linear, ids, attended):
    """Unit rows of the projected hidden states, written out."""
    with torch.no_grad():
        hidden = model(torch.tensor([ids]), attention_mask=torch.tensor([attended]))[0][0]
    return torch.nn.functional.normalize(hidden @ linear.T, dim=1).numpy()


def test_xlm_roberta_by_stanford_marks_with_the_unknown_token_and_fills_with_its_mask(tmp_path):
    model, linear = save_xlmr(tmp_path / "xlmr")
    metadata = {"query_maxlen": 8, "doc_maxlen": 20, "query_token_id": "[unused0]"}
    (tmp_path / "xlmr" / "artifact.metadata").write_text(json.dumps(metadata))
    encoder = load(tmp_path / "xlmr")
    document, query = "what is paris, a.", "a b"
    (tokens,) = encoder.query_tokens([query])
    assert tokens.tolist() == ["<s>", "<unk>", "▁a", "▁b", "</s>", *["<mask>"] * 3]
    (kept,) = encoder.document_tokens([document])
    assert kept.tolist() == ["<s>", "<unk>", "▁what", "▁is", "▁paris", "▁a", "</s>"]
    vocabulary = encoder._model.tokenizer.convert_tokens_to_ids
    ids = vocabulary(tokens.tolist())
    expected = by_hand(model, linear, ids, [1] * 5 + [0] * 3)
    np.testing.assert_allclose(encoder.encode_queries([query])[0], expected, atol=1e-5)
    whole = ["<s>", "<unk>", "▁what", "▁is", "▁paris", ",", "▁a", ".", "</s>"]
    expected = by_hand(model, linear, vocabulary(whole), [1] * 9)[[0, 1, 2, 3, 4, 6, 8]]
    np.testing.assert_allclose(encoder.encode_documents([document])[0], expected, atol=1e-5)


def test_xlm_roberta_by_primeqa_has_its_own_markers_and_fills_with_pad(tmp_path):
    model, linear = save_xlmr(tmp_path / "xlmr", vocabulary_size=9800)
    metadata = {"query_maxlen": 8, "doc_maxlen": 20}
    (tmp_path / "xlmr" / "artifact.metadata").write_text(json.dumps(metadata))
    encoder = load(tmp_path / "xlmr")
    ids = encoder._model.tokenizer.convert_tokens_to_ids
    (tokens,) = encoder.query_tokens(["a b"])
    assert ids(tokens.tolist())[0] == 9748
    assert tokens.tolist()[1:] == ["▁a", "▁b", "</s>", *["<pad>"] * 3]
    assert ids(next(encoder.document_tokens(["a"])).tolist()) == [9749, *ids(["▁a", "</s>"])]
    read = [0, 9748, *ids(["▁a", "▁b"]), 2, 1, 1, 1]
    expected = by_hand(model, linear, read, [1] * 5 + [0] * 3)[1:]
    np.testing.assert_allclose(encoder.encode_queries(["a b"])[0], expected, atol=1e-5)
