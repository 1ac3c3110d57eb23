"""What `auto` becomes, and models in reduced precision beside the same in fp32."""

import json
from pathlib import Path

import numpy as np
import pytest

from colbench.encoder.backends import accelerate, precision
from colbench.encoder.backends.int8 import calibration_texts
from colbench.encoder.backends.precision import choose_arithmetic
from colbench.encoder.base import Arithmetic
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError

DOCUMENTS = ["Paris is the capital of France.", "Berlin", "", "b a b a " * 30]


def settings(model="m", **values):
    values = {"precision": "auto", **values}
    return EncoderSettings(name="test", model=str(model), device="cpu", **values)


@pytest.fixture
def load(tmp_path):
    def loaded(model, form=Form.TOKENS, **values):
        return load_encoder(settings(model, **values), form, cache_root=tmp_path / "cache")

    return loaded


@pytest.fixture
def machine(monkeypatch):
    def of(*flags, openvino=True):
        monkeypatch.setattr(precision, "cpu_has", lambda *wanted: bool(set(wanted) & set(flags)))
        monkeypatch.setattr(precision, "openvino_installed", lambda: openvino)

    return of


@pytest.mark.parametrize(
    ("flags", "openvino", "values", "expected"),
    [
        (["avx512_vnni", "avx512_bf16"], True, {}, ("openvino", "int8")),
        (["avx_vnni"], True, {}, ("openvino", "int8")),
        (["avx512_vnni", "avx512_bf16"], False, {}, ("torch", "bf16")),
        (["avx512_vnni"], False, {}, ("torch", "fp32")),
        (["amx_bf16"], True, {}, ("torch", "bf16")),
        ([], True, {}, ("torch", "fp32")),
        (["avx512_vnni"], True, {"backend": "torch"}, ("torch", "fp32")),
        (["avx512_vnni", "amx_bf16"], True, {"trust_remote_code": True}, ("torch", "bf16")),
        (["avx512_vnni"], True, {"precision": "fp32"}, ("torch", "fp32")),
        ([], True, {"precision": "int8"}, ("openvino", "int8")),
        (["amx_bf16"], True, {"backend": "openvino", "precision": "bf16"}, ("openvino", "bf16")),
        ([], True, {"backend": "openvino"}, ("openvino", "fp32")),
    ],
)
def test_auto_follows_the_machine_and_what_is_asked_for_stays(
    machine, flags, openvino, values, expected
):
    machine(*flags, openvino=openvino)
    assert choose_arithmetic(settings(**values), "cpu") == Arithmetic(*expected, "cpu")


@pytest.mark.parametrize(
    ("values", "device", "message"),
    [
        ({"precision": "int8"}, "cpu", r"pip install 'colbench\[openvino\]'"),
        ({"backend": "openvino"}, "cpu", r"pip install 'colbench\[openvino\]'"),
        ({"backend": "openvino"}, "cuda:0", "set device=cpu"),
        ({"precision": "int8", "backend": "torch"}, "cpu", "needs backend=openvino"),
        ({"precision": "int8"}, "cuda", "needs backend=openvino and device=cpu"),
        ({"precision": "fp16"}, "cpu", "fp16 needs a GPU"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(machine, values, device, message):
    machine(openvino=False)
    with pytest.raises(ConfigError, match=message):
        choose_arithmetic(settings(**values), device)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("backend_precision", [("openvino", "fp32"), ("openvino", "int8")])
def test_another_backend_gives_nearly_the_vectors_of_fp32(
    load, bi_encoder, form, backend_precision
):
    backend, wanted = backend_precision
    exact = load(bi_encoder, form, precision="fp32")
    other = load(bi_encoder, form, backend=backend, precision=wanted)
    assert other.arithmetic == Arithmetic(backend, wanted, "cpu")
    assert other.document_fingerprint != exact.document_fingerprint
    least = 0.98 if wanted == "int8" else 0.99999
    for call in ("encode_documents", "encode_queries"):
        for a, b in zip(
            getattr(exact, call)(DOCUMENTS), getattr(other, call)(DOCUMENTS), strict=True
        ):
            assert a.shape == b.shape
            assert b.dtype == np.float32
            assert (a * b).sum(axis=1).mean() > least
    if wanted == "int8":
        assert 0.98 < other.cosine < 1


def test_a_converted_model_is_kept_and_a_damaged_one_made_again(load, plain_bert, tmp_path):
    first = load(plain_bert, precision="int8")
    (manifest,) = (tmp_path / "cache" / "models").glob("*/manifest.json")
    made = manifest.stat().st_mtime_ns
    before = first.encode_documents(DOCUMENTS)
    again = load(plain_bert, precision="int8", batch_tokens=99)
    assert manifest.stat().st_mtime_ns == made
    assert again.cosine == first.cosine
    weights = manifest.with_name("model.bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 0x40
    weights.write_bytes(content)
    repaired = load(plain_bert, precision="int8")
    assert manifest.stat().st_mtime_ns != made
    for a, b in zip(before, repaired.encode_documents(DOCUMENTS), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_conversion_belongs_to_the_lengths_it_was_calibrated_at(load, plain_bert, tmp_path):
    for length in (8, 32):
        load(plain_bert, precision="int8", document_length=length)
    assert len(list((tmp_path / "cache" / "models").glob("*/manifest.json"))) == 2


def test_auto_takes_something_else_where_int8_cannot_be_made(
    load, machine, plain_bert, monkeypatch, capsys
):
    def fails(*_, **__):
        raise RuntimeError("no such operation")

    machine("avx512_vnni")
    monkeypatch.setattr("colbench.encoder.backends.openvino.quantise", fails)
    assert load(plain_bert).arithmetic.backend == "torch"
    assert "no such operation" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no such operation"):
        load(plain_bert, precision="int8")


def test_a_manifest_that_was_changed_is_not_believed(load, plain_bert, tmp_path):
    true = load(plain_bert, precision="int8").cosine
    (manifest,) = (tmp_path / "cache" / "models").glob("*/manifest.json")
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "cosine": 1.0}))
    assert load(plain_bert, precision="int8").cosine == true


def test_auto_leaves_int8_alone_where_it_is_far_from_fp32(
    load, machine, plain_bert, monkeypatch, capsys
):
    machine("avx512_vnni", "avx512_bf16")
    monkeypatch.setattr(accelerate, "LEAST_COSINE", 1.1)
    monkeypatch.setattr(accelerate, "has_bf16", lambda: True)
    assert load(plain_bert).arithmetic == Arithmetic("torch", "bf16", "cpu")
    assert "takes bf16" in capsys.readouterr().err
    assert load(plain_bert, precision="int8").arithmetic.precision == "int8"


def test_calibration_is_a_fixed_list_of_passages_of_several_lengths():
    texts = calibration_texts()
    lengths = sorted(len(text.split()) for text in texts)
    assert len(set(texts)) == len(texts) >= 32
    assert lengths[0] < 12 and lengths[-1] > 60


def test_pruning_everything_takes_converted_models_with_it(load, plain_bert, tmp_path):
    load(plain_bert, backend="openvino", precision="fp32")
    cache = EmbeddingCache(tmp_path / "cache")
    assert cache.prune(everything=True) > 1000
    assert not (cache.root / "models").exists()


def test_fp32_is_the_default_on_every_machine(machine):
    machine("avx512_vnni", "avx512_bf16")
    default = EncoderSettings(name="t", model="m")
    assert choose_arithmetic(default, "cpu") == Arithmetic("torch", "fp32", "cpu")


@pytest.mark.parametrize("name", sorted(precision.GAINS))
def test_what_auto_is_said_to_save_is_what_was_measured(name):
    path = Path(__file__).resolve().parents[2] / "results" / "encode_speed" / "encode_speed.json"
    collections = json.loads(path.read_text(encoding="utf-8"))["collections"]
    forms = [form for collection in collections for form in collection["forms"]]
    variant = {"int8": "openvino int8", "bf16": "torch bf16"}[name]
    times = [
        one["to_first"]
        for form in forms
        for one in form["speed"]["variants"]
        if f"{one['backend']} {one['precision']}" == variant
    ]
    points = [100 * form["effects"][variant]["test"]["difference"] for form in forms]
    said = (round(float(np.median(times)), 1), round(min(points), 1), round(max(points), 1))
    assert precision.GAINS[name] == said


@pytest.mark.parametrize(
    ("flags", "openvino", "values", "told"),
    [
        (["avx512_vnni"], True, {}, "encoder.precision=auto takes int8 here, 3.0 times as fast"),
        (["avx512_vnni"], True, {}, "moved nDCG@10 by -0.4 to +0.2 points"),
        (["avx_vnni"], False, {}, "pip install 'colbench[openvino]' and encoder.precision=auto"),
        (["amx_bf16"], True, {}, "takes bf16 here, 1.6 times as fast"),
        (["amx_bf16"], True, {"backend": "torch"}, "takes bf16"),
        ([], True, {}, None),
        (["avx512_vnni"], True, {"precision": "auto"}, None),
        (["avx512_vnni"], True, {"backend": "openvino"}, None),
    ],
)
def test_a_machine_that_could_do_more_says_what_that_would_save(
    machine, flags, openvino, values, told
):
    machine(*flags, openvino=openvino)
    asked = settings(**{"precision": "fp32", **values})
    said = precision.told_of_auto(asked, Arithmetic("torch", "fp32", "cpu"))
    assert (said is None) if told is None else told in said
