"""Every kind of checkpoint loads as what it is, or not at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from colbench.encoder.loading.checkpoint import Kind, detect_kind
from colbench.encoder.loading.fingerprint import fingerprint
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError, ConfigError

DOCUMENTS = ["Paris is the capital of France.", "Berlin is the capital of Germany.", ""]
QUERY = "What is the capital of France?"


def load(model, form=Form.TOKENS, *, published=None, **settings):
    settings = {"precision": "fp32", **settings}
    settings = EncoderSettings(name="test", model=str(model), device="cpu", **settings)
    return load_encoder(settings, form, published)


def maxsim(query, document):
    return float((query @ document.T).max(axis=1).sum())


@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("plain_bert", Kind.PLAIN),
        ("cross_bert", Kind.CROSS_ENCODER),
        ("bi_encoder", Kind.BI_ENCODER),
        ("stanford", Kind.LATE_INTERACTION),
        ("pylate", Kind.LATE_INTERACTION),
        ("native", Kind.LATE_INTERACTION),
    ],
)
def test_the_kind_of_a_checkpoint_is_told_from_its_files(fixture, kind, request):
    assert detect_kind(request.getfixturevalue(fixture)) is kind


@pytest.mark.parametrize(
    ("fixture", "dims"),
    [("stanford", 128), ("pylate", 8), ("native", 4), ("plain_bert", 16), ("bi_encoder", 16)],
)
def test_token_vectors_have_the_dimensions_of_the_checkpoint_and_unit_length(
    fixture, dims, request
):
    encoder = load(request.getfixturevalue(fixture))
    assert encoder.dims == dims
    for matrix in [*encoder.encode_documents(DOCUMENTS), *encoder.encode_queries([QUERY])]:
        assert matrix.dtype == np.float32
        assert matrix.shape[1] == dims
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("fixture", ["stanford", "pylate", "native", "plain_bert", "bi_encoder"])
def test_loading_twice_gives_the_same_vectors_so_no_weight_is_random(fixture, request):
    import torch

    folder = request.getfixturevalue(fixture)
    torch.manual_seed(1)
    first = load(folder).encode_documents(DOCUMENTS)
    torch.manual_seed(2)
    second = load(folder).encode_documents(DOCUMENTS)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_untrained_model_keeps_all_tokens_of_the_backbone(plain_bert):
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(plain_bert)(DOCUMENTS[0], return_tensors="pt")
    hidden = AutoModel.from_pretrained(plain_bert).eval()(**tokens).last_hidden_state[0].detach()
    expected = (hidden / hidden.norm(dim=1, keepdim=True)).numpy()
    (actual,) = load(plain_bert).encode_documents(DOCUMENTS[:1])
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("fixture", ["stanford", "pylate"])
def test_late_interaction_checkpoints_keep_markers_expansion_and_skiplist(fixture, request):
    encoder = load(request.getfixturevalue(fixture))
    assert [len(rows) for rows in encoder.encode_queries([QUERY, "a"])] == [12, 12]
    # [CLS] [unused1] paris is the capital of france [SEP]; the full stop is on the skiplist.
    assert len(encoder.encode_documents(DOCUMENTS)[0]) == 9


@pytest.mark.parametrize("fixture", ["stanford", "pylate"])
def test_query_length_sets_the_expansion_length(fixture, request):
    folder = request.getfixturevalue(fixture)
    own = load(folder, query_length=20, published=30)
    published = load(folder, published=30)
    assert len(own.encode_queries(["a"])[0]) == 20
    assert len(published.encode_queries(["a"])[0]) == 30
    assert len(load(folder, query_length=5).encode_queries([QUERY])[0]) == 5


def test_a_published_query_length_does_not_touch_a_model_without_augmentation(plain_bert):
    encoder = load(plain_bert, published=4)
    assert len(encoder.encode_queries([QUERY])[0]) == 9


@pytest.mark.parametrize("fixture", ["stanford", "pylate", "native", "plain_bert", "bi_encoder"])
def test_lengths_cut_documents_and_queries_separately(fixture, request):
    encoder = load(request.getfixturevalue(fixture), query_length=6, document_length=7)
    document, query = ["capital " * 50] * 2
    assert len(encoder.encode_documents([document])[0]) == 7
    assert len(encoder.encode_queries([query])[0]) == 6


def test_pooled_lengths_are_honoured(bi_encoder):
    encoder = load(bi_encoder, Form.DENSE, query_length=6, document_length=4, query_prompt="")
    (cut,) = encoder.encode_documents(["paris is the capital of france"])
    (same,) = encoder.encode_documents(["paris is"])
    np.testing.assert_allclose(cut, same, atol=1e-6)
    (query,) = encoder.encode_queries(["paris is the capital of france"])
    (same,) = encoder.encode_queries(["paris is the capital"])
    np.testing.assert_allclose(query, same, atol=1e-6)


def test_a_length_beyond_the_positions_of_the_model_is_refused(plain_bert):
    with pytest.raises(ConfigError, match=r"document_length=65 .* 64 tokens"):
        load(plain_bert, document_length=65)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("fixture", ["plain_bert", "bi_encoder"])
def test_pooling_override_is_taken_over_the_token_vectors(fixture, pooling, request):
    from transformers import AutoModel, AutoTokenizer

    folder = request.getfixturevalue(fixture)
    tokens = AutoTokenizer.from_pretrained(folder)(DOCUMENTS[0], return_tensors="pt")
    hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0].detach()
    expected = hidden[0] if pooling == "cls" else hidden.mean(dim=0)
    encoder = load(folder, Form.DENSE, pooling=pooling, normalize=False)
    (actual,) = encoder.encode_documents(DOCUMENTS[:1])
    np.testing.assert_allclose(actual, expected[None].numpy(), atol=1e-5)


def test_normalize_makes_pooled_vectors_unit_length(bi_encoder):
    (unit,) = load(bi_encoder, Form.DENSE).encode_documents(DOCUMENTS[:1])
    (raw,) = load(bi_encoder, Form.DENSE, normalize=False).encode_documents(DOCUMENTS[:1])
    assert unit.shape == raw.shape == (1, 16)
    assert abs(np.linalg.norm(raw) - 1) > 1e-3
    np.testing.assert_allclose(unit, raw / np.linalg.norm(raw), atol=1e-6)


def test_prompts_of_the_settings_replace_those_of_the_checkpoint(bi_encoder):
    checkpoint = load(bi_encoder, Form.DENSE)
    changed = load(bi_encoder, Form.DENSE, query_prompt="the ", document_prompt="a ")
    plain = load(bi_encoder, Form.DENSE, query_prompt="", document_prompt="")
    for left, right in [
        (checkpoint.encode_queries(["paris"]), plain.encode_queries(["what paris"])),
        (changed.encode_queries(["paris"]), plain.encode_queries(["the paris"])),
        (changed.encode_documents(["paris"]), plain.encode_documents(["a paris"])),
    ]:
        np.testing.assert_allclose(left[0], right[0], atol=1e-6)


@pytest.mark.parametrize("form", Form)
def test_bf16_stays_close_to_fp32_and_unit_length(bi_encoder, form):
    (exact,) = load(bi_encoder, form).encode_documents(DOCUMENTS[:1])
    (rounded,) = load(bi_encoder, form, precision="bf16").encode_documents(DOCUMENTS[:1])
    assert rounded.dtype == np.float32
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_vectors(bi_encoder):
    for form in Form:
        assert load(bi_encoder, form).encode_documents([]) == []


def test_checkpoints_are_refused_in_a_form_they_were_not_made_for(stanford, plain_bert, cross_bert):
    with pytest.raises(ConfigError, match="late-interaction"):
        load(stanford, Form.DENSE)
    with pytest.raises(ConfigError, match="pooling=mean or pooling=cls"):
        load(plain_bert, Form.DENSE)
    for form in Form:
        with pytest.raises(ConfigError, match="cross-encoder"):
            load(cross_bert, form, pooling="mean")


def test_a_checkpoint_that_would_get_a_random_projection_is_refused(pylate, tmp_path):
    """PyLate settings without the projection: sentence-transformers would make one up."""
    folder = tmp_path / "model"
    shutil.copytree(pylate, folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:1]))
    shutil.rmtree(folder / "1_Dense")
    with pytest.raises(ConfigError, match=r"weights of .*linear\.weight; they would be random"):
        load(folder)


def test_a_backbone_that_would_get_random_weights_is_refused(plain_bert, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(plain_bert, folder)
    weights = load_file(folder / "model.safetensors")
    renamed = {key.replace("query", "quarry"): value for key, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    # The tensor is in the file under a name nothing reads, so its content is not in the model.
    with pytest.raises(ConfigError, match="they would be random"):
        load(folder)


def test_a_model_that_gives_nan_is_reported_with_the_text(plain_bert, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(plain_bert, folder)
    weights = load_file(folder / "model.safetensors")
    berlin = (folder / "vocab.txt").read_text().split().index("berlin")
    weights["embeddings.word_embeddings.weight"][berlin] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ColbenchError, match=r"NaN .* text 1 \('Berlin is"):
        load(folder).encode_documents(DOCUMENTS)


def test_fingerprints_change_with_what_changes_vectors_and_with_nothing_else(stanford, bi_encoder):
    base = load(stanford)
    assert load(stanford, batch_tokens=7).fingerprint == base.fingerprint
    queries = load(stanford, query_length=20)
    assert queries.fingerprint != base.fingerprint
    assert queries.document_fingerprint == base.document_fingerprint
    others = [
        load(stanford, document_length=8),
        load(stanford, precision="bf16"),
        load(stanford, document_prompt="a "),
        load(bi_encoder),
        load(bi_encoder, Form.DENSE),
        load(bi_encoder, Form.DENSE, normalize=False),
        load(bi_encoder, Form.DENSE, pooling="cls"),
    ]
    prints = {encoder.document_fingerprint for encoder in [base, *others]}
    assert len(prints) == len(others) + 1


def test_fingerprint_changes_with_a_single_weight(plain_bert, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(plain_bert, folder)
    same = load(folder)
    assert same.fingerprint == load(plain_bert).fingerprint
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(content))
    assert load(folder).fingerprint != same.fingerprint


@pytest.mark.parametrize("name", ["config.json", "vocab.txt"])
def test_fingerprint_changes_with_configuration_and_vocabulary(plain_bert, tmp_path, name):
    folder = tmp_path / "changed"
    shutil.copytree(plain_bert, folder)
    before = fingerprint(folder, {})
    (file,) = folder.rglob(name)
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert fingerprint(folder, {}) != before


def test_unusable_devices_and_precisions_are_refused(plain_bert):
    settings = EncoderSettings(name="t", model=str(plain_bert), device="teapot")
    with pytest.raises(ConfigError, match="device='teapot'"):
        load_encoder(settings, Form.TOKENS)
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        load(plain_bert, precision="fp16")


def test_a_gpu_without_memory_for_a_batch_is_one_line():
    import torch

    from colbench.encoder.backends.runtime import autocast
    from colbench.encoder.base import Arithmetic

    fp32 = Arithmetic("torch", "fp32", "cpu")
    with pytest.raises(ColbenchError, match="smaller batch"), autocast(fp32):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_importing_the_encoder_layer_does_not_load_torch():
    modules = ["cache.store", "loading.cross_encoder", "loading.weights", "models"]
    imports = "; ".join(f"import colbench.encoder.{name}" for name in modules)
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'}"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_embedded_model_ranks_the_capital_of_france_first():
    model = "embedded:all-MiniLM-L6-v2"
    tokens = load(model, query_length=256, document_length=256)
    (query,) = tokens.encode_queries([QUERY])
    paris, berlin, empty = tokens.encode_documents(DOCUMENTS)
    assert maxsim(query, paris) > maxsim(query, berlin) > maxsim(query, empty)
    assert query.shape == (9, 384)
    assert empty.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(paris, axis=1), 1.0, atol=1e-5)
