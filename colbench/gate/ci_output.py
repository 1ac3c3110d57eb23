"""What CI reads of a gate: annotations of a step on GitHub, and JUnit XML.

In JUnit a suite is a system and a case a verdict, for what shows the outcome of tests.

Sources: https://docs.github.com/actions/reference/workflow-commands-for-github-actions,
https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import NamedTuple, TextIO
from xml.etree import ElementTree

from colbench.gate.findings import (
    GUARDS,
    cost_summary,
    doubts,
    failures,
    gated,
    improvements,
    measure_summary,
    verdict_fails,
)
from colbench.gate.record import CostVerdict, GateReport, MeasureVerdict
from colbench.report.formats import clean

_MOST = 10
"""Annotations of a kind that GitHub shows of a step."""


def annotation_lines(report: GateReport) -> list[str]:
    """Return the commands that annotate a step: errors, warnings, notices, ten of each at most."""
    errors = [*map(str, failures(report)), *(f"not judged: {why}" for why in report.unjudged)]
    kinds = {
        "error": errors,
        "warning": [*map(str, doubts(report))],
        "notice": [*map(str, improvements(report))],
    }
    return [
        # A line break would end the command; `clean` leaves none, so that only % is to be escaped.
        f"::{kind} title=colbench gate::{clean(line).replace('%', '%25')}"
        for kind, findings in kinds.items()
        for line in _first(findings)
    ]


def print_annotations(report: GateReport, stream: TextIO | None = None) -> None:
    """Print the annotations where GitHub runs this (`GITHUB_ACTIONS` is `true`)."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotation_lines(report):
            print(line, file=stream or sys.stdout)


def _first(findings: list[str]) -> list[str]:
    if len(findings) <= _MOST:
        return findings
    return [*findings[: _MOST - 1], f"{len(findings) - _MOST + 1} more: see the summary"]


_NAME = "colbench gate"
_COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}


class _Case(NamedTuple):
    """One test case; `outcome` is a tag of JUnit's, None where it passed."""

    suite: str
    name: str
    outcome: str | None
    summary: str


def render_junit(report: GateReport) -> str:
    """Return the gate as XML: what failed as failures, what was not judged as errors."""
    cases = list(_cases(report))
    root = ElementTree.Element("testsuites", {"name": _NAME, **_counts(cases)})
    for suite in dict.fromkeys(case.suite for case in cases):
        within = [case for case in cases if case.suite == suite]
        attributes = {"name": clean(suite), "timestamp": clean(report.candidate.created)}
        element = ElementTree.SubElement(root, "testsuite", {**attributes, **_counts(within)})
        for case in within:
            _add(element, case)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written.decode() + "\n"


def _cases(report: GateReport) -> Iterator[_Case]:
    for verdict in report.verdicts:
        yield _of_measure(verdict, report)
    for guard in report.guards:
        outcome = None if guard.passed else "failure"
        yield _Case(guard.system, GUARDS[guard.guard], outcome, guard.finding)
    for cost in report.costs:
        yield _of_cost(cost)
    for number, reason in enumerate(report.unjudged, start=1):
        yield _Case("not judged", f"not judged {number}", "error", reason)


def _of_measure(verdict: MeasureVerdict, report: GateReport) -> _Case:
    outcome = None
    if verdict_fails(verdict.verdict, report):
        outcome = "failure"
    elif verdict.verdict == "inconclusive":
        outcome = "skipped"
    summary = measure_summary(verdict, report.rules["alpha"])
    summary = f"{verdict.verdict}, {summary}: {verdict.reason}"
    return _Case(verdict.system, verdict.measure, outcome, summary)


def _of_cost(cost: CostVerdict) -> _Case:
    outcome = {"regressed": "failure", "inconclusive": "skipped"}.get(cost.verdict)
    summary = f"{cost.verdict}, {cost_summary(cost)}"
    if cost.reason:
        summary += f": {cost.reason}"
    return _Case(cost.system, gated(cost.cost).title, outcome, summary)


def _counts(cases: list[_Case]) -> dict[str, str]:
    outcomes = [case.outcome for case in cases]
    counts = {name: outcomes.count(tag) for tag, name in _COUNTED.items()}
    return {key: str(value) for key, value in {"tests": len(cases), **counts}.items()}


def _add(suite: ElementTree.Element, case: _Case) -> None:
    element = ElementTree.SubElement(
        suite, "testcase", classname=clean(f"{_NAME}.{case.suite}"), name=clean(case.name)
    )
    if case.outcome:
        ElementTree.SubElement(element, case.outcome, message=clean(case.summary))
    ElementTree.SubElement(element, "system-out").text = clean(case.summary)
