"""The GitHub Action: its file, the workflow that uses it, and its steps, run as GitHub does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
import yaml
from pairs import results_with, write_pairs

from colbench.cli.main import build_parser, main
from colbench.collection.model import Collection
from colbench.gate.baseline import read_baseline
from colbench.gate.record import GateReport
from colbench.results.schema import QueryInfo
from colbench.results.store import read_results, write_results

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "gate.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
SCRIPTS = [step["run"] for step in STEPS.values() if "run" in step]
INPUT = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")


class Ran(NamedTuple):
    """What a step left: exit status, all it said, its outputs, the summary."""

    status: int
    told: str
    outputs: dict[str, str]
    summary: str


def on_path(folder: Path, **scripts: str) -> None:
    """Write commands into a folder."""
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)


@pytest.fixture
def workspace(tmp_path, example_results):
    """A folder with results, where `colbench` is this one."""
    place = tmp_path / "work space"
    place.mkdir()
    write_pairs(example_results, place)
    python = f'exec "{sys.executable}" '
    on_path(
        tmp_path / "bin", colbench=f'{python} -m colbench.cli.main "$@"', python=f'{python} "$@"'
    )
    return place


def run_step(name: str, workspace: Path, **given: str) -> Ran:
    """Run the script of a step as the runner does, its inputs those given or their defaults."""
    step, files = STEPS[name], {}
    inputs = {key: value.get("default", "") for key, value in ACTION["inputs"].items()}
    inputs.update({key.replace("_", "-"): value for key, value in given.items()})
    assert step["shell"] == "bash"
    for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        files[variable] = workspace.parent / variable
        files[variable].write_text("", encoding="utf-8")
    script = workspace.parent / "step.sh"
    script.write_text(step["run"], encoding="utf-8")
    environment = {
        **{key: os.environ[key] for key in ("HOME", "COLBENCH_CACHE") if key in os.environ},
        "PATH": f"{workspace.parent / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": "/the/action",
        **{key: str(file) for key, file in files.items()},
        **{
            key: INPUT.sub(lambda found: inputs[found[1]], value)
            for key, value in step["env"].items()
        },
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-euo", "pipefail", str(script)],
        **{"capture_output": True, "text": True, "check": False, "cwd": workspace},
        env=environment,
    )
    lines = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
    return Ran(
        done.returncode,
        done.stdout + done.stderr,
        dict(line.split("=", 1) for line in lines),
        files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"),
    )


def test_the_action_is_composite_and_every_script_names_its_shell():
    assert ACTION["runs"]["using"] == "composite"
    assert all(step["shell"] == "bash" for step in STEPS.values() if "run" in step)
    assert len(STEPS) == len(ACTION["runs"]["steps"])


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_input_is_put_into_the_text_of_a_script(script):
    assert "${{" not in script


def test_inputs_outputs_and_steps_that_are_used_are_declared():
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    ids = {step["id"] for step in STEPS.values() if "id" in step}
    for output in ACTION["outputs"].values():
        step, name = re.fullmatch(
            r"\$\{\{ steps\.(\w+)\.outputs\.(\w+) \}\}", output["value"]
        ).groups()
        assert step in ids and f'echo "{name}=' in STEPS["Gate"]["run"]


def test_the_workflow_gives_what_the_action_takes():
    (job,) = WORKFLOW["jobs"].values()
    (use,) = [step for step in job["steps"] if step.get("uses") == "./"]
    required = {name for name, found in ACTION["inputs"].items() if found["required"]}
    assert required <= set(use["with"]) <= set(ACTION["inputs"])
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [step for step in job["steps"] if "${{" in step.get("run", "")]
    words = use["with"]["run"].split()
    assert build_parser().parse_args(["run", *words]).overrides == words


def test_the_workflow_gates_against_a_baseline_made_with_its_python():
    (job,) = WORKFLOW["jobs"].values()
    (use,) = [step for step in job["steps"] if step.get("uses") == "./"]
    baseline = read_baseline(ROOT / use["with"]["baseline"])
    assert baseline.results.environment.python.startswith(f"{use['with']['python-version']}.")
    assert f"experiment={baseline.results.experiment}" in use["with"]["run"].split()


@pytest.mark.parametrize(
    ("candidate", "code", "status"),
    [("same", 0, "pass"), ("worse", 1, "regression"), ("other", 2, "unjudged")],
)
def test_the_gate_step_ends_as_the_gate_does(workspace, candidate, code, status):
    ran = run_step("Gate", workspace, candidate=candidate, baseline="baseline.json")
    assert ran.status == code, ran.told
    reports = {"report": "colbench-gate/gate.json", "junit": "colbench-gate/gate.xml"}
    assert ran.outputs == {"status": status, **reports}
    written = (workspace / ran.outputs["report"]).read_text(encoding="utf-8")
    assert GateReport.model_validate_json(written).status == status
    assert ElementTree.parse(workspace / ran.outputs["junit"]).getroot().tag == "testsuites"
    markdown = (workspace / "colbench-gate" / "gate.md").read_text(encoding="utf-8")
    assert ran.summary == markdown and "# Retrieval quality" in markdown


def test_wrong_usage_leaves_no_report_of_an_earlier_gate(workspace):
    run_step("Gate", workspace, candidate="same", baseline="baseline.json")
    ran = run_step("Gate", workspace, candidate="same", baseline="nowhere.json")
    assert ran.status == 2 and ran.outputs["status"] == "unjudged" and "nowhere.json" in ran.told
    assert not list((workspace / "colbench-gate").iterdir())


def test_rules_and_reports_are_taken(workspace):
    (workspace / "loose.yaml").write_text("measures: {ndcg@10: 0.9}\n", encoding="utf-8")
    given = {"rules": "loose.yaml", "reports": "re ports/here"}
    ran = run_step("Gate", workspace, candidate="worse", baseline="baseline.json", **given)
    assert ran.status == 0, ran.told
    report = json.loads((workspace / ran.outputs["report"]).read_text(encoding="utf-8"))
    assert report["rules"]["measures"] == {"ndcg@10": 0.9}


HOSTILE = "$(touch injected)`touch injected`; touch injected; \"'"


def test_inputs_are_never_code(workspace):
    given = {"baseline": HOSTILE, "rules": HOSTILE, "reports": HOSTILE}
    assert run_step("Gate", workspace, candidate=HOSTILE, **given).status == 2
    on_path(workspace.parent / "bin", colbench="true", python="true")
    run_step("Run the candidate", workspace, candidate=HOSTILE, run=HOSTILE)
    (workspace.parent / "bin" / "colbench").unlink()
    run_step("Install colbench", workspace, install=HOSTILE)
    assert not list(workspace.rglob("injected"))


def test_text_of_queries_is_no_workflow_command(workspace, example_results):
    worse = results_with(example_results, -0.2)
    hostile = [
        QueryInfo(id=f"::error::{q.id}", text="::error::", relevant=1) for q in worse.queries
    ]
    for name, results in (("before", results_with(example_results)), ("after", worse)):
        write_results(results.model_copy(update={"queries": hostile}), workspace / name)
    ran = run_step("Gate", workspace, candidate="after", baseline="before")
    assert ran.status == 1
    begin, token = re.search(r"^(::stop-commands::(\w+))$", ran.told, re.MULTILINE).groups()
    before, _, rest = ran.told.partition(begin)
    shown, _, after = rest.partition(f"::{token}::")
    assert r"\x3a:error::q" in shown
    assert not re.search(r"^ *::error::", before + shown + after, re.MULTILINE)


def nightly(*case):
    return pytest.param(*case, marks=pytest.mark.nightly)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *(("candidate", "--help"), ("candidate", "--"), ("baseline", "--help"), ("rules", "--")),
        *(nightly("candidate", option) for option in ("-h", "--he", "--version", "--format=json")),
        *(nightly("baseline", option) for option in ("-h", "--", "-", "--rules=default")),
        *(nightly("rules", option) for option in ("--help", "-h", "-", "--output=x")),
    ],
)
def test_an_input_that_looks_like_an_option_does_not_pass(workspace, name, option):
    given = {"candidate": "same", "baseline": "baseline.json", name: option}
    ran = run_step("Gate", workspace, **given)
    assert ran.status == 2 and ran.outputs["status"] == "unjudged", ran.told
    assert "usage:" not in ran.told


def test_reports_may_be_called_like_an_option(workspace):
    ran = run_step("Gate", workspace, candidate="same", baseline="baseline.json", reports="--help")
    assert ran.status == 0 and (workspace / "--help" / "gate.json").is_file(), ran.told


def test_a_gate_that_judges_nothing_does_not_pass(workspace):
    on_path(workspace.parent / "bin", colbench="exit 0")
    ran = run_step("Gate", workspace, candidate="same", baseline="baseline.json")
    assert ran.status == 2 and ran.outputs["status"] == "unjudged"


@pytest.mark.parametrize("words", ["--help", nightly("experiment=quickstart --show-config")])
def test_what_was_there_is_not_judged_in_place_of_a_run(workspace, words):
    ran = run_step("Run the candidate", workspace, candidate="same", run=words)
    assert ran.status == 2 and "left no results" in ran.told


PIP = 'printf "%s\\n" "$@" > "$GITHUB_OUTPUT.pip"'


def installed(workspace, **given):
    """The words that pip was given; None where it was not called."""
    ran = run_step("Install colbench", workspace, **given)
    assert ran.status == 0, ran.told
    file = workspace.parent / "GITHUB_OUTPUT.pip"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else None


def test_colbench_is_installed_only_where_it_is_not(workspace):
    on_path(workspace.parent / "bin", python=PIP)
    on_path(workspace.parent / "bin", colbench="echo colbench 9.9")
    assert installed(workspace) is None
    (workspace.parent / "bin" / "colbench").unlink()
    assert installed(workspace) == ["-m", "pip", "install", "--quiet", "/the/action"]
    words = installed(workspace, install="-c 'my constraints.txt'\n.")
    assert words == ["-m", "pip", "install", "--quiet", "-c", "my constraints.txt", "."]


def test_a_failed_installation_fails_the_step(workspace):
    on_path(workspace.parent / "bin", python="exit 1")
    (workspace.parent / "bin" / "colbench").unlink()
    assert run_step("Install colbench", workspace).status != 0
    assert run_step("Install colbench", workspace, install="colbench").status != 0


def test_the_candidate_is_made_and_passes_against_itself(workspace, tiny_collection):
    write_collection(tiny_collection, workspace / "data")
    words = 'dataset=beir_dir dataset.path=data "systems=[bm25]"'
    candidate = "it's here"
    ran = run_step("Run the candidate", workspace, candidate=candidate, run=words)
    assert ran.status == 0, ran.told
    assert read_results(workspace / candidate).systems[0].name == "bm25"
    accepted = workspace / "accepted.json"
    assert main(["baseline", "accept", str(workspace / candidate), "--output", str(accepted)]) == 0
    ran = run_step("Gate", workspace, candidate=candidate, baseline="accepted.json")
    assert ran.status == 0, ran.told


def test_a_failed_run_fails_the_step(workspace):
    given = {"candidate": "out", "run": "experiment=nothing"}
    assert run_step("Run the candidate", workspace, **given).status != 0


def write_collection(collection: Collection, folder: Path) -> None:
    """Write a collection as BEIR lays it out."""
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": d.id, "title": d.title, "text": d.text} for d in collection.documents]
    queries = [{"_id": q.id, "text": q.text} for q in collection.queries]
    for name, records in (("corpus", documents), ("queries", queries)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    rows = [(q, d, grade) for q, judged in collection.qrels.items() for d, grade in judged.items()]
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
