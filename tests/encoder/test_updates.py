"""An update of the embedded MiniLM becomes a checkpoint like any other."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from colbench.encoder.loading import updates
from colbench.encoder.loading.weights import resolve_weights
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError

LAYER = "encoder.layer.1.intermediate.dense"
TEXTS = ["a wing in a flow", "heat"]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Make a folder of updates with one in it; return its tensors."""
    torch.manual_seed(0)
    tensors = {
        "head.linear.weight": torch.nn.functional.normalize(torch.randn(24, 384)),
        f"{LAYER}.lora_A": torch.randn(2, 384) * 0.02,
        f"{LAYER}.lora_B": torch.randn(1536, 2) * 0.02,
    }
    folder = tmp_path / "updates"
    folder.mkdir()
    half = {name: value.half() for name, value in tensors.items()}
    facts = {"kind": "colbert", "scale": "2.0"}
    save_file(half, folder / "made_up.safetensors", metadata=facts)
    monkeypatch.setattr(updates, "_folder", lambda: folder)
    monkeypatch.setenv("COLBENCH_CACHE", str(tmp_path / "cache"))
    return half


def test_an_update_is_added_to_the_weights_of_its_layers(shipped):
    base = load_file(resolve_weights("embedded:all-MiniLM-L6-v2") / "model.safetensors")
    made = load_file(resolve_weights("embedded:made_up") / "model.safetensors")

    assert base.keys() - made.keys() == {"embeddings.position_ids"}  # no weights
    changed = {
        name for name in base.keys() & made.keys() if not torch.equal(base[name], made[name])
    }

    assert changed == {f"{LAYER}.weight"}
    up, down = shipped[f"{LAYER}.lora_B"].float(), shipped[f"{LAYER}.lora_A"].float()
    expected = base[f"{LAYER}.weight"] + 2.0 * (up @ down)
    torch.testing.assert_close(made[f"{LAYER}.weight"], expected)


def test_a_cache_of_ones_own_keeps_it(shipped, tmp_path):
    folder = resolve_weights("embedded:made_up", cache_root=tmp_path / "own")
    assert folder.is_relative_to(tmp_path / "own")
    assert not (tmp_path / "cache").exists()


def test_it_is_made_once_and_again_where_it_was_damaged(shipped, capsys):
    folder = resolve_weights("embedded:made_up")
    assert "putting made_up together" in capsys.readouterr().err
    assert resolve_weights("embedded:made_up") == folder
    assert capsys.readouterr().err == ""
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))

    assert resolve_weights("embedded:made_up") == folder

    content[-1] ^= 1
    assert weights.read_bytes() == bytes(content)


def test_it_encodes_with_its_projection(shipped):
    settings = EncoderSettings(name="m", model="embedded:made_up", precision="fp32")
    encoder = load_encoder(settings, Form.TOKENS)
    vectors = encoder.encode_documents(TEXTS)

    assert encoder.dims == 24
    for rows in vectors:
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_an_unknown_name_gets_a_hint(shipped):
    with pytest.raises(ConfigError, match="did you mean 'made_up'"):
        resolve_weights("embedded:made_upp")
