"""`colbench gate`: did search get worse?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbench.console import add_wide, draw, put

if TYPE_CHECKING:
    from colbench.config.settings import RunSettings
    from colbench.experiment.task import Finished
    from colbench.gate.record import GateReport
    from colbench.gate.rules import GateRules
    from colbench.gate.sides import GatedSide


_ABOUT = """\
Hold results against a baseline by declared rules: paired tests of every system and measure,
deterministic systems whose rankings must be identical, single queries that must not be lost, sizes,
memory and latency.

Exit status: 0 pass; 1 regression; 2 cannot be judged (a system missing or skipped, another
collection or set of queries) or wrong usage; 3 a defect of colbench, told by a traceback.

examples:
  colbench gate out/quickstart --baseline results/quickstart/baseline.json
  colbench gate out/quickstart --baseline results/quickstart --rules my_rules.yaml
  colbench gate out/results.json --baseline base.json --json gate.json --junit gate.xml
  colbench run experiment=quickstart gate=default gate.baseline=base.json      run and gate at once

Where GITHUB_STEP_SUMMARY is set, the outcome is also appended there as Markdown.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "gate",
        help="fail when search got worse than a baseline",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "candidate", type=Path, metavar="CANDIDATE", help="results.json or its folder"
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        required=True,
        metavar="BASELINE",
        help="file of `colbench baseline accept`, results.json or its folder",
    )
    parser.add_argument(
        "--rules",
        default="default",
        metavar="NAME|FILE",
        help="an option of conf/gate/ (see: colbench list gates) or a YAML file (default: default)",
    )
    parser.add_argument(
        "--format",
        choices=("terminal", "markdown", "json", "junit"),
        default="terminal",
        help="of output",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    for form in ("markdown", "json", "junit"):
        parser.add_argument(
            f"--{form}", type=Path, metavar="FILE", help=f"also write the outcome as {form}"
        )
    add_wide(parser)
    parser.set_defaults(action=gate)


def gate(options: argparse.Namespace) -> int:
    """Judge, show, write; return the exit status."""
    from colbench.errors import ConfigError
    from colbench.gate.judge import judge
    from colbench.gate.rules import load_rules
    from colbench.gate.sides import GatedSide

    if [] in (options.rules, options.baseline):  # what argparse makes of --rules=--
        raise ConfigError("'--' is the name of no file: name the baseline and the rules")
    rules = load_rules(options.rules)
    candidate = GatedSide.open_candidate(options.candidate)
    report = judge(candidate, GatedSide.open(options.baseline), rules)
    files = {form: getattr(options, form) for form in ("markdown", "json", "junit")}
    return _tell(report, files, options.format, options.output, wide=options.wide)


def gate_after(settings: RunSettings) -> Callable[..., int] | None:
    """Open what `gate.baseline` names, before a run is begun; return what judges the run.

    Raises:
        ConfigError: the rules name no baseline, or the task leaves nothing to judge.
        StorageError: the baseline cannot be read.
    """
    from colbench.errors import ConfigError
    from colbench.gate.rules import GateRules
    from colbench.gate.sides import GatedSide

    rules = settings.feature(GateRules)
    if rules is None:
        return None
    if settings.task != "systems":
        raise ConfigError(
            f"task={settings.task} cannot be gated: gate a run of systems, or set gate=null"
        )
    if rules.baseline is None:
        raise ConfigError("a gate needs a baseline: set gate.baseline=FILE, or gate=null for none")
    return partial(_gate_run, GatedSide.open(rules.baseline), rules)


def _gate_run(
    baseline: GatedSide, rules: GateRules, finished: Finished, *, wide: bool = False
) -> int:
    """Judge a run that just ended, leave gate.json and gate.md beside its results."""
    from colbench.gate.judge import judge
    from colbench.gate.sides import GatedSide

    assert finished.results is not None
    report = judge(GatedSide.of_results(finished.folder, finished.results), baseline, rules)
    files = {
        "json": finished.folder / "gate.json",
        "markdown": finished.folder / "gate.md",
    }
    return _tell(report, files, wide=wide)


def _tell(
    report: GateReport,
    files: Mapping[str, Path | None],
    form: str = "terminal",
    output: Path | None = None,
    *,
    wide: bool = False,
) -> int:
    """Write everything, show last: whoever reads may stop reading, and the status stays."""
    for kind, file in files.items():
        if file is not None:
            put(_text(report, kind), file)
    _tell_github(report)
    try:
        _show(report, form, output, wide=wide)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # the latter is what rich makes of the former
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report.exit_code


def _show(report: GateReport, form: str, output: Path | None, wide: bool) -> None:
    if form == "terminal":
        from colbench.gate.report import gate_document
        from colbench.report.terminal import print_document

        document = gate_document(report)
        draw(partial(print_document, document, wide=wide, brief=True), output)
    else:
        put(_text(report, form), output)


def _text(report: GateReport, form: str) -> str:
    if form == "json":
        return report.model_dump_json(indent=2) + "\n"
    if form == "junit":
        from colbench.gate.ci_output import render_junit

        return render_junit(report)
    from colbench.gate.report import render_gate

    return render_gate(report)


def _tell_github(report: GateReport) -> None:
    from colbench.gate.ci_output import print_annotations
    from colbench.gate.report import write_step_summary

    print_annotations(report, stream=sys.stderr)  # standard output may be JSON
    write_step_summary(report)
