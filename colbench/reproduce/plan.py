"""Which published figures can be measured here, in which runs, and why the others cannot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from colbench.collection.load import load_collection
from colbench.config.compose import compose_run
from colbench.encoder.loading.weights import resolve_weights
from colbench.errors import ColbenchError, ConfigError, PackagesUnavailable, WeightsUnavailable
from colbench.progress import note
from colbench.reproduce.matching import Wanted
from colbench.reproduce.published import Entry, Reference

LARGE = 100_000
"""Documents above which a collection is measured only when asked for."""

DEFAULTS = (
    "attribution=false",
    "latency.queries=20",
    "latency.max_seconds=5",
    "examples.queries=0",
    "encoder.precision=fp32",
)
"""How a run is made whose effectiveness is what counts; the user's overrides come after."""

_CHOSEN = ("dataset", "encoder", "systems", "output_dir", "measures", "experiment", "task", "k")


@dataclass
class PlannedRun:
    """One run: a dataset, an encoder, and the systems that figures ask for.

    Attributes:
        dataset: option of conf/dataset.
        encoder: option of conf/encoder or hub name; None where no system has one.
        wanted: the systems, by name.
        measures: what they are scored with.
        entries: the figures.
    """

    dataset: str
    encoder: str | None
    wanted: dict[str, Wanted] = field(default_factory=dict)
    measures: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Let the run measure a figure too."""
        system = Wanted.of(entry)
        self.wanted.setdefault(system.name, system)
        if entry.metric not in self.measures:
            self.measures.append(entry.metric)
        self.entries.append(entry)

    def overrides(self, overrides: Sequence[str], extra: Sequence[str] = ()) -> list[str]:
        """Return the overrides of the run."""
        systems = [override for system in self.wanted.values() for override in system.overrides()]
        encoder = [] if self.encoder is None else [f"encoder={self.encoder}"]
        return [
            f"dataset={self.dataset}",
            *encoder,
            *systems,
            f"systems=[{','.join(self.wanted)}]",
            f"measures=[{','.join(self.measures)}]",
            *DEFAULTS,
            *extra,
            *overrides,
        ]


@dataclass
class Plan:
    """What runs, and why the rest does not.

    Attributes:
        runs: in the order of the figures.
        reasons: entry id → why it cannot be measured here.
    """

    runs: list[PlannedRun] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def make_plan(
    entries: Sequence[Entry],
    reference: Reference,
    overrides: Sequence[str] = (),
    *,
    large: bool = False,
) -> Plan:
    """Sort figures into runs; look for datasets and weights, and fetch them where that can be done.

    Args:
        entries: what is asked for.
        reference: all figures, for what is known of the collections.
        overrides: the user's overrides, which may change where a dataset is found or how much of
            it.
        large: also measure collections above `LARGE` documents.

    Raises:
        ConfigError: an override that the figures decide.
    """
    check_overrides(overrides)
    plan = Plan(reasons=never_measured(entries, reference))
    by_dataset: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        facts = reference.collections.get(entry.dataset)
        if entry.id in plan.reasons:
            continue
        if facts is not None and (facts.documents or 0) > LARGE and not large:
            plan.reasons[entry.id] = (
                f"needs about {facts.documents:,} documents indexed: --large measures it"
            )
        else:
            by_dataset[entry.dataset].append(entry)
    weights = _Weights()
    for dataset, wanted in by_dataset.items():
        problem = _dataset_problem(dataset, overrides)
        if problem is None:
            _plan_dataset(dataset, wanted, weights, plan)
        else:
            plan.reasons |= {entry.id: problem for entry in wanted}
    return plan


def never_measured(entries: Sequence[Entry], reference: Reference) -> dict[str, str]:
    """Return entry id → why, of what no run of colbench measures: no system, or no dataset."""
    reasons = {entry.id: entry.why or "" for entry in entries if entry.system is None}
    for entry in entries:
        facts = reference.collections.get(entry.dataset)
        if entry.id not in reasons and facts is not None and facts.why is not None:
            reasons[entry.id] = facts.why
    return reasons


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuse overrides that change what a figure is of.

    Raises:
        ConfigError: naming the override and what to do.
    """
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if key in _CHOSEN or key.startswith(("encoder.", "system.", "system@")):
            instead = {"output_dir": "use --output", "dataset": "name it after 'reproduce'"}
            hint = instead.get(key, "'colbench run' takes it")
            raise ConfigError(f"{key} is decided by the published figures: {hint}")


def _plan_dataset(dataset: str, entries: Sequence[Entry], weights: _Weights, plan: Plan) -> None:
    """Add one run for each encoder; systems without one join the first of them."""
    runs: dict[str | None, PlannedRun] = {}
    can_run = []
    for entry in entries:
        problem = weights.problem(Wanted.of(entry))
        if problem is None:
            can_run.append(entry)
        else:
            plan.reasons[entry.id] = problem
    encoders = [entry.encoder for entry in can_run if entry.encoder is not None]
    for entry in can_run:
        encoder = entry.encoder or next(iter(encoders), None)
        runs.setdefault(encoder, PlannedRun(dataset, encoder)).add(entry)
    plan.runs.extend(runs.values())


def _dataset_problem(dataset: str, overrides: Sequence[str]) -> str | None:
    settings = compose_run([f"dataset={dataset}", "systems=[bm25]", *overrides])
    note(f"looking for {dataset}")
    try:
        load_collection(settings.dataset)
    except ConfigError:
        raise
    except ColbenchError as error:
        # The rest of the message names folders of this machine, which no report should.
        problem = str(error).partition(";")[0]
        return f"{problem}; with a network, 'colbench reproduce {dataset}' fetches it"
    return None


class _Weights:
    """Which models and packages can be had; each model is looked for once."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str | None], str | None] = {}

    def problem(self, wanted: Wanted) -> str | None:
        """Say which weights or packages a system lacks; None where it lacks none."""
        overrides = [f"systems=[{wanted.name}]", *wanted.overrides()]
        encoder = [] if wanted.encoder is None else [f"encoder={wanted.encoder}"]
        settings = compose_run([*overrides, *encoder])
        for system in settings.system.with_parts(settings.systems).values():
            try:
                system.look_for_packages()
            except PackagesUnavailable as error:
                return str(error)
            for model in system.models():
                problem = self._look_for(model.model, model.revision)
                if problem is not None:
                    return problem
        return None

    def _look_for(self, model: str, revision: str | None) -> str | None:
        key = (model, revision)
        if key not in self._problems:
            try:
                resolve_weights(model, revision)
                self._problems[key] = None
            except WeightsUnavailable as error:
                self._problems[key] = str(error)
            except ColbenchError as error:  # such as pickled weights alone
                self._problems[key] = str(error)
        return self._problems[key]
