"""Every ready configuration is a valid one, named after its file."""

from pathlib import Path

import pytest
import yaml

from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings

CONF = Path(__file__).parents[2] / "conf"
GROUPS = {"encoder": EncoderSettings, "cross_encoder": CrossEncoderSettings}
FILES = [(group, path) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]


@pytest.mark.parametrize(("group", "path"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_a_ready_configuration_is_valid_and_named_after_its_file(group, path):
    settings = GROUPS[group](**yaml.safe_load(path.read_text(encoding="utf-8")))
    assert settings.name == path.stem
    if path.stem == "custom":
        assert settings.model == "???"
    else:
        assert settings.model.startswith("embedded:") or settings.model.count("/") == 1


def test_the_ready_configurations_are_there():
    names = {(group, path.stem) for group, path in FILES}
    assert ("encoder", "minilm") in names
    assert ("cross_encoder", "ms_marco_minilm_l6") in names


def test_the_default_cross_encoder_is_the_ready_one():
    path = CONF / "cross_encoder" / "ms_marco_minilm_l6.yaml"
    assert yaml.safe_load(path.read_text())["model"] == CrossEncoderSettings(name="x").model
