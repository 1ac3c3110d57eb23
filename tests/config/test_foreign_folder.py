"""A configuration folder of others says what is measured: it configures no Hydra, calls nothing,
and reads no environment."""

import os
import sys
from pathlib import Path

import pytest

from colbench.config.compose import compose_run
from colbench.config.folder import conf_folder, further_folders
from colbench.config.foreign import ROOT, check_hydra
from colbench.config.foreign import check_foreign_folder as check
from colbench.errors import ConfigError
from colbench.gate.rules import load_rules
from colbench.sweep.multirun import Multirun
from colbench.train.prepare import Preparation

PACKAGE = "# @package _global_\n"
CALLBACK = "{callbacks: {x: {_target_: joblib.load, filename: evil.pkl}}}"

FILES = {
    "a block of Hydra's": ("experiment/mine.yaml", f"{PACKAGE}hydra: {CALLBACK}\n", "hydra"),
    "a dotted block": ("experiment/mine.yaml", f"{PACKAGE}hydra.callbacks: {{}}\n", "hydra"),
    "a launcher": (
        "experiment/mine.yaml",
        f"{PACKAGE}hydra: {{launcher: {{n_jobs: 9}}}}\n",
        "hydra",
    ),
    "a logger": ("experiment/mine.yaml", f"{PACKAGE}hydra: {{job_logging: {{}}}}\n", "hydra"),
    "a package of Hydra's": ("dataset/mine.yaml", "# @package hydra.callbacks\nx: {}\n", "hydra"),
    "a global package": ("dataset/mine.yaml", "# @package _global_.hydra\nx: {}\n", "hydra"),
    "a name as package": ("dataset/hydra.yaml", "# @package _name_\nx: {}\n", "hydra.yaml"),
    "a default": (
        "experiment/mine.yaml",
        f"{PACKAGE}defaults: [override /hydra/launcher: x]\n",
        "hydra",
    ),
    "a default's package": (
        "experiment/mine.yaml",
        f"{PACKAGE}defaults: [/dataset@hydra.callbacks: x]\n",
        "hydra",
    ),
    "a default's package by itself": (
        "experiment/mine.yaml",
        f"{PACKAGE}defaults: [/dataset/x@hydra.callbacks]\n",
        "hydra",
    ),
    "a default outside": ("experiment/mine.yaml", f"{PACKAGE}defaults: [../../x]\n", "defaults"),
    "another group": ("experiment/mine.yaml", f"{PACKAGE}defaults: [/other: x]\n", "defaults"),
    "a default by resolver": (
        "experiment/mine.yaml",
        f"{PACKAGE}defaults: [/dataset: '${{oc.env:HOME}}']\n",
        "defaults",
    ),
    "a group of Hydra's": ("hydra/launcher/basic.yaml", "_target_: os.system\n", "hydra"),
    "another root": (f"{ROOT}.yaml", "hydra: {}\n", ROOT),
    "something to call": (
        "system/mine.yaml",
        "kind: bm25\nx: {_target_: os.system}\n",
        "x._target_",
    ),
    "a factory of logging": ("system/mine.yaml", "kind: bm25\nx: {'()': os.system}\n", "x.()"),
    "the environment": ("encoder/mine.yaml", "name: '${oc.env:SECRET}'\nmodel: a/b\n", "name"),
    "the environment in a list": (
        "experiment/mine.yaml",
        f"{PACKAGE}measures: ['${{oc.env:X}}']\n",
        "measures.0",
    ),
    "the environment in a key": ("system/mine.yaml", "kind: bm25\n'${oc.env:X}': 1\n", "oc.env"),
    "a nested resolver": ("system/mine.yaml", "kind: bm25\nabout: '${a.${oc.env:X}}'\n", "about"),
    "a resolver by parts": ("system/mine.yaml", "kind: bm25\nabout: '${${a}.env:X}'\n", "about"),
    "a variable for a server": (
        "system/mine.yaml",
        "kind: http\nurl: http://x/{query}\nids: a\nheaders_from_env: {X-A: AWS_SECRET}\n",
        "headers_from_env.X-A",
    ),
    "a quoted resolver": ("system/mine.yaml", "kind: bm25\nabout: '\\${oc.env:X}'\n", "about"),
    "decoding": ("system/mine.yaml", "kind: bm25\nabout: '${oc.decode:\"1\"}'\n", "about"),
    "a package behind another line break": (
        "dataset/mine.yaml",
        "# @a b\u2028# @package hydra\njob: {env_set: {LD_PRELOAD: x}}\n",
        "hydra",
    ),
    "a default's other package": (
        "experiment/mine.yaml",
        f"{PACKAGE}defaults: ['/dataset@a:hydra': x]\n",
        "hydra",
    ),
    "a default beside the groups": (
        "experiment/mine.yaml",
        f"{PACKAGE}defaults: [/dataset@_global_]\n",
        "/dataset@_global_",
    ),
    "a hidden file": ("system/_mine.yaml", "kind: bm25\nabout: '${oc.env:X}'\n", "about"),
    "a file in a folder": ("dataset/a/b/mine.yaml", "name: '${oc.env:X}'\n", "name"),
    "a source of training": (
        "train/mine.yaml",
        "sources: {a: {overrides: ['dataset.path=${oc.env:X}']}}\n",
        "sources.a.overrides.0",
    ),
}


KIND = """\
from colbench.retriever.systems.bm25 import BM25


class Mine(BM25):
    pass


SYSTEM = Mine
"""


def folder_with(tmp_path, name, text):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("case", FILES)
def test_what_is_none_of_its_business_is_refused_with_file_and_key(tmp_path, case):
    name, text, key = FILES[case]
    file = folder_with(tmp_path, name, text)
    for entrance in (
        lambda: check(tmp_path),
        lambda: compose_run([], [tmp_path]),
        lambda: Multirun(["k=10,20"], [tmp_path]),
    ):
        with pytest.raises(ConfigError) as refused:
            entrance()
        told = str(refused.value)
        assert key in told and (str(file) in told or name.startswith("hydra/")), told


def test_a_bomb_a_pipe_and_a_device_are_refused_at_once(tmp_path):
    def refused():
        with pytest.raises(ConfigError) as refusal:
            compose_run(["systems=[bm25]"], [tmp_path])
        return str(refusal.value)

    lines = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)]
    file = folder_with(tmp_path, "index/mine.yaml", f"a0: &a0 [x]\n{''.join(lines)}")
    assert f"{file} is not valid YAML: its aliases stand for more than 100,000" in refused()
    file.write_text("a: &a [*a]\n")
    assert f"{file} is not valid YAML: its aliases stand for" in refused()
    file.unlink()
    os.mkfifo(file)
    assert f"cannot read {file}: it is no file" in refused()
    file.unlink()
    file.symlink_to("/dev/zero")
    assert f"cannot read {file}: it is no file" in refused()
    file.unlink()
    file.touch()
    os.truncate(file, 1 << 33)
    assert f"{file} is larger than" in refused()
    file.write_text("nbits: &bits 4\ncentroids: *bits\n")
    compose_run(["systems=[bm25]", "index=mine"], [tmp_path])


@pytest.mark.parametrize("key", ["output_dir", "index_dir", "cache_dir"])
def test_where_files_go_says_the_command_line_alone(tmp_path, key):
    folder_with(tmp_path, "experiment/mine.yaml", f"{PACKAGE}systems: [bm25]\n{key}: /elsewhere\n")
    with pytest.raises(ConfigError, match=f"sets '{key}'"):
        compose_run(["experiment=mine"], [tmp_path])
    settings = compose_run(["experiment=mine", f"{key}=here"], [tmp_path])
    assert getattr(settings, key) == Path("here")


def test_two_systems_of_one_name_are_refused(tmp_path):
    systems = "{1: {kind: bm25, k1: 0.1}, '1': {kind: bm25, k1: 0.9}}"
    folder_with(tmp_path, "experiment/mine.yaml", f"{PACKAGE}systems: ['1']\nsystem: {systems}\n")
    with pytest.raises(ConfigError, match="two systems have the name '1'"):
        compose_run(["experiment=mine"], [tmp_path])


@pytest.mark.parametrize(
    "override", ["system.x.kind=./evil.py", "dataset.path=${oc.env:HOME}", "hydra/launcher=joblib"]
)
def test_a_source_of_training_sets_its_dataset_alone(tmp_path, override):
    # It was resolved once: '${a}{oc.env:HOME}' with a: '$' would read the environment next.
    prepare = object.__new__(Preparation)
    prepare.extra = []
    with pytest.raises(ConfigError, match="overrides of a source"):
        prepare._compose("pydocs", None, [override])


def test_a_folder_behind_a_link_is_read_too(tmp_path):
    folder_with(tmp_path, "elsewhere/evil.yaml", "about: '${oc.env:X}'\n")
    (tmp_path / "mine" / "system").mkdir(parents=True)
    (tmp_path / "mine" / "system" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(tmp_path / "mine" / "system")
    with pytest.raises(ConfigError, match="about"):
        check(tmp_path / "mine")


def test_ordinary_files_are_taken(tmp_path):
    folder_with(
        tmp_path,
        "experiment/mine.yaml",
        f"{PACKAGE}defaults:\n  - /system@system.two: bm25\n  - override /dataset: cranfield\n"
        "  - _self_\nname: 'a: b'\nsystems: [two]\nk: ${latency.queries}\n",
    )
    folder_with(
        tmp_path,
        "dataset/mine.yaml",
        "defaults:\n  - /dataset/_common@_here_\n  - _self_\nkind: irds\nid: cranfield\n",
    )
    settings = compose_run(["experiment=mine"], [tmp_path])
    assert settings.systems == ["two"] and settings.k == 100 and settings.name == "a: b"


def test_the_command_line_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE", "my name")
    folder_with(tmp_path, "experiment/mine.yaml", f"{PACKAGE}systems: [bm25]\n")
    settings = compose_run(["experiment=mine", "name=${oc.env:MINE}"], [tmp_path])
    assert settings.name == "my name"
    jobs = Multirun(["experiment=mine", "k=10,20", "hydra/launcher=joblib"], [tmp_path])
    assert "hydra/launcher=joblib" in jobs.overrides
    check_hydra(ROOT, jobs.overrides, ["hydra/launcher=joblib"], further_folders([tmp_path]))
    check_hydra(ROOT, ["dataset=glob(*)", "k=range(1,9)", "++encoder.model=a/b,c/d"], [], [])


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ("++hydra.callbacks.x._target_=joblib.load", "hydra.callbacks"),
        ("++hydra.launcher.n_jobs=3", "hydra.launcher"),
        ("++hydra.job.env_set.LD_PRELOAD=x", "hydra.job"),
        ("hydra/launcher=joblib", "hydra.launcher"),
    ],
)
def test_whatever_gets_around_that_is_seen_before_hydra_starts(changed, key):
    compose_run([])  # makes the root known
    with pytest.raises(ConfigError, match=key):
        check_hydra(ROOT, ["k=10,20", changed], [], [])


def test_rules_of_a_gate_read_no_environment_either(tmp_path):
    beside = folder_with(tmp_path, "beside.yaml", "alpha: '${oc.env:ALPHA}'\n")
    rules = folder_with(tmp_path, "rules.yaml", "defaults: [default, beside, _self_]\n")
    for name in (rules, beside):
        with pytest.raises(ConfigError, match="alpha"):
            load_rules(str(name))
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "rules.yaml").symlink_to(rules)
    around = conf_folder() / ".." / os.path.relpath(beside, conf_folder().parent)
    for name in (tmp_path / "link" / "rules.yaml", around):
        with pytest.raises(ConfigError, match="alpha"):
            load_rules(str(name))
    rules.write_text("defaults: [default, ../x]\n")
    with pytest.raises(ConfigError, match="defaults"):
        load_rules(str(rules))


def test_only_modules_of_chosen_systems_are_imported_and_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    package = tmp_path / "code" / "foreign_kinds"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("chosen", "other"):
        (package / f"{name}.py").write_text(KIND)
        folder_with(tmp_path, f"conf/system/{name}.yaml", f"kind: foreign_kinds.{name}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    for _ in range(2):
        compose_run(["systems=[bm25,chosen]"], [tmp_path / "conf"])
    assert "foreign_kinds.chosen" in sys.modules and "foreign_kinds.other" not in sys.modules
    said = [line for line in capsys.readouterr().err.splitlines() if "chosen" in line]
    assert len(said) == 1 and str(package / "chosen.py") in said[0]
    for name in ("foreign_kinds.chosen", "foreign_kinds"):
        sys.modules.pop(name, None)


def test_code_that_comes_with_a_model_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    model = "{name: mine, model: owner/with-code, trust_remote_code: true}"
    system = f"{{mine: {{kind: colbert_exact, encoder: {model}}}}}"
    folder_with(tmp_path, "experiment/mine.yaml", f"{PACKAGE}systems: [mine]\nsystem: {system}\n")
    for _ in range(2):
        compose_run(["experiment=mine"], [tmp_path])
    said = [line for line in capsys.readouterr().err.splitlines() if "owner/with-code" in line]
    assert len(said) == 1 and "trust_remote_code=true" in said[0]


@pytest.mark.parametrize("name", ['"a\\nb"', '"a\\e[31m"', '" "', '""', '"a\\u2028b"'])
def test_names_that_cannot_be_shown_are_refused(tmp_path, name):
    folder_with(tmp_path, "experiment/mine.yaml", f"{PACKAGE}system: {{{name}: {{kind: bm25}}}}\n")
    with pytest.raises(ConfigError, match="the name of a system"):
        compose_run(["experiment=mine"], [tmp_path])
    if name != '""':
        folder_with(tmp_path, "experiment/mine.yaml", f"{PACKAGE}name: {name}\n")
        with pytest.raises(ConfigError, match="the name of the experiment"):
            compose_run(["experiment=mine"], [tmp_path])
