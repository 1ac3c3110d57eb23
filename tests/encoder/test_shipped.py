"""The trained weights that come with colbench: small, documented, made by the recipe that is here."""

from pathlib import Path

import numpy as np
import pytest

from colbench.cli.train import compose_train
from colbench.config.compose import compose_run
from colbench.encoder import updates
from colbench.encoder.cross_encoder import load_cross_encoder
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.results.sealed import read_sealed
from colbench.results.train import FILE_NAME, Train

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("minilm_colbert", "minilm_demo")
LARGEST = 3_000_000
QUERY = "how does the moon cause the tides"
DOCUMENTS = [
    "Bread is baked from flour, water and yeast in a hot oven.",
    "The moon's gravity pulls the water of the sea, and so the tides rise and fall.",
    "A dog guards the house and barks at night.",
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_they_are_small():
    assert updates.update_names() == sorted(NAMES)
    for path in updates.update_files():
        assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_of_each_is_the_one_it_was_trained_with(name):
    trained = Train.model_validate(
        read_sealed(ROOT / "results" / "train" / name / FILE_NAME, what="", renew="")
    )
    recipe = compose_train([f"train={name}"]).train
    assert recipe is not None
    assert trained.config["train"] == recipe.model_dump(mode="json")
    assert trained.stopped is None
    assert {"beir/scifact/test", "pydocs/small"} <= {split.name for split in trained.protected}


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
