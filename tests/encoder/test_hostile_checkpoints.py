"""A checkpoint is a folder of a stranger: all that is read counts, and nothing else is read."""

import json
import os
import pickle
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from colbench.encoder.loading import contents
from colbench.encoder.loading.checkpoint import detect_kind, is_stanford
from colbench.encoder.loading.contents import checkpoint_files, file_digests, read_json
from colbench.encoder.loading.fingerprint import fingerprint
from colbench.encoder.loading.positions import check_lengths
from colbench.encoder.loading.weights import resolve_weights, weight_bytes
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError, ConfigError, StorageError
from colbench.experiment.finished import weights_state

TEXTS = ["Paris is the capital of France.", "a"]


def settings(folder, **values):
    return EncoderSettings(name="t", model=str(folder), device="cpu", **values)


def load(folder, form=Form.DENSE, **values):
    return load_encoder(settings(folder, **values), form)


def refused(folder, match, kind=ColbenchError):
    """The folder is refused in one line, before a model is loaded."""
    with pytest.raises(kind, match=match) as error:
        resolve_weights(str(folder))
    assert "\n" not in str(error.value)


def rewrite(file, change):
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


@pytest.fixture
def model(bi_encoder, tmp_path):
    return Path(shutil.copytree(bi_encoder, tmp_path / "model"))


@pytest.fixture
def projected(native, tmp_path):
    return Path(shutil.copytree(native, tmp_path / "projected"))


@pytest.fixture
def plain(plain_bert, tmp_path):
    return Path(shutil.copytree(plain_bert, tmp_path / "plain"))


# What counts.


def test_a_linked_module_folder_counts(model, tmp_path):
    """Mean changed to CLS behind a link: other vectors, so another fingerprint."""
    (model / "1_Pooling").rename(tmp_path / "elsewhere")
    (model / "1_Pooling").symlink_to(Path("..") / "elsewhere")
    before, state = load(model), weights_state([settings(model)])
    rewrite(tmp_path / "elsewhere" / "config.json", lambda c: c.update(pooling_mode="cls"))
    after = load(model)
    assert not np.allclose(before.encode_documents(TEXTS)[0], after.encode_documents(TEXTS)[0])
    assert before.fingerprint != after.fingerprint
    assert before.document_fingerprint != after.document_fingerprint
    assert weights_state([settings(model)]) != state


@pytest.mark.parametrize(
    "name",
    [
        *("pytorch_model.bin", "vocab.bpe", "bpe.codes", "dict", ".hidden", ".hidden/config.json"),
        *(
            "onnx/model.onnx",
            "openvino/openvino_model.xml",
            "coreml/x/weights",
            "ünï/x.json",
            "A.B",
        ),
        *("docs/README.md", "model.PT", "1_Pooling/added", "assets/.gitattributes", ".cache/x"),
    ],
)
def test_every_file_counts_by_its_name_and_content(plain, name):
    first = fingerprint(plain, {})
    file = plain / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"one")
    second = fingerprint(plain, {})
    file.write_bytes(b"two")
    third, state = fingerprint(plain, {}), weights_state([settings(plain)])
    file.rename(file.with_name("renamed"))
    assert len({first, second, third, fingerprint(plain, {})}) == 4
    assert weights_state([settings(plain)]) != state


@pytest.mark.parametrize(
    "name", ["README.md", ".gitattributes", ".git/objects/ab", ".cache/huggingface/download/x.lock"]
)
def test_what_nothing_reads_changes_nothing(plain, name):
    before = fingerprint(plain, {})
    (plain / name).parent.mkdir(parents=True, exist_ok=True)
    (plain / name).write_text("x")
    assert fingerprint(plain, {}) == before


def test_the_fingerprint_of_an_ordinary_folder_has_not_changed():
    """Vectors that were cached before links and other files counted are still found."""
    folder = resolve_weights("embedded:all-MiniLM-L6-v2")
    assert set(file_digests(folder)) == {
        *("config.json", "config_sentence_transformers.json", "data_config.json", "modules.json"),
        *("model.safetensors", "sentence_bert_config.json", "special_tokens_map.json"),
        *("tokenizer.json", "tokenizer_config.json", "vocab.txt", "1_Pooling/config.json"),
    }


def test_a_change_of_the_same_size_and_time_is_seen(plain, monkeypatch):
    file = plain / "config.json"
    os.utime(file, ns=(10**18, 10**18))
    before = file_digests(plain)
    file.write_bytes(file.read_bytes().replace(b'"gelu"', b'"silu"'))
    os.utime(file, ns=(10**18, 10**18))
    between = file_digests(plain)
    monkeypatch.setattr(contents, "_SETTLED_NS", 0)  # as if it were some time ago
    file_digests(plain)
    replacement = plain / "config.new"
    replacement.write_bytes(file.read_bytes().replace(b'"silu"', b'"gelu"'))
    os.utime(replacement, ns=(10**18, 10**18))
    replacement.replace(file)
    assert between["config.json"] != before["config.json"]
    assert file_digests(plain)["config.json"] == before["config.json"]


def test_a_file_is_hashed_once_until_it_changes(plain, monkeypatch):
    monkeypatch.setattr(contents, "_SETTLED_NS", 0)
    opened = []
    original = contents._open
    monkeypatch.setattr(contents, "_open", lambda path: (opened.append(path), original(path))[1])
    first = file_digests(plain)
    assert {path.name for path in opened} == {Path(name).name for name in first}
    opened.clear()
    assert file_digests(plain) == first
    assert opened == []


def test_a_snapshot_of_the_hub_is_read_through_its_links(plain, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(plain.iterdir())):
        shutil.copy(file, blobs / str(number))
        (snapshot / file.name).symlink_to(Path("..") / ".." / "blobs" / str(number))
    assert resolve_weights(str(snapshot)) == snapshot
    assert fingerprint(snapshot, {}) == fingerprint(plain, {})
    assert weight_bytes(snapshot) == weight_bytes(plain) > 0


def test_a_linked_module_with_weights_is_loaded(projected, tmp_path):
    before = load(projected, Form.TOKENS).encode_documents(TEXTS)
    (projected / "1_Dense").rename(tmp_path / "dense")
    (projected / "1_Dense").symlink_to(tmp_path / "dense")
    for left, right in zip(
        before, load(projected, Form.TOKENS).encode_documents(TEXTS), strict=True
    ):
        np.testing.assert_array_equal(left, right)


# What is no file.


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def make_sparse(path):
    with path.open("wb") as stream:
        stream.truncate(2**40)


def link_to(target):
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (make_pipe, "is a pipe"),
        (make_socket, "is a socket"),
        (link_to("/dev/zero"), "is a device"),
        (link_to("/dev/stdin"), "is a (device|pipe)|own files"),
        (link_to("/proc/self/environ"), "system's own files"),
        (Path.mkdir, "is a folder where a file belongs"),
        (make_sparse, r"1,099,511,627,776 bytes, but holds 0"),
        (link_to("nowhere"), "is a link to nowhere, where nothing is"),
    ],
)
@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json", "README.md"]
)
def test_what_cannot_be_read_to_its_end_is_refused(model, make, match, name):
    (model / name).unlink(missing_ok=True)
    make(model / name)
    refused(model, match)
    with pytest.raises(ColbenchError, match=match):
        fingerprint(model, {})
    with pytest.raises(ColbenchError, match=match):
        weights_state([settings(model)])


@pytest.mark.parametrize(
    "name",
    [
        *("modules.json", "config.json", "config_sentence_transformers.json", "artifact.metadata"),
        "sentence_bert_config.json",
    ],
)
def test_no_reader_of_a_configuration_waits_at_a_pipe(stanford, tmp_path, name):
    folder = Path(shutil.copytree(stanford, tmp_path / "stanford"))
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    done = []

    def read():
        for reader in (detect_kind, is_stanford, lambda f: check_lengths(settings(f), f), load):
            try:
                reader(folder)
            except ColbenchError as error:
                done.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert any("is a pipe" in message for message in done)


def test_links_in_a_circle_are_refused(model, tmp_path):
    (model / "again").symlink_to(model)
    refused(model, "is a link to a folder that it lies in")
    (model / "again").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "back").symlink_to(model / "1_Pooling")
    (model / "1_Pooling" / "on").symlink_to(tmp_path / "other")
    refused(model, "is a link to a folder that it lies in")
    (model / "1_Pooling" / "on").unlink()
    (model / "itself.json").symlink_to("itself.json")
    refused(model, "is a link that ends in itself")


def test_a_folder_that_multiplies_by_its_links_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "_MOST", 1000)
    for level in range(16):
        inner = tmp_path / str(level)
        inner.mkdir()
        for name in "ab":
            (inner / name).symlink_to(tmp_path / str(level + 1))
    (tmp_path / "16").mkdir()
    (model / "many").symlink_to(tmp_path / "0")
    refused(model, "more than 1,000 files and folders")
    (model / "many").unlink()
    (model / "/".join("a" * 100)).mkdir(parents=True)
    refused(model, "folders deep")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_one_line(model):
    (model / "model.safetensors").chmod(0)
    with pytest.raises(StorageError, match=r"cannot read .*model\.safetensors: Permission denied"):
        fingerprint(model, {})


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "vocab.txt", "config.json", "model.safetensors", "modules.json"]
)
def test_an_empty_file_is_one_line(model, name):
    (model / name).write_bytes(b"")
    refused(model, rf"{name} is empty; fetch the model again")


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"model": 1}', "\0" * 9, "x"])
def test_a_tokenizer_that_is_none_is_one_line(model, content):
    (model / "tokenizer.json").write_text(content)
    with pytest.raises(ConfigError) as error:
        load(model)
    assert "\n" not in str(error.value)


# What files name.

ELSEWHERE = ["/etc", "../other", "a/../../other", "..\\other", "C:\\x", "\\\\host\\x", "~/x"]
HIDDEN = [".git", ".git/1_Pooling", "./.git/x", ".cache/huggingface/x", ".GIT/x"]


@pytest.mark.parametrize("path", [*ELSEWHERE, *HIDDEN, "a\0b", 5, None])
def test_a_module_elsewhere_is_refused(model, path):
    rewrite(model / "modules.json", lambda modules: modules[1].update(path=path))
    refused(model, r"modules\.json (names|is not)")


@pytest.mark.parametrize("name", [*ELSEWHERE, *HIDDEN])
def test_shards_elsewhere_are_refused(plain, name):
    weights = load_file(plain / "model.safetensors")
    (plain / "model.safetensors").rename(plain / "model-1.safetensors")
    shards = dict.fromkeys(weights, "model-1.safetensors")
    index = plain / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    assert resolve_weights(str(plain)) == plain
    shards[next(iter(shards))] = f"{name}/model.safetensors"
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    refused(plain, r"index\.json names .* which is not inside")
    index.rename(plain / "pytorch_model.bin.index.json")
    refused(plain, r"index\.json names .* which is not inside")


@pytest.mark.parametrize(
    ("shard", "match"),
    [
        ("shard.bin", "nothing but safetensors"),
        ("shard", "nothing but safetensors"),
        ("absent.safetensors", "which is not there"),
        ("Model.safetensors", "which is not there"),
    ],
)
def test_a_shard_that_is_no_safetensors_is_refused(plain, tmp_path, shard, match):
    weights = load_file(plain / "model.safetensors")
    (plain / "model.safetensors").rename(plain / "decoy.safetensors")
    write_pickle(plain / "shard", tmp_path)
    write_pickle(plain / "shard.bin", tmp_path)
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, shard)}
    (plain / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(plain, match)


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("config.json", {"transformers_weights": "adapter_model.bin"}, "nothing but safetensors"),
        ("config.json", {"transformers_weights": "../m.safetensors"}, "not inside"),
        ("config.json", {"configuration_files": ["../config.4.0.0.json"]}, "not inside"),
        ("config.json", {"configuration_files": ["config.4.0.0.json.x"]}, "is no JSON"),
        ("config.json", {"base_model_name_or_path": "/other"}, "asks for another model"),
        ("config.json", {"attn_implementation": "some/kernel"}, "attention kernel"),
        ("config.json", {"text_config": {"_attn_implementation": "a/b"}}, "attention kernel"),
        ("config.json", {"auto_map": {"AutoModel": "../x.Model"}}, "not inside"),
        (
            "tokenizer_config.json",
            {"fast_tokenizer_files": ["../tokenizer.4.0.json"]},
            "not inside",
        ),
        ("tokenizer_config.json", {"vocab_file": "/etc/passwd"}, "not inside"),
        ("sentence_bert_config.json", {"tokenizer_name_or_path": "/other"}, "remove that key"),
        ("sentence_bert_config.json", {"cache_dir": "/other"}, "remove that key"),
        *(
            ("sentence_bert_config.json", {part: arguments}, "no checkpoint may choose")
            for part, arguments in [
                ("model_args", {"weights_only": False}),
                ("model_args", {"gguf_file": "model.gguf"}),
                ("model_kwargs", {"use_kernels": True}),
                ("model_kwargs", {"adapter_kwargs": {"subfolder": "x"}}),
                ("model_kwargs", {"adapter_kwargs": {"type": "x", "a": [{"b": ["x"]}]}}),
                ("tokenizer_args", {"tokenizer_file": "/etc/passwd"}),
                ("processor_kwargs", {"vocab": "vocab.txt"}),
                ("config_kwargs", {"_configuration_file": "../config.json"}),
            ]
        ),
        ("sentence_bert_config.json", {"model_kwargs": ["x"]}, "not a model's configuration"),
        ("sentence_xlm-roberta_config.json", {"model_args": {"config": "x"}}, "may choose"),
        ("1_Pooling/config.json", {"types": {"../x": "y"}, "structure": {}}, "not inside"),
        ("adapter_config.json", {"base_model_name_or_path": "x"}, "makes this an adapter"),
        ("deep/adapter_config.json", {}, "makes this an adapter"),
    ],
)
def test_files_that_a_configuration_may_not_name_are_refused(model, file, change, match):
    (model / file).parent.mkdir(exist_ok=True)
    before = json.loads((model / file).read_text()) if (model / file).exists() else {}
    (model / file).write_text(json.dumps(before | change))
    refused(model, match)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"_name_or_path": "/home/someone/model", "attn_implementation": "sdpa"}),
        ("tokenizer_config.json", {"tokenizer_file": "/home/nobody/tokenizer.json"}),
        ("tokenizer_config.json", {"special_tokens_map_file": "/etc/passwd"}),
        ("sentence_bert_config.json", {"model_args": {"dtype": "float32", "revision": "main"}}),
        ("sentence_bert_config.json", {"tokenizer_args": {"trust_remote_code": True}}),
        ("trainer_state.json", {"best_model_checkpoint": "../x"}),
    ],
)
def test_what_ordinary_checkpoints_say_is_no_obstacle(model, file, change):
    before = json.loads((model / file).read_text()) if (model / file).exists() else {}
    (model / file).write_text(json.dumps(before | change))
    assert len(load(model).encode_documents(TEXTS)) == 2


def test_a_configuration_as_deep_as_python_reads_is_one_line(model):
    deep = '{"a":' * 900 + "{}" + "}" * 900
    (model / "data_config.json").write_text(deep)
    assert resolve_weights(str(model)) == model


# Pickles.


class Payload:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def write_pickle(path, tmp_path):
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))


@pytest.mark.parametrize("decoy", ["decoy.safetensors", "model.safetensors.index.json", None])
def test_a_pickle_is_not_read_beside_a_decoy(projected, tmp_path, monkeypatch, decoy):
    import torch

    called = []
    monkeypatch.setattr(torch, "load", lambda *a, **k: called.append(a))
    dense = projected / "1_Dense"
    weights = load_file(dense / "model.safetensors")
    (dense / "model.safetensors").unlink()
    torch.save(weights, dense / "pytorch_model.bin")
    if decoy == "decoy.safetensors":
        save_file(weights, dense / decoy)
    elif decoy:
        (dense / decoy).write_text('{"metadata": {}, "weight_map": {}}')
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin is a pickle.*convert") as error:
        load(projected, Form.TOKENS)
    assert "\n" not in str(error.value)
    assert called == []


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "1_Pooling/pytorch_model.bin", "training_args.bin", "x.ckpt"]
)
def test_a_pickle_beside_weights_is_left_alone(model, tmp_path, name):
    if "/" in name:
        shutil.copy(model / "model.safetensors", (model / name).with_name("model.safetensors"))
    write_pickle(model / name, tmp_path)
    assert len(load(model).encode_documents(TEXTS)) == 2
    assert not (tmp_path / "ran").exists()


def test_nothing_that_loads_a_model_reaches_a_pickle(tmp_path):
    """Whatever way to a pickle is found: there is one function that reads it."""
    import torch

    from colbench.encoder.backends.runtime import load_quietly

    write_pickle(tmp_path / "any", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    load_before = torch.load

    def make(folder, **options):
        with (Path(folder) / "any").open("rb") as stream:
            return torch.load(stream, weights_only=False)

    with pytest.raises(ConfigError, match="any is a pickle, which colbench never loads"):
        load_quietly(make, tmp_path, trust_remote_code=True, device="cpu")
    assert torch.load is load_before
    assert not (tmp_path / "ran").exists()


# Code.


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("modeling.Model", "code of its own"),
        ("os.path", "code of its own"),
        ("sentence_transformers_evil.Model", "code of its own"),
        ("pylate.models.ColBERT", "code of its own"),
        ("sentence_transformers.base.model.pickle", "no module of a model"),
        ("sentence_transformers.util.http_get", "no module of a model"),
        ("sentence_transformers.Absent", "does not have"),
        (["x"], "not a model's configuration"),
    ],
)
def test_code_of_a_checkpoint_is_not_run(model, tmp_path, name, match):
    (model / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    rewrite(model / "modules.json", lambda modules: modules[1].update(type=name))
    with pytest.raises(ConfigError, match=match) as error:
        load(model, Form.TOKENS)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_code_behind_a_router_is_not_run(model, tmp_path):
    (model / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    router = "sentence_transformers.models.Router"
    rewrite(model / "modules.json", lambda modules: modules[1].update(type=router))
    routes = {"types": {"a": "modeling.Model"}, "structure": {"query": ["a"]}, "parameters": {}}
    (model / "1_Pooling" / "router_config.json").write_text(json.dumps(routes))
    with pytest.raises(ConfigError, match=r"router_config\.json asks for modeling\.Model"):
        load(model)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_an_auto_map_runs_nothing(model, tmp_path, file):
    (model / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    names = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor")
    mapped = dict.fromkeys(names, "modeling.Model")
    rewrite(model / file, lambda c: c.update(auto_map=mapped, model_type="unheard_of"))
    with pytest.raises(ConfigError, match="cannot be loaded as a model"):
        load(model)
    assert not (tmp_path / "ran").exists()
    rewrite(model / file, lambda c: c.update(auto_map=dict.fromkeys(names, "other/code--m.M")))
    with pytest.raises(ConfigError, match=r"code from other/code; .*trust_remote_code=true"):
        load(model)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("os.getcwd", "code of its own"),
        ("torch.seed", "code of its own"),
        ("torch.nn.init.zeros_", "no module of a model"),
        ("torch.nn.Absent", "does not have"),
    ],
)
def test_an_activation_is_one_of_torch(projected, name, match):
    config = projected / "1_Dense" / "config.json"
    rewrite(config, lambda c: c.update(activation_function=name))
    with pytest.raises(ConfigError, match=match):
        load(projected, Form.TOKENS)


# Weights that are not there.


@pytest.mark.parametrize(
    "name",
    [
        *("embeddings.LayerNorm.weight", "encoder.layer.0.attention.self.query.bias"),
        *("encoder.layer.0.output.LayerNorm.bias", "encoder.layer.0.output.LayerNorm.weight"),
    ],
)
@pytest.mark.parametrize("trained", [False, True])
def test_a_vector_that_is_missing_is_named(plain, name, trained):
    import torch

    file = plain / "model.safetensors"
    torch.manual_seed(3)
    weights = {
        key: value + torch.rand_like(value) if trained else value
        for key, value in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})
    load(plain, Form.TOKENS)
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=rf"does not hold the weights of .*{name}; a constant"):
        load(plain, Form.TOKENS)


def test_a_model_without_a_transformer_in_front_is_one_line(tmp_path, plain):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    words = StaticEmbedding(Tokenizer.from_file(str(plain / "tokenizer.json")), embedding_dim=8)
    SentenceTransformer(modules=[words]).save_pretrained(str(tmp_path / "static"))
    for form in Form:
        with pytest.raises(ConfigError, match="no transformer in front"):
            load(tmp_path / "static", form)


def test_a_hub_model_whose_branch_moved_is_measured_again(plain, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    states = [weights_state([settings("some/model")])]
    for commit in ("c" * 40, "d" * 40):
        snapshot = Path(shutil.copytree(plain, repository / "snapshots" / commit))
        rewrite(snapshot / "config.json", lambda c, commit=commit: c.update(commit=commit))
        (repository / "refs" / "main").write_text(commit)
        states.append(weights_state([settings("some/model")]))
    assert states[0] == {}
    assert states[1] != states[2]
    assert weights_state([settings("not a name")]) == {}
    assert weights_state([settings("embedded:all-MiniLM-L6-v2")]) == {}


def test_readers_say_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "_JSON_BYTES", 1000)
    with pytest.raises(StorageError, match="cannot read"):
        checkpoint_files(tmp_path / "absent")
    (tmp_path / "large.json").write_bytes(b"[" + b" " * 1000 + b"]")
    with pytest.raises(ConfigError, match="too many to read"):
        read_json(tmp_path / "large.json", [])
    assert read_json(tmp_path / "absent.json", {"a": 1}) == {"a": 1}
