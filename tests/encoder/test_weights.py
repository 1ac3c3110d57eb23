"""Names of models that lead nowhere end in one line, and quickly."""

import socket

import pytest

from colbench.encoder.loading import hub, weights
from colbench.encoder.loading.cross_encoder import load_cross_encoder
from colbench.encoder.loading.weights import resolve_weights
from colbench.encoder.settings import CrossEncoderSettings
from colbench.errors import ConfigError, StorageError, WeightsUnavailable


@pytest.fixture
def empty_hub_cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_local_folder_is_used_as_it_is(plain_bert):
    assert resolve_weights(str(plain_bert)) == plain_bert


@pytest.mark.parametrize("name", ["./nothing", "/nothing/here", "~/nothing-here-either", "a/b/c"])
def test_a_path_to_nothing_is_refused(name):
    with pytest.raises(ConfigError, match="no model folder"):
        resolve_weights(name)


@pytest.mark.parametrize("name", ["two words", "-a/b", "???"])
def test_a_name_the_hub_cannot_have_is_refused(name):
    with pytest.raises(ConfigError, match="neither a folder nor a hub name"):
        resolve_weights(name)


def test_a_file_and_a_folder_without_a_model_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a model folder"):
        resolve_weights(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="no weights in safetensors format"):
        resolve_weights(str(tmp_path))
    with pytest.raises(ConfigError, match="no model folder"):
        resolve_weights(str(tmp_path / "config.json"))


def test_pickled_weights_are_refused_before_anything_reads_them(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "1_Dense").mkdir()
    (tmp_path / "1_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"1_Dense.*is a pickle.*convert"):
        resolve_weights(str(tmp_path))


def test_a_damaged_weight_file_is_one_line(plain_bert, tmp_path):
    import shutil

    from colbench.encoder.models import load_encoder
    from colbench.encoder.settings import EncoderSettings, Form

    folder = tmp_path / "model"
    shutil.copytree(plain_bert, folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ConfigError, match="cannot be loaded as a model") as error:
        load_encoder(EncoderSettings(name="t", model=str(folder)), Form.TOKENS)
    assert "\n" not in str(error.value)


def test_a_revision_of_a_folder_is_refused(plain_bert):
    with pytest.raises(ConfigError, match="revision='v1' is set but"):
        resolve_weights(str(plain_bert), "v1")


def test_the_embedded_model_is_checked_against_its_published_sha256(monkeypatch):
    folder = resolve_weights("embedded:all-MiniLM-L6-v2")
    assert (folder / "config.json").is_file()
    monkeypatch.setattr(weights, "MINILM_SHA256", "0" * 64)
    with pytest.raises(StorageError, match=r"model\.safetensors is not the published"):
        resolve_weights("embedded:all-MiniLM-L6-v2")
    with pytest.raises(ConfigError, match="did you mean 'all-MiniLM-L6-v2'"):
        resolve_weights("embedded:all-MiniLM-L6")


def test_without_a_network_nothing_is_asked_of_the_hub(empty_hub_cache, monkeypatch):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise OSError("no network")

    asked = []
    original = huggingface_hub.snapshot_download

    def watch(*args, **kwargs):
        asked.append(kwargs.get("local_files_only", False))
        return original(*args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", watch)
    with pytest.raises(WeightsUnavailable, match=r"'hf download colbert-ir/colbertv2\.0'") as error:
        resolve_weights("colbert-ir/colbertv2.0")
    assert asked == [True]
    assert "\n" not in str(error.value)


def test_offline_mode_is_respected(empty_hub_cache, monkeypatch):
    from huggingface_hub import constants

    def fail(*args, **kwargs):
        raise AssertionError("the hub was probed in offline mode")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "create_connection", fail)
    assert not hub.is_reachable()


def test_the_probe_goes_to_the_configured_endpoint(monkeypatch):
    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert hub.is_reachable()
    assert not hub.is_reachable()


def test_a_name_that_never_resolves_does_not_hold_up_the_run(monkeypatch):
    import threading

    from huggingface_hub import constants

    release = threading.Event()

    def resolve(*args, **kwargs):
        release.wait(60)
        raise OSError("no such host")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(socket, "create_connection", resolve)
    assert not hub.is_reachable()
    release.set()


def fake_hub(monkeypatch, error):
    import huggingface_hub

    def fetch(*args, local_files_only=False, **kwargs):
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not cached")
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setattr(hub, "is_reachable", lambda: True)


@pytest.mark.parametrize(
    ("name", "expected", "match"),
    [
        ("RepositoryNotFoundError", ConfigError, "the hub has no model 'a/b'"),
        ("RevisionNotFoundError", ConfigError, "no revision 'v9'"),
        ("GatedRepoError", WeightsUnavailable, "is gated"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(name, expected, match, monkeypatch):
    from huggingface_hub import errors

    kind = getattr(errors, name)
    fake_hub(monkeypatch, kind.__new__(kind))
    with pytest.raises(expected, match=match):
        resolve_weights("a/b", "v9")


def test_a_download_that_breaks_off_makes_the_weights_unavailable(monkeypatch):
    fake_hub(monkeypatch, ConnectionError("reset\nby peer"))
    with pytest.raises(WeightsUnavailable, match=r"could not be fetched \(reset\)") as error:
        resolve_weights("a/b")
    assert "\n" not in str(error.value)


def test_a_cached_hub_model_needs_no_network(plain_bert, empty_hub_cache, monkeypatch):
    import shutil

    repository = empty_hub_cache / "models--some--model"
    snapshot = repository / "snapshots" / ("c" * 40)
    shutil.copytree(plain_bert, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c" * 40)
    monkeypatch.setattr(hub, "is_reachable", lambda: False)
    assert resolve_weights("some/model") == snapshot
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(WeightsUnavailable, match="not cached"):
        resolve_weights("some/model")


def test_code_from_another_repository_is_not_run_unless_trusted(plain_bert, tmp_path):
    import json
    import shutil

    from colbench.encoder.models import load_encoder
    from colbench.encoder.settings import EncoderSettings, Form

    folder = tmp_path / "model"
    shutil.copytree(plain_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "other/code--modeling.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"code from other/code; .*trust_remote_code=true"):
        load_encoder(EncoderSettings(name="t", model=str(folder)), Form.TOKENS)


def test_cached_code_of_another_repository_needs_no_network(
    plain_bert, tmp_path, empty_hub_cache, monkeypatch
):
    import json
    import shutil

    from colbench.encoder.backends.runtime import code_folders

    repository = empty_hub_cache / "models--other--code"
    snapshot = repository / "snapshots" / ("d" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "modeling.py").write_text("")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("d" * 40)
    monkeypatch.setattr(hub, "is_reachable", lambda: False)
    folder = tmp_path / "model"
    shutil.copytree(plain_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "other/code--modeling.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    assert code_folders(folder) == {"other/code": snapshot}


def test_a_cross_encoder_scores_pairs_in_order(cross_bert):
    from sentence_transformers import CrossEncoder
    from torch import nn

    pairs = [("what", "paris is the capital"), ("what is", "a"), ("", ""), ("a", "b")]
    model = load_cross_encoder(
        CrossEncoderSettings(name="t", model=str(cross_bert), batch_size=2, device="cpu")
    )
    scores = model.score(pairs)
    reference = CrossEncoder(str(cross_bert), device="cpu").predict(
        pairs, activation_fn=nn.Identity()
    )
    assert scores.dtype == "float32"
    assert scores == pytest.approx(reference, abs=1e-6)
    assert len(set(scores.tolist())) == len(pairs)
    assert model.score([]).shape == (0,)


def test_only_a_cross_encoder_is_taken_for_one(bi_encoder, stanford, plain_bert):
    for folder in (bi_encoder, stanford, plain_bert):
        with pytest.raises(ConfigError, match="not a cross-encoder"):
            load_cross_encoder(CrossEncoderSettings(name="t", model=str(folder)))


def test_a_cross_encoder_with_several_scores_is_refused(make_bert, tmp_path):
    make_bert(tmp_path, head=True, num_labels=3)
    with pytest.raises(ConfigError, match="gives 3 scores a pair"):
        load_cross_encoder(CrossEncoderSettings(name="t", model=str(tmp_path), device="cpu"))
