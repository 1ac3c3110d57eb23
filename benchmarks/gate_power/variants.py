"""The rankings that gates are tried on: a plain run, and one per variant of it.

Among the variants are indexes that lost documents or mixed up their ids. Those are exact for
systems that score every document by itself (exact MaxSim, a flat bi-encoder): a document that is
not in the index is not ranked, and all others keep their scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_power.settings import GatePowerSettings, VariantSettings
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.config.compose import compose_run
from colbench.config.folder import quoted
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError
from colbench.experiment.output import file_stem
from colbench.experiment.repeat import run_once
from colbench.gate.guards import answered
from colbench.measures.effectiveness import evaluate, first_relevant, ranking_digest
from colbench.results.schema import Results
from colbench.results.store import read_results, verified_run
from colbench.run.model import Ranking, Run


def lost_documents(run: Run, doc_ids: Sequence[str], share: float, seed: int) -> Run:
    """Return the run of an index that lacks a random share of the documents."""
    lost = set(_chosen(doc_ids, share, seed))
    return Run(
        run.name,
        {query: Ranking.sort(*_kept(ranking, lost)) for query, ranking in run.rankings.items()},
    )


def _kept(ranking: Ranking, lost: set[str]) -> tuple[list[str], list[float]]:
    pairs = [(doc, score) for doc, score in ranking if doc not in lost]
    return [doc for doc, _ in pairs], [score for _, score in pairs]


def shuffled_ids(run: Run, doc_ids: Sequence[str], share: float, seed: int) -> Run:
    """Return the run of an index in which a random share of the documents carry wrong ids.

    The chosen ids go round in a circle, so that none of them is right.
    """
    chosen = _chosen(doc_ids, share, seed)
    renamed = dict(zip(chosen, [*chosen[1:], *chosen[:1]], strict=True))
    return Run(
        run.name,
        {
            query: Ranking.sort(
                [renamed.get(doc, doc) for doc in ranking.doc_ids], ranking.scores.tolist()
            )
            for query, ranking in run.rankings.items()
        },
    )


def _chosen(doc_ids: Sequence[str], share: float, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    places = random.permutation(len(doc_ids))[: round(share * len(doc_ids))]
    return [doc_ids[place] for place in places]


PLAIN = "plain"

_DAMAGES = {"lost_documents": lost_documents, "shuffled_ids": shuffled_ids}
_SEED = 0


@dataclass(frozen=True)
class Values:
    """What one run is worth, query by query in the collection's order.

    Attributes:
        measures: system → measure → float64 array, shape (queries,).
        answered: system → whether a relevant document stands in the top ten, shape (queries,).
        digests: system → digest of each query's ranking, shape (queries,).
        results: of the run; of the plain one, where its rankings were damaged.
    """

    measures: dict[str, Mapping[str, NDArray[np.float64]]]
    answered: dict[str, NDArray[np.bool_]]
    digests: dict[str, NDArray[np.str_]]
    results: Results


class Variants:
    """Runs of one collection.

    Args:
        dataset: an option of `conf/dataset`.
        settings: of the experiment; what they say of systems, measures and encoder holds for every
            run.
        overrides: those that every run is given.
        root: where the runs are kept, a folder each.
        measured: measures that are needed.
        extra: further configuration folders.
    """

    def __init__(
        self,
        dataset: str,
        settings: RunSettings,
        overrides: Sequence[str],
        root: Path,
        measured: Sequence[str],
        extra: Sequence[Path] = (),
    ) -> None:
        power = settings.feature(GatePowerSettings)
        assert power is not None
        self.power = power
        self.settings = settings
        self.overrides = [
            *overrides,
            f"dataset={dataset}",
            "task=systems",
            "gate_power=null",
            "gate=null",
        ]
        self.root = root / file_stem(dataset)
        self.measured = list(measured)
        self.extra = list(extra)
        self.collection = load_collection(self._compose(PLAIN, self.power.systems, []).dataset)

    def plain(self) -> Values:
        """Return the values of the run that a variant differs from."""
        results = self._run(PLAIN, self._compose(PLAIN, self.power.systems, []))
        return self._values(results, self.power.systems)

    def of(self, name: str, variant: VariantSettings) -> Values:
        """Return the values of a variant, of the systems it touches."""
        if variant.damage is not None:
            return self._damaged(variant)
        settings = self._compose(name, variant.systems, variant.overrides)
        if variant.fresh_vectors:
            cache = self.root / f".vectors-{file_stem(name)}"
            settings = settings.model_copy(update={"cache_dir": cache})
        results = self._run(name, settings, reverse=variant.reverse_queries)
        return self._values(results, variant.systems)

    def _compose(self, name: str, systems: Sequence[str], overrides: Sequence[str]) -> RunSettings:
        measures = ",".join(self.measured)
        return compose_run(
            [
                *self.overrides,
                f"systems=[{','.join(systems)}]",
                "reference=null",
                f"measures=[{measures}]",
                f"name={quoted(f'gate_power {name}')}",
                f"output_dir={quoted(str(self.root / file_stem(name)))}",
                *overrides,
            ],
            self.extra,
        )

    def _run(self, name: str, settings: RunSettings, *, reverse: bool = False) -> Results:
        overrides = [*self.overrides, f"# gate_power, {name}"]
        return run_once(settings, overrides, name, prepare=_reversed if reverse else None)

    def _values(self, results: Results, systems: Sequence[str]) -> Values:
        ids = [query.id for query in results.queries]
        places = [ids.index(query.id) for query in self.collection.queries]
        measured = {system.name: system for system in results.systems}
        values = Values({}, {}, {}, results)
        for name in systems:
            system = measured[name]
            if system.status != "ok":
                raise ConfigError(f"{name} was skipped: {system.reason}")
            assert system.per_query and system.first_relevant and system.rankings
            values.measures[name] = {
                measure: np.array(system.per_query[measure])[places] for measure in self.measured
            }
            values.answered[name] = _answered([system.first_relevant[place] for place in places])
            values.digests[name] = np.array(system.rankings)[places]
        return values

    def _damaged(self, variant: VariantSettings) -> Values:
        assert variant.damage is not None
        folder = self.root / PLAIN
        results = read_results(folder)
        ids = [query.id for query in self.collection.queries]
        values = Values({}, {}, {}, results)
        for system in results.systems:
            if system.name not in variant.systems:
                continue
            run = _DAMAGES[variant.damage](
                verified_run(results, system, folder),
                self.collection.doc_ids,
                variant.share,
                _SEED,
            )
            scores = evaluate(self.collection.qrels, run, self.measured)
            values.measures[system.name] = {
                measure: np.array([by_query[query] for query in ids])
                for measure, by_query in scores.items()
            }
            first = first_relevant(self.collection.qrels, run)
            values.answered[system.name] = _answered([first[query] for query in ids])
            values.digests[system.name] = np.array(
                [ranking_digest(run.rankings[query].doc_ids) for query in ids]
            )
        return values


def _answered(ranks: Sequence[int | None]) -> NDArray[np.bool_]:
    return np.array([answered(rank) for rank in ranks])


def _reversed(collection: Collection) -> Collection:
    return dataclasses.replace(collection, queries=list(reversed(collection.queries)))
