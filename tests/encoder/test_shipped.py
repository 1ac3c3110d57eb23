"""The trained weights that come with colbench: small, and made by the recipes that are here."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from colbench.config.compose import compose_run
from colbench.encoder.loading import updates
from colbench.encoder.loading.cross_encoder import load_cross_encoder
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.results.checksummed import read_checksummed
from colbench.train.command import compose_train
from colbench.train.record import FILE_NAME, Train
from colbench.train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("minilm_colbert", "minilm_demo")
LARGEST = 3_000_000
QUERY = "how does the moon cause the tides"
DOCUMENTS = [
    "Bread is baked from flour, water and yeast in a hot oven.",
    "The moon's gravity pulls the water of the sea, and so the tides rise and fall.",
    "A dog guards the house and barks at night.",
]


def test_they_are_small():
    assert updates.update_names() == sorted(NAMES)
    for path in updates.update_files():
        assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_of_each_is_the_one_it_was_trained_with(name):
    trained = Train.model_validate(
        read_checksummed(ROOT / "results" / "train" / name / FILE_NAME, what="", renew="")
    )
    recipe = compose_train([f"train={name}"]).feature(TrainSettings)
    assert recipe is not None
    assert trained.config["train"] == recipe.model_dump(mode="json")
    assert trained.stopped is None
    assert {"beir/scifact/test", "pydocs/small"} <= {split.name for split in trained.protected}


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_of_the_size_and_scale_of_its_training(name):
    trained = Train.model_validate(
        read_checksummed(ROOT / "results" / "train" / name / FILE_NAME, what="", renew="")
    )
    student = trained.config["train"]["student"]
    (path,) = [path for path in updates.update_files() if path.stem == name]
    with safe_open(path, framework="pt") as opened:
        facts = opened.metadata()
    tensors = load_file(path)
    assert facts == {"kind": trained.kind, "scale": str(student["alpha"] / student["rank"])}
    assert sum(tensor.numel() for tensor in tensors.values()) == trained.parameters.trained
    downs = [tensor for key, tensor in tensors.items() if key.endswith("lora_A")]
    ups = [tensor for key, tensor in tensors.items() if key.endswith("lora_B")]
    assert downs and {len(down) for down in downs} == {student["rank"]}
    # An update that was not trained is still zero.
    assert all(up.abs().max() > 0 for up in ups)


def test_the_encoder_has_128_dimensions_and_finds():
    settings = compose_run(["encoder=minilm_colbert", "encoder.precision=fp32"]).encoder
    assert settings.trained_on is not None
    encoder = load_encoder(settings, Form.TOKENS)
    assert encoder.dims == 128
    (query,) = encoder.encode_queries([QUERY])
    scores = [(query @ rows.T).max(axis=1).sum() for rows in encoder.encode_documents(DOCUMENTS)]
    assert int(np.argmax(scores)) == 1


def test_the_reranker_finds():
    settings = compose_run(["cross_encoder=minilm_demo"]).cross_encoder
    assert settings.trained_on is not None
    scores = load_cross_encoder(settings).score([(QUERY, text) for text in DOCUMENTS])
    assert int(np.argmax(scores)) == 1
