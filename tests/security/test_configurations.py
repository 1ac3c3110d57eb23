"""Item 5: a configuration folder configures no Hydra, runs no code and reads no environment."""

from __future__ import annotations

import json
import os
import sys

import pytest
import yaml
from variants import one_line, trials

from colbench.config.compose import compose_run
from colbench.errors import ColbenchError, ConfigError
from colbench.gate.rules import load_rules
from colbench.sweep.multirun import Multirun

SECRET = "a-word-that-nobody-may-read"
HEADS = ["# @package _global_\n", "#@package _global_\n", "# @a b\x85# @package _global_\n"]


def callbacks(draw, evil):
    """Return Hydra's own settings that would call something or set the environment."""
    target = draw.choice(["joblib.load", "os.system", "builtins.exec", "subprocess.call"])
    called = {"_target_": target, draw.choice(["filename", "command", "args"]): evil}
    return draw.choice(
        [
            {"callbacks": {"x": called}},
            {"launcher": {**called, "n_jobs": 2}},
            {"sweeper": called},
            {"job": {"env_set": {"LD_PRELOAD": evil}}},
            {"job_logging": {"version": 1, "handlers": {"x": {"()": target, "filename": evil}}}},
            {"run": {"dir": evil}, "sweep": {"dir": evil}},
            {"searchpath": [f"file://{evil}"]},
        ]
    )


def reading(draw):
    """Return a value that would read the environment."""
    return draw.choice(
        [
            *("${oc.env:SECRET}", "${oc.decode:${oc.env:SECRET}}", "x ${oc.env:SECRET,none}"),
            *("${oc.create:{a:${oc.env:SECRET}}}", "${${x}:SECRET}", "\\${oc.env:SECRET}"),
            *(
                "${oc.env: SECRET}",
                "${ oc.env:SECRET}",
                "$\\{oc.env:SECRET}"[:1] + "{oc.env:SECRET}",
            ),
            *("${hydra:runtime.cwd}", "${oc.dict.values:system}", "${now:%Y}", "${oc.env:${x}}"),
        ]
    )


def hostile(draw, folder):
    """Write a hostile configuration folder of which `experiment=mine` is a part."""
    evil = str(folder / "evil.pkl")
    root = folder / "conf"
    content = {"systems": ["bm25"], "measures": ["ndcg@10"]}
    files = {}
    kind = draw.choice(
        ["hydra", "reads", "calls", "default", "package", "group", "place", "beside"]
    )
    if kind == "hydra":
        key = draw.choice(["hydra", "hydra.callbacks", "hydra/launcher", "hydra@x"])
        content[key] = callbacks(draw, evil)
    elif kind == "reads":
        place = draw.choice(["name", "reference", "about", "list", "key", "deep"])
        value = reading(draw)
        content |= {
            "about": {"system": {"bm25": {"about": value}}},
            "list": {"measures": [value]},
            "key": {value: 1},
            "deep": {"system": {"x": {"kind": "bm25", "a": {"b": [{"c": value}]}}}},
        }.get(place, {place: value})
    elif kind == "calls":
        called = {draw.choice(["_target_", "()"]): "os.system", "command": evil}
        content["system"] = {"bm25": draw.choice([called, {"about": called}, {"x": [called]}])}
    elif kind == "default":
        content["defaults"] = [
            draw.choice(
                [
                    *({"override /hydra/launcher": "joblib"}, "/hydra/callbacks/x", "../../conf/x"),
                    *({"/dataset@hydra.callbacks": "x"}, {"/dataset@a:hydra": "x"}, "/etc/passwd"),
                    *({"/dataset": "${oc.env:SECRET}"}, {"/other": "x"}, "/dataset@_global_"),
                    *("/system@_global_", {"optional /hydra": "x"}, {"/dataset": "../../x"}),
                ]
            )
        ]
    elif kind == "package":
        package = draw.choice(["hydra", "hydra.job", "_global_.hydra", "hydra.callbacks.x"])
        head = draw.choice(["# @package {}\n", "#  @package {}\n", "# @a b\u2028# @package {}\n"])
        group = draw.choice(["dataset", "encoder", "system", "index"])
        files[f"{group}/mine.yaml"] = head.format(package) + "x: 1\n"
    elif kind == "group":
        file = draw.choice(["hydra.yaml", "hydra/launcher/x.yaml", "colbench_root.yaml"])
        files[file] = f"_target_: os.system\ncommand: {evil}\n"
    elif kind == "place":
        content[draw.choice(["output_dir", "index_dir", "cache_dir"])] = str(folder / "elsewhere")
    else:
        content["defaults"] = [
            draw.choice(["/dataset@_global_", "/encoder@_global_", "/gate@_here_"])
        ]
        for group in ("dataset", "encoder", "gate"):
            files[f"{group}.yaml"] = f"name: {reading(draw)}\n"
    text = yaml.safe_dump(
        content, allow_unicode=True, default_flow_style=draw.choice([True, False])
    )
    files["experiment/mine.yaml"] = draw.choice(HEADS) + text
    for name, written in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(written, encoding="utf-8")
    return root, kind


@trials(fixed=12, nightly=300)
def test_5_a_hostile_folder_is_refused_by_every_entrance(draw, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", SECRET)
    folder, kind = hostile(draw, tmp_path)
    entrances = [
        lambda: compose_run(["experiment=mine"], [folder]),
        lambda: Multirun(["experiment=mine", "k=10,20"], [folder]).run("colbench"),
        lambda: Multirun(["experiment=mine,quickstart"], [folder]).run("colbench"),
    ]
    for entrance in entrances[: 1 if kind == "place" else 3]:
        with pytest.raises(ConfigError) as refused:
            entrance()
        assert SECRET not in one_line(refused.value)
    assert not (tmp_path / "elsewhere").exists()


@trials(fixed=4, nightly=60)
def test_5_values_that_are_put_together_read_nothing(draw, tmp_path, monkeypatch):
    """What was resolved once is text, whatever it looks like."""
    monkeypatch.setenv("SECRET", SECRET)
    first, rest = draw.choice(
        [("$", "{oc.env:SECRET}"), ("${", "oc.env:SECRET}"), ("${oc.env", ":SECRET}")]
    )
    experiment = {
        "reference": "bm25",
        "system": {"bm25": {"about": "${name}" + rest}, "x": {"kind": "bm25", "about": "${name}"}},
        "systems": ["bm25"],
        "name": first,
    }
    if draw.random() < 0.5:
        experiment["seed"] = "${name}" + rest
    (tmp_path / "experiment").mkdir()
    text = f"# @package _global_\n{yaml.safe_dump(experiment)}"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    try:
        told = json.dumps(compose_run(["experiment=mine"], [tmp_path]).model_dump(mode="json"))
    except ColbenchError as error:
        told = one_line(error)
    assert SECRET not in told


@trials(fixed=3, nightly=40)
def test_5_rules_of_a_gate_are_no_better(draw, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", SECRET)
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "mine.yaml").write_text("defaults: [default, beside, _self_]\n")
    evil = draw.choice(
        [
            {"alpha": reading(draw)},
            {"hydra": callbacks(draw, "x")},
            {"a": {"_target_": "os.system"}},
        ]
    )
    (folder / "beside.yaml").write_text(yaml.safe_dump(evil))
    file = folder / "mine.yaml"
    if draw.random() < 0.5:
        (tmp_path / "mine.yaml").symlink_to(file)
        file = tmp_path / "mine.yaml"
    with pytest.raises(ConfigError) as refused:
        load_rules(str(file))
    assert SECRET not in one_line(refused.value) and "beside.yaml" in str(refused.value)


@trials(fixed=2, nightly=20)
def test_5_only_chosen_modules_run_and_it_is_said(draw, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    (tmp_path / "system").mkdir()
    chosen, *others = draw.sample(["one", "two", "three", "four"], 3)
    mark = f"{draw.random()}"
    for name in (chosen, *others):
        module = f"""import pathlib
pathlib.Path({str(tmp_path / name)!r}).touch()  # {mark}
from colbench.retriever.systems.bm25 import SYSTEM
"""
        (tmp_path / "system" / f"{name}_kind.py").write_text(module)
        (tmp_path / "system" / f"{name}.yaml").write_text(f"kind: {name}_kind\n")
    compose_run([f"systems=[bm25,{chosen}]"], [tmp_path])
    assert (tmp_path / chosen).exists() and not any((tmp_path / one).exists() for one in others)
    assert f"{chosen}_kind.py" in capsys.readouterr().err
    sys.path[:] = [place for place in sys.path if place != str(tmp_path / "system")]


@trials(fixed=3, nightly=30)
def test_5_a_file_that_fills_the_memory_or_waits_is_refused_at_once(draw, tmp_path):
    file = tmp_path / draw.choice(["system", "dataset", "encoder", "index"]) / "mine.yaml"
    file.parent.mkdir()
    kind = draw.choice(["bomb", "pipe", "zero", "hole", "deep", "tag", "digits"])
    if kind == "bomb":
        width, depth = draw.randint(8, 30), draw.randint(9, 40)
        lines = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * width)}]\n" for n in range(1, depth)]
        file.write_text(f"a0: &a0 {{x: y}}\n{''.join(lines)}")
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "zero":
        file.symlink_to(draw.choice(["/dev/zero", "/dev/urandom", "/dev/tty", "/proc/self/mem"]))
    elif kind == "hole":
        file.touch()
        os.truncate(file, 1 << draw.randint(30, 40))
    else:
        file.write_text(
            {
                "deep": "x: " + "[" * 5000 + "]" * 5000,
                "tag": "x: !!python/object/apply:os.system ['touch evil']\n",
                "digits": f"x: {'9' * draw.randint(5000, 9000)}\n",
            }[kind]
        )
    with pytest.raises(ConfigError) as refused:
        compose_run(["systems=[bm25]"], [tmp_path])
    assert str(file) in one_line(refused.value)
