"""The plugin for pytest: a test fails where search got worse than a baseline.

    def test_quality(colbench_gate):
        colbench_gate("out/results.json", baseline="baselines/quickstart.json")

pytest imports this module whenever it starts, in every project of an environment that has colbench:
everything but pytest is imported when a gate is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from colbench.gate.record import GateReport
    from colbench.gate.rules import GateRules
    from colbench.gate.sides import GatedSide
    from colbench.results.schema import Results


_NAME = "colbench_gate"
_LEAST_WIDTH = 120
"""Columns of the table, should the terminal have fewer."""

_IN_MEMORY = Path("(results of this test)")
"""Stands for the path of results that were not read from a file."""


class ColbenchGate:
    """What the fixture gives: call it to gate results."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config = request.config
        self._told: list[tuple[str, object]] = request.node.user_properties
        self._defaults = _marked(request.node.get_closest_marker(_NAME))
        self.called = False

    def __call__(
        self,
        candidate: str | Path | Results,
        *,
        baseline: str | Path | None = None,
        rules: str | Path | None = None,
    ) -> GateReport:
        """Hold results against a baseline; the test fails on anything but a pass.

        Relative paths are of the root folder of pytest.

        Args:
            candidate: `results.json`, the folder that holds it, or the results themselves; rules
                with `must_find` need a path, runs of systems lie beside the file.
            baseline: file of `colbench baseline accept`, `results.json` or its folder. Default:
                that of the marker `colbench_gate`, of the option `colbench_baseline` in pytest's
                configuration, of the rules.
            rules: an option of `conf/gate/` or a YAML file. Default: those of the marker, of the
                option `colbench_rules`, `default`.

        Returns:
            What was found. An inconclusive verdict is a pass unless the rules say otherwise.
        """
        from colbench.errors import ColbenchError

        self.called = True
        try:
            report = self._judge(candidate, baseline, rules)
        except ColbenchError as error:
            mistake = f"colbench: {error}"
        else:
            mistake = ""
        if mistake:  # told out here: within, pytest shows the traceback of the error as well
            self._told.append((_NAME, mistake))
            pytest.fail(mistake, pytrace=False)
        self._told.extend((_NAME, line) for line in _lines(report))
        if report.status != "pass":
            pytest.fail(self._table(report), pytrace=False)
        return report

    def _judge(
        self,
        candidate: str | Path | Results,
        baseline: str | Path | None,
        rules: str | Path | None,
    ) -> GateReport:
        from colbench.gate.judge import judge
        from colbench.gate.sides import GatedSide

        tolerated = self._rules(rules or self._default("rules") or "default")
        named = baseline or self._default("baseline") or tolerated.baseline
        if not named:
            from colbench.errors import ConfigError

            raise ConfigError(
                "a gate needs a baseline: colbench_gate(…, baseline=FILE), the marker "
                "colbench_gate(baseline=FILE), or colbench_baseline in pytest's configuration"
            )
        return judge(self._side(candidate), GatedSide.open(self._path(named)), tolerated)

    def _default(self, name: str) -> str | Path | None:
        return self._defaults.get(name) or self._config.getini(f"colbench_{name}") or None

    def _rules(self, name: str | Path) -> GateRules:
        from colbench.gate.rules import load_rules

        path = self._path(name)
        return load_rules(str(path if path.is_file() else name))

    def _side(self, candidate: str | Path | Results) -> GatedSide:
        from colbench.gate.sides import GatedSide

        if isinstance(candidate, str | Path):
            return GatedSide.open_candidate(self._path(candidate))
        return GatedSide.of_results(_IN_MEMORY, candidate)

    def _path(self, path: str | Path) -> Path:
        return self._config.rootpath / path

    def _table(self, report: GateReport) -> str:
        from rich.console import Console

        from colbench.gate.report import gate_document
        from colbench.report.terminal import print_document

        width = max(_LEAST_WIDTH, self._config.get_terminal_writer().fullwidth)
        console = Console(file=io.StringIO(), width=width, color_system=None)
        print_document(gate_document(report), console, brief=True)
        return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.fixture
def colbench_gate(request: pytest.FixtureRequest) -> Iterator[ColbenchGate]:
    """Gate results of colbench: call it with the candidate, and `baseline=` and `rules=`."""
    gate = ColbenchGate(request)
    yield gate
    if not gate.called and request.node.get_closest_marker(_NAME) is not None:
        pytest.fail(f"marked {_NAME}, and nothing was gated: call the fixture", pytrace=False)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that is marked and has not the fixture: nothing would be gated."""
    marked = item.get_closest_marker(_NAME) is not None
    if marked and _NAME not in getattr(item, "fixturenames", ()):
        pytest.fail(f"marked {_NAME}, and the test has no fixture {_NAME}", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of pytest's configuration."""
    parser.addini("colbench_baseline", "baseline of colbench_gate, relative to the root folder")
    parser.addini("colbench_rules", "rules of colbench_gate: an option of conf/gate/ or a file")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", f"{_NAME}(baseline=None, rules=None): defaults of the fixture {_NAME}"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the gates that were run, whatever came of their tests."""
    # Properties travel with the reports of tests, from the workers of pytest-xdist as well. The
    # reports of one test repeat them.
    messages: dict[str, list[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            lines = [str(v) for k, v in getattr(report, "user_properties", ()) if k == _NAME]
            if lines:
                messages[report.nodeid] = max(lines, messages.get(report.nodeid, []), key=len)
    if not messages:
        return
    from colbench.printing import printable

    terminalreporter.section("colbench gates")
    for test, lines in messages.items():
        terminalreporter.line(test)
        for line in lines:
            terminalreporter.line(f"  {printable(line)}")


def _marked(marker: pytest.Mark | None) -> Mapping[str, Any]:
    if marker is None:
        return {}
    if marker.args or set(marker.kwargs) - {"baseline", "rules"}:
        pytest.fail(f"the marker {_NAME} takes baseline=… and rules=… alone", pytrace=False)
    return marker.kwargs


def _lines(report: GateReport) -> list[str]:
    """Return the verdict, and what passed and is worth a look."""
    from colbench.gate.findings import doubts, headline, improvements

    further = [*improvements(report), *doubts(report)] if report.status == "pass" else []
    return [headline(report), *(f"  {finding.short}" for finding in further)]
