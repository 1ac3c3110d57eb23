"""A feature is its folder and its line of registration: without them the core stands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import colbench.features
from colbench.cli.main import build_parser, main
from colbench.config.compose import compose_run
from colbench.errors import ConfigError
from colbench.features import entry_point, features

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def without(monkeypatch):
    def leave_out(*packages):
        left = [one for one in colbench.features.REGISTERED if one not in packages]
        monkeypatch.setattr(colbench.features, "REGISTERED", left)

    return leave_out


@pytest.mark.parametrize("feature", features(), ids=lambda feature: feature.name)
def test_what_a_feature_names_is_there(feature):
    named = [feature.settings, feature.complete, feature.task, feature.after_run]
    for name in [*named, feature.run_options, *feature.commands]:
        assert name is None or callable(entry_point(name))


@pytest.mark.parametrize(
    ("feature", "words", "refused"),
    [
        ("gate", ["gate=default"], "unknown key 'gate'"),
        ("train", ["train=colbert"], "unknown key 'train'"),
        ("sweep", ["task=sweep"], "unknown task 'sweep'"),
        ("sweep", ["sweep.axes.k=[1]"], "unknown key 'sweep.axes.k'"),
    ],
)
def test_a_feature_that_is_taken_out_is_unknown(without, feature, words, refused):
    assert compose_run(["systems=[bm25]"]).systems == ["bm25"]
    without(f"colbench.{feature}")
    assert compose_run(["systems=[bm25]"]).systems == ["bm25"]
    with pytest.raises(ConfigError, match=refused):
        compose_run(words)


def test_its_commands_options_and_lists_go_with_it(without, capsys):
    commands = {"gate", "baseline", "compare", "explain", "reproduce", "train"}
    assert commands <= commands_of(build_parser().format_help())
    without("colbench.gate", "colbench.sweep")
    shown = build_parser().format_help()
    assert commands_of(shown) & commands == commands - {"gate", "baseline"}
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert "frequent keys" in shown and not re.search("sweep|gate|multirun| -m", shown)
    with pytest.raises(SystemExit):
        main(["list", "gates"])
    assert "recipes" in capsys.readouterr().err


def commands_of(shown):
    return set(re.findall(r"^    (\w+)", shown, re.MULTILINE))


ALONE = """
import colbench.cli.main as command, colbench.experiment.task, colbench.experiment.worker
import colbench.experiment.measurement, colbench.experiment.runner
from colbench.config.compose import compose_run

assert set(compose_run(["systems=[colbert]"]).system.with_parts(["colbert"])) == {"colbert"}
print(command.__file__)
command.build_parser().print_help()
"""


def test_the_core_stands_without_the_folders_of_all_features(tmp_path):
    packages = [name.split(".") for name in colbench.features.REGISTERED]
    names = [name for above, name in packages if above == "colbench"]  # no benchmarks
    ignored = shutil.ignore_patterns("__pycache__", *names)
    shutil.copytree(ROOT / "colbench", tmp_path / "colbench", ignore=ignored)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    registry = tmp_path / "colbench" / "features.py"
    lines = registry.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith('    "colbench.')]
    assert len(lines) - len(kept) == len(names) > 0
    registry.write_text("\n".join(kept), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    place, _, shown = done.stdout.partition("\n")
    assert place.startswith(str(tmp_path))
    assert commands_of(shown) == {"run", "list", "report", "cache", "completion"}
