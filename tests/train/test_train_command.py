"""`colbench train`: which words it takes, and what it prints when a training has ended."""

import os
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from trained import train_record

from colbench.cli.main import build_parser, main
from colbench.errors import ConfigError
from colbench.progress import QUIET_VARIABLE, is_quiet
from colbench.train.command import compose_train
from colbench.train.settings import TrainSettings

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "training.md"


def commands(text):
    return re.findall(r"^ *(colbench train [^\n`…]*)$", text, re.MULTILINE)


def words_of(command):
    return shlex.split(command, comments=True)[1:]


def examples():
    from colbench.train import command as train

    return [*commands(GUIDE.read_text(encoding="utf-8")), *commands(train._ABOUT)]


@pytest.fixture
def trainer(monkeypatch, tmp_path):
    """Put a trainer in place that trains nothing and returns a made-up record."""
    made = []

    class Trainer:
        results = train_record()

        def __init__(self, settings, command, extra, **others):
            made.append((settings, command, others))

        def run(self):
            return self.results, tmp_path

    module = ModuleType("colbench.train.conductor")
    module.Trainer = Trainer
    monkeypatch.setitem(sys.modules, "colbench.train.conductor", module)
    Trainer.made = made
    return Trainer


def test_there_are_examples():
    guided = commands(GUIDE.read_text(encoding="utf-8"))
    assert len(guided) >= 3 and len(examples()) > len(guided) + 3


@pytest.mark.parametrize("command", examples())
def test_every_example_is_understood(command):
    options = build_parser().parse_args(words_of(command))
    assert compose_train(options.overrides).feature(TrainSettings) is not None


def test_colbert_is_trained_where_no_recipe_is_chosen():
    assert compose_train([]).feature(TrainSettings) == compose_train(["train=colbert"]).feature(
        TrainSettings
    )
    few = compose_train(["train.queries=50"]).feature(TrainSettings)
    assert few.kind == "colbert" and few.queries == 50
    assert compose_train(["train=cross_encoder"]).feature(TrainSettings).kind == "cross_encoder"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train=null"], "no recipe"),
        (["gate=default", "gate.baseline=baseline.json"], "not gated"),
        (["train=colbertt"], "unknown train 'colbertt'"),
        (["train.querys=5"], "querys"),
    ],
)
def test_a_mistake_is_named(words, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        compose_train(words)


def test_show_config_prints_the_recipe_and_stops(capsys, trainer):
    assert main(["train", "train.queries=50", "--show-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["train"]["queries"] == 50
    assert trainer.made == []


def test_the_result_and_where_it_is_are_printed(capsys, trainer, tmp_path):
    assert main(["train", "train.queries=50", "seed=3"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "0.7234" in captured.out and "9,190" in captured.out
    for name in ("model", "train.json", "report.md"):
        assert str(tmp_path / name) in captured.out
    ((settings, command, others),) = trainer.made
    assert settings.seed == 3 and settings.feature(TrainSettings).queries == 50
    assert command == ["colbench", "train", "train.queries=50", "seed=3"]
    assert not others["fresh"]


def test_fresh_is_passed_on_and_is_no_part_of_the_command(trainer):
    assert main(["train", "--fresh", "--quiet", "seed=3"]) == 0
    ((_, command, others),) = trainer.made
    assert others["fresh"] and command == ["colbench", "train", "seed=3"]


@pytest.mark.parametrize("before", [None, "", "1"])
def test_quiet_lasts_as_long_as_the_command(monkeypatch, trainer, before):
    if before is None:
        monkeypatch.delenv(QUIET_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(QUIET_VARIABLE, before)
    seen = []
    run = trainer.run
    monkeypatch.setattr(trainer, "run", lambda self: seen.append(is_quiet()) or run(self))
    assert main(["train", "--quiet"]) == 0
    assert seen == [True]
    assert os.environ.get(QUIET_VARIABLE) == before


def test_a_training_that_stopped_is_an_error(capsys, trainer):
    trainer.results = train_record(stopped="the loss is not a number")
    assert main(["train"]) == 2
    captured = capsys.readouterr()
    assert "the loss is not a number" in captured.err
    assert "report.md" in captured.out
