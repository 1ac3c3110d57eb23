"""The pytest plugin, as a project of its own sees it: installed, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from textwrap import dedent
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from pairs import results_with, write_pairs

pytestmark = pytest.mark.skipif(
    not any(entry.name == "colbench" for entry in entry_points(group="pytest11")),
    reason="colbench was installed before it had a plugin: install it again",
)

TESTS = """
    from pathlib import Path

    import pytest

    BASE = "baseline.json"

    def test_same(colbench_gate):
        assert colbench_gate("same", baseline=BASE).status == "pass"

    def test_worse(colbench_gate):
        colbench_gate("worse/results.json", baseline=BASE)

    def test_other(colbench_gate):
        colbench_gate("other", baseline=BASE)

    def test_better(colbench_gate):
        assert colbench_gate("better", baseline=BASE).exit_code == 0

    def test_doubtful(colbench_gate):
        colbench_gate("doubtful", baseline=BASE)

    def test_in_memory(colbench_gate):
        from colbench.results.schema import Results

        made = Results.model_validate_json(Path("made.json").read_text())
        colbench_gate(made, baseline=Path(BASE).resolve())

    def test_no_baseline(colbench_gate):
        colbench_gate("same")

    def test_no_candidate(colbench_gate):
        colbench_gate("nowhere", baseline=BASE)

    def test_no_rules(colbench_gate):
        colbench_gate("same", baseline=BASE, rules="strange")

    @pytest.mark.colbench_gate("baseline.json")
    def test_wrong_marker(colbench_gate):
        pass

    @pytest.mark.colbench_gate(baseline=BASE)
    def test_marked_without_the_fixture():
        pass

    @pytest.mark.colbench_gate(baseline=BASE)
    def test_marked_and_never_called(colbench_gate):
        pass

    @pytest.fixture
    def gated(colbench_gate):
        return colbench_gate("worse", baseline=BASE)

    def test_in_a_fixture(gated):
        pass

    def test_two(colbench_gate):
        colbench_gate("same", baseline=BASE)
        colbench_gate("better", baseline=BASE)

    def test_no_gate():
        pass
"""

DEFAULTS = """
    import pytest

    def test_by_configuration(colbench_gate):
        colbench_gate("same")

    @pytest.mark.colbench_gate(baseline="worse", rules="loose.yaml")
    def test_by_marker(colbench_gate):
        assert colbench_gate("same").rules["measures"] == {"ndcg@10": 0.9}

    @pytest.mark.colbench_gate(baseline="worse")
    def test_by_argument(colbench_gate):
        assert colbench_gate("same", baseline="same").baseline.path.endswith("same")
"""

LEAN = """
    import sys

    def test_lean():
        loaded = {name for name in sys.modules if name.startswith("colbench")}
        assert loaded == {"colbench", "colbench.gate", "colbench.gate.pytest_plugin"}
        assert not {"numpy", "torch", "pydantic", "hydra", "rich"} & set(sys.modules)
"""


class Outcome(NamedTuple):
    """What a run of pytest left: exit status, all it said, failure of each test (or nothing)."""

    status: int
    told: str
    failures: dict[str, str]

    def summary(self, test: str) -> str:
        """Return what the section on gates says of a test."""
        section = self.told.partition("colbench gates")[2].partition("short test summary")[0]
        return section.partition(f"::{test}\n")[2].partition("test_it.py::")[0]


@pytest.fixture
def project(tmp_path, example_results):
    """A project with results, and no conftest.py that could load the plugin."""
    write_pairs(example_results, tmp_path)
    made = results_with(example_results, -0.2).model_dump_json()
    (tmp_path / "made.json").write_text(made, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    return tmp_path


def run(project, tests, *options, ini="", cwd=None, variables=None):
    """Run a file of tests."""
    (project / "test_it.py").write_text(dedent(tests), encoding="utf-8")
    with (project / "pytest.ini").open("a", encoding="utf-8") as stream:
        stream.write(ini)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GITHUB"))}
    junit = project / "junit.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={junit}", *options],
        **{"capture_output": True, "text": True, "check": False, "cwd": cwd or project},
        env={**environment, **(variables or {})},
    )
    failures = {
        case.get("name"): "".join(e.text or "" for e in case if e.tag in ("failure", "error"))
        for case in (ElementTree.parse(junit).iter("testcase") if junit.is_file() else ())
    }
    return Outcome(done.returncode, done.stdout + done.stderr, failures)


_ONCE: list[Outcome] = []


@pytest.fixture
def outcome(project):
    """Of `TESTS`, which are run once: it takes a few seconds."""
    if not _ONCE:
        _ONCE.append(run(project, TESTS))
    return _ONCE[0]


def test_a_pass_returns_the_report_and_is_listed(outcome):
    assert outcome.failures["test_same"] == ""
    assert outcome.summary("test_same").startswith("  Pass: no regression in 1 system (ndcg@10, ")


@pytest.mark.parametrize("test", ["test_worse", "test_in_memory", "test_in_a_fixture"])
def test_a_regression_fails_with_the_table_and_no_traceback(outcome, test):
    failure = outcome.failures[test]
    assert failure.startswith("Regression: colbert, ndcg@10: regressed") and "-20.00" in failure
    assert "pytest_plugin.py" not in failure and "def test_" not in failure
    assert outcome.summary(test).startswith("  Regression: colbert, ndcg@10")


def test_what_cannot_be_judged_fails(outcome):
    assert outcome.failures["test_other"].startswith("Cannot be judged: another collection")


def test_improvements_and_doubts_pass_and_are_listed(outcome):
    assert outcome.failures["test_better"] == outcome.failures["test_doubtful"] == ""
    told = "    colbert, ndcg@10: improved, 0.5390 → 0.7390 (+20.00 points"
    assert told in outcome.summary("test_better")
    assert "    colbert, ndcg@10: inconclusive" in outcome.summary("test_doubtful")


def test_every_gate_is_listed_once_and_no_other_test(outcome):
    assert outcome.summary("test_two").count("  Pass: ") == 2
    assert outcome.summary("test_in_a_fixture").count("  Regression: ") == 1
    assert "::test_no_gate" not in outcome.told.partition("colbench gates")[2]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("test_no_baseline", "a gate needs a baseline"),
        ("test_no_candidate", "nowhere"),
        ("test_no_rules", "no rules 'strange'"),
        ("test_marked_without_the_fixture", "the test has no fixture colbench_gate"),
        ("test_marked_and_never_called", "nothing was gated"),
        ("test_wrong_marker", "the marker colbench_gate takes baseline=… and rules=… alone"),
    ],
)
def test_a_mistake_is_one_line(outcome, test, message):
    (line,) = outcome.failures[test].strip().splitlines()
    assert message in line


def test_the_marker_and_the_configuration_give_defaults(project):
    (project / "loose.yaml").write_text("measures: {ndcg@10: 0.9}\n", encoding="utf-8")
    (project / "deeper").mkdir()
    ini = "colbench_baseline = baseline.json\ncolbench_rules = default\n"
    found = run(project, DEFAULTS, "..", ini=ini, cwd=project / "deeper")
    assert found.status == 0, found.told
    assert len(found.failures) == 3


def test_projects_that_gate_nothing_notice_nothing(project):
    """Other plugins are left out: they import what they like."""
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    found = run(project, LEAN, "-p", "colbench", variables=alone)
    assert found.status == 0, found.told
    assert list(found.failures) == ["test_lean"] and "colbench gates" not in found.told


def test_the_plugin_can_be_left_out_and_documents_its_marker(project):
    marker = "@pytest.mark.colbench_gate(baseline=None, rules=None)"
    assert marker in run(project, "", "--markers").told
    assert marker not in run(project, "", "--markers", "-p", "no:colbench").told
