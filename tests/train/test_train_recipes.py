"""Every ready recipe is a valid one; what does not go together is refused before any work."""

import pytest
from pydantic import ValidationError

from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.errors import ConfigError
from colbench.train.settings import TrainSettings

SOURCES = {"a": {"pairs": "title"}}


@pytest.mark.parametrize("name", list(options("train")))
def test_a_ready_recipe_is_valid_and_says_what_it_is(name):
    settings = compose_run([f"train={name}"])
    assert settings.feature(TrainSettings) is not None
    assert options("train")[name].read_text(encoding="utf-8").startswith("# ")


def test_without_a_recipe_nothing_is_trained():
    assert compose_run([]).feature(TrainSettings) is None
    assert compose_run(["train=null"]).feature(TrainSettings) is None


def test_a_recipe_that_builds_on_another_takes_its_source_away():
    recipe = compose_run(["train=self_supervised"]).feature(TrainSettings)
    assert recipe is not None
    assert list(recipe.sources) == ["sentences"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kind": "colbert", "loss": "kl"}, "set teacher.kind"),
        ({"kind": "colbert", "loss": "kl", "teacher": {"kind": "colbert"}}, "set negatives.system"),
        ({"kind": "colbert", "loss": "binary"}, "for kind=cross_encoder"),
        ({"kind": "cross_encoder", "loss": "contrastive"}, "takes loss=binary"),
        ({"kind": "cross_encoder", "loss": "binary"}, "set negatives.system"),
        ({"kind": "colbert", "loss": "kl", "temperature": 0.5}, "set teacher.kind"),
        ({"kind": "bi_encoder", "mini_batch": 4}, "mini_batch is for"),
        ({"kind": "bi_encoder", "student": {"dims": 64}}, "student.dims is for kind=colbert"),
        ({"kind": "bi_encoder", "student": {"update": "head"}}, "has no head"),
        ({"kind": "bi_encoder", "document_length": 64}, "for kind=colbert"),
        ({"kind": "colbert", "contrastive_weight": 0.5}, "loss=kl"),
        ({"kind": "colbert", "dev": {"source": "b"}}, "dev.source=b is not among the sources"),
        ({"kind": "colbert", "sources": {}}, "at least 1"),
    ],
)
def test_what_does_not_go_together_is_refused(values, told):
    with pytest.raises(ValidationError, match=told):
        TrainSettings.model_validate({"sources": SOURCES, **values})


def test_an_unknown_recipe_or_key_gets_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'colbert'"):
        compose_run(["train=colbret"])
    with pytest.raises(ConfigError, match="learning_rate"):
        compose_run(["train=colbert", "train.learning_rat=1"])
