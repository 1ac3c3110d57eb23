"""A gate as annotations of a step on GitHub.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from colbench.gate.findings import doubts, failures, improvements
from colbench.gate.record import GateReport
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
