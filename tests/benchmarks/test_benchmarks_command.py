"""`python -m benchmarks`: the command line of colbench, with experiments that the wheel lacks."""

import shlex

import pytest

import colbench.features
from benchmarks.features import BENCHMARKS, register
from colbench.cli.main import main
from colbench.config.compose import compose_run
from colbench.config.folder import conf_folder, options
from colbench.errors import ConfigError


@pytest.fixture
def registered(monkeypatch):
    core = [one for one in colbench.features.REGISTERED if one not in BENCHMARKS]
    monkeypatch.setattr(colbench.features, "REGISTERED", core)
    yield core
    monkeypatch.undo()


@pytest.mark.parametrize("name", ["application", "encode_speed", "gate_power", "index_speed"])
def test_a_benchmark_is_known_once_it_is_registered(registered, name):
    with pytest.raises(ConfigError, match=f"unknown experiment '{name}'"):
        compose_run([f"experiment={name}"])
    assert not options("engine")
    register()
    register()
    assert registered.count(f"benchmarks.{name}") == 1
    settings = compose_run([f"experiment={name}"])
    assert settings.task == name and list(settings.features) == [name]
    assert not options("experiment")[name].is_relative_to(conf_folder())
    plain = settings.model_dump(mode="json")
    assert name in plain and "features" not in plain


def test_its_settings_are_checked_by_its_class(registered):
    register()
    with pytest.raises(ConfigError, match=r"did you mean 'gate_power\.trials'"):
        compose_run(["experiment=gate_power", "gate_power.trails=3"])
    assert compose_run(["experiment=gate_power", "gate_power=null"]).features == {}


def test_results_bear_the_command_that_was_typed(registered, monkeypatch, tmp_path):
    register()
    seen = []

    class Conductor:
        def __init__(self, settings, command):
            seen.append(shlex.join(command))
            raise ConfigError("enough")

    monkeypatch.setattr("benchmarks.index_speed.conductor.Conductor", Conductor)
    words = ["experiment=index_speed", f"output_dir={tmp_path}"]
    assert main(["run", *words], program="python -m benchmarks") == 2
    assert seen == [shlex.join(["python", "-m", "benchmarks", "run", *words])]
