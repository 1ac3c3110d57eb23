"""Two results held against each other: what changed, and whether search got worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from colbench.api.results import Results
from colbench.api.shown import Shown, frame
from colbench.compare.compute import compare as compare_opened
from colbench.compare.pairing import Opened
from colbench.compare.record import Comparison as ComparisonRecord
from colbench.compare.sections import comparison_document
from colbench.errors import ConfigError
from colbench.gate.findings import doubts, failures, headline, improvements
from colbench.gate.judge import judge
from colbench.gate.record import GateReport
from colbench.gate.report import gate_document
from colbench.gate.rules import GateRules, completed, load_rules
from colbench.gate.sides import GatedSide
from colbench.measures.catalogue import check_measures
from colbench.report.table import Document
from colbench.results.schema import Results as Record
from colbench.results.task_result import is_task_result
from colbench.settings import explain

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

Measured = Results | Record | str | Path
"""Results, or the folder or `results.json` that holds some; to compare, a file of MTEB, too."""


class Comparison(Shown):
    """What `compare` found; every difference is B minus A.

    Attributes:
        record: all of it: `pairs`, each with `effectiveness`, `costs`, `drops` and `rises`;
            `config` and `environment` that differ, `notes`.

    >>> import colbench
    >>> comparison = colbench.compare("first", "second")
    >>> comparison.to_frame().loc[("mine", "mine", "ndcg@10"), "difference"].item()
    -0.5
    """

    def __init__(self, record: ComparisonRecord) -> None:
        self.record = record

    def to_frame(self) -> pandas.DataFrame:
        """Return a row for each pair and measure.

        Raises:
            PackagesUnavailable: pandas is not installed.
        """
        rows = [
            {"system_a": pair.a, "system_b": pair.b, **change.model_dump()}
            for pair in self.record.pairs
            for change in pair.effectiveness
        ]
        return frame(rows, ["system_a", "system_b", "measure"])

    def document(self) -> Document:
        """Return the report."""
        return comparison_document(self.record)


def compare(
    a: Measured,
    b: Measured | None = None,
    *,
    systems: Sequence[str] | Mapping[str, str] = (),
    test: Literal["student", "fisher"] = "student",
    alpha: float = 0.05,
    queries: int = 5,
) -> Comparison:
    """Put two results side by side: settings, effectiveness with tests, costs, queries that moved.

    Args:
        a: the reference: results, or the folder that holds some.
        b: the other; default: A, with `systems`.
        systems: a system of A → one of B, or names that both have; default: all of one name.
        test: paired test.
        alpha: its level.
        queries: drops and rises to keep of each pair.

    Raises:
        ConfigError: a system is unknown or was not measured, or none is in both.
        DataError: the collections, or the queries, are not the same.
        StorageError: results cannot be read.

    >>> import colbench
    >>> comparison = colbench.compare(colbench.load_results("first"), "second")
    >>> change = comparison.record.pairs[0].effectiveness[0]
    >>> change.measure, change.a, change.b
    ('ndcg@10', 1.0, 0.5)
    """
    if b is None and not systems:
        raise ConfigError(
            "nothing to compare: give a second result, or two systems of this one, "
            "systems={'bm25': 'colbert'}"
        )
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={alpha}: choose a level between 0 and 1")
    if isinstance(systems, str):
        systems = [systems]
    named = (
        [f"{first}={second}" for first, second in systems.items()]
        if isinstance(systems, Mapping)
        else list(systems)
    )
    opened, other = _both(a, a if b is None else b)
    return Comparison(compare_opened(opened, other, named, test=test, alpha=alpha, queries=queries))


def _both(a: Measured, b: Measured) -> tuple[Opened, Opened]:
    """Open two results; a file of MTEB beside the other one."""
    if _is_task_result(a) and not _is_task_result(b):
        second = _opened(b)
        return Opened.of_task_result(_path(a), second), second
    first = _opened(a)
    if _is_task_result(b):
        return first, Opened.of_task_result(_path(b), first)
    return first, first if a is b else _opened(b)


def _is_task_result(measured: object) -> bool:
    return isinstance(measured, str | Path) and is_task_result(_path(measured))


def _opened(measured: Measured) -> Opened:
    if isinstance(measured, Results):
        return Opened(measured.folder, measured.record)
    if isinstance(measured, Record):
        return Opened(Path(measured.experiment), measured)
    return Opened.read(_path(measured))


def _path(measured: object) -> Path:
    if not isinstance(measured, str | Path):
        raise ConfigError(
            f"{type(measured).__name__} is no result: give what colbench.run returned, or a folder"
        )
    return Path(measured).expanduser()


class Verdict(Shown):
    """What `gate` found.

    Attributes:
        record: all of it, as `gate.json` has it.

    >>> import colbench
    >>> bool(colbench.gate("first", baseline="second"))
    False
    """

    def __init__(self, record: GateReport) -> None:
        self.record = record

    @property
    def passed(self) -> bool:
        """Whether everything was judged and nothing got worse."""
        return self.record.status == "pass"

    @property
    def status(self) -> Literal["pass", "regression", "unjudged"]:
        """The outcome: `unjudged` where something could not be judged."""
        return self.record.status

    @property
    def headline(self) -> str:
        """The outcome in a sentence."""
        return headline(self.record)

    @property
    def findings(self) -> list[str]:
        """What counted, a line each: failures first, then what could not be judged, doubts and
        improvements."""
        told = [failures(self.record), doubts(self.record), improvements(self.record)]
        lines = [[finding.short for finding in findings] for findings in told]
        return [*lines[0], *self.record.unjudged, *lines[1], *lines[2]]

    def __bool__(self) -> bool:
        """Return `passed`."""
        return self.passed

    def document(self) -> Document:
        """Return the report."""
        return gate_document(self.record)


def gate(
    results: Measured,
    baseline: Measured,
    *,
    rules: str | Path | Mapping[str, Any] = "default",
) -> Verdict:
    """Hold results against a baseline by declared rules: did search get worse?

    Args:
        results: the candidate.
        baseline: results, or a file of `colbench baseline accept`.
        rules: an option of `conf/gate/`, a YAML file, or keys that differ from the default rules:
            `{"measures": {"ndcg@10": 0.01}}`.

    Returns:
        The verdict; nothing is raised where search got worse.

    Raises:
        ConfigError: the rules cannot be used.
        StorageError: results or baseline cannot be read.

    >>> import colbench
    >>> verdict = colbench.gate(colbench.load_results("second"), baseline="first")
    >>> verdict.passed, verdict.status
    (False, 'unjudged')
    >>> [finding for finding in verdict.findings if "too few" in finding]
    ['too few queries to tell: 2 cannot show any drop, 2 tests at level 0.05 need at least 6']
    """
    if isinstance(rules, Mapping):
        try:
            checked = GateRules.model_validate(completed(rules))
        except ValidationError as error:
            raise ConfigError(explain(error, GateRules, "rules")) from None
        check_measures(list(checked.measures))
    else:
        checked = load_rules(str(rules))
    return Verdict(judge(_side(results, candidate=True), _side(baseline), checked))


def _side(measured: Measured, *, candidate: bool = False) -> GatedSide:
    if isinstance(measured, Results | Record):
        opened = _opened(measured)
        return GatedSide.of_results(opened.path, opened.results)
    path = _path(measured)
    return GatedSide.open_candidate(path) if candidate else GatedSide.open(path)
