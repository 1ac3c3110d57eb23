"""Measuring the points of a sweep, one after the other in one process.

Points with equal `build_key` share an index. One process for all of them means that models are
loaded and queries encoded once; peak memory would be that of all points together, so it is not
reported.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from colbench.experiment.job import PointRecord, PointTask, SweepReply, SweepTask
from colbench.experiment.measurement import index_info, latency_of, other_processes
from colbench.experiment.plan import choose_measures
from colbench.files import write_json
from colbench.measures.effectiveness import evaluate, mean_scores
from colbench.measures.latency import Timings, fastest
from colbench.measures.overlap import mean_overlap
from colbench.progress import bar
from colbench.results.schema import Fidelity
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.hits import Hits
from colbench.retriever.registry import system_class
from colbench.run.model import Ranking, Run, fetch_depth
from colbench.run.trec import read_trec, run_digest

_CUTOFFS = (10, 100, 1000)


def measure_points(task: SweepTask, bench: Workbench) -> SweepReply:
    """Measure every point and leave a `PointRecord` of each."""
    points = sorted(task.points, key=lambda point: bench.systems[point.name].build_key())
    sweep = _Sweep(task, bench)
    with bar(total=len(points), description="sweep", unit="point") as progress:
        for _, group in groupby(points, key=lambda point: bench.systems[point.name].build_key()):
            for _ in sweep.measure(list(group)):
                progress.update()
    return SweepReply(points=len(points))


@dataclass
class _Queries:
    """Queries as a system searches with them, and what encoding each alone took."""

    key: str
    encoded: Sequence[Any]
    nanoseconds: list[int]


@dataclass
class _Sweep:
    task: SweepTask
    bench: Workbench
    queries: _Queries | None = None
    reference: Run | None = None
    texts: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.texts = [query.text for query in self.bench.collection.queries]
        if self.task.reference_run is not None:
            self.reference = read_trec(self.task.reference_run)

    def measure(self, points: list[PointTask]) -> Iterator[PointTask]:
        """Build what the points share and yield each point when its record is written."""
        first = self.bench.systems[points[0].name]
        system = system_class(first.kind)("sweep", first, self.bench, self.bench.folder / "sweep")
        system.prepare()
        started = time.perf_counter()
        system.build()
        built = system.reused_build_seconds or time.perf_counter() - started
        queries = self._encode(system, first)
        for point in points:
            system.use(self.bench.systems[point.name])
            record = self._measure(system, queries, point, built)
            write_json(point.record, record.model_dump(mode="json"))
            yield point
        if not self.task.keep_indexes:
            _remove_indexes(self.bench)

    def _encode(self, system: Retriever, settings: SystemSettings) -> _Queries:
        """Encode the queries, or take those of an index with the same encoder."""
        key = "" if settings.parts() else str(settings.encodings())
        if self.queries is None or not settings.encodings() or self.queries.key != key:
            system.encode(self.texts[:2])
            timed = [
                _timed(system.encode, [text]) for text in self.texts[: self.task.latency.queries]
            ]
            self.queries = _Queries(key, system.encode(self.texts), timed)
        return self.queries

    def _measure(
        self, system: Retriever, queries: _Queries, point: PointTask, built: float
    ) -> PointRecord:
        collection = self.bench.collection
        depth = fetch_depth(collection, point.depth)
        self.bench.spare_hits = depth - point.depth
        with other_processes() as others:
            hits, timings = self._search(system, queries, depth)
        run = Run.from_hits(point.name, collection, hits, point.depth)
        measures, _ = choose_measures(self.task.measures, point.depth, len(collection.documents))
        scores = evaluate(collection.qrels, run, measures)
        size = system.size()
        return PointRecord(
            facts=system.facts(),
            effectiveness=mean_scores(scores),
            per_query={
                measure: [values[query.id] for query in collection.queries]
                for measure, values in scores.items()
                if measure == self.task.measure
            },
            latency_ms=latency_of(fastest(timings)),
            fidelity=self._fidelity(run, point.depth),
            index=index_info(size, collection),
            build_seconds=built,
            other_cpu_share=others[0],
            run_sha256=run_digest(run),
            git_commit=self.task.git_commit,
        )

    def _search(
        self, system: Retriever, queries: _Queries, depth: int
    ) -> tuple[list[Hits], list[Timings]]:
        """Search all queries one at a time, and the timed ones again as often as there are trials.

        Returns:
            The hits of the first pass, and the timed queries' times of every pass.
        """
        latency = self.task.latency
        timed = len(queries.nanoseconds)
        for query in queries.encoded[: latency.warmup]:
            system.search([query], depth)
        hits: list[Hits] = []
        passes = []
        for trial in range(latency.trials):
            times = []
            for query in queries.encoded if trial == 0 else queries.encoded[:timed]:
                started = time.perf_counter_ns()
                found = system.search([query], depth)
                times.append(time.perf_counter_ns() - started)
                if trial == 0:
                    hits += found
            passes.append(list(zip(queries.nanoseconds, times[:timed], strict=True)))
        return hits, passes

    def _fidelity(self, run: Run, depth: int) -> Fidelity | None:
        if self.reference is None or self.task.reference is None:
            return None
        nothing = Ranking.sort([], [])
        wanted = {
            query.id: _first(self.reference.rankings.get(query.id, nothing), depth)
            for query in self.bench.collection.queries
        }
        overlap = mean_overlap(
            run,
            Run(self.reference.name, wanted),
            sorted({k for k in _CUTOFFS if k < depth} | {depth}),
        )
        return Fidelity(
            reference=self.task.reference,
            rbo=overlap.rbo,
            intersection={str(k): share for k, share in overlap.intersection.items()},
        )


def _timed(encode: Any, texts: list[str]) -> int:
    started = time.perf_counter_ns()
    encode(texts)
    return time.perf_counter_ns() - started


def _first(ranking: Ranking, most: int) -> Ranking:
    return Ranking(ranking.doc_ids[:most], ranking.scores[:most])


def _remove_indexes(bench: Workbench) -> None:
    """Remove the index just searched; what several indexes are built from stays."""
    shutil.rmtree(bench.folder / "sweep", ignore_errors=True)
    for entry in bench.shared.glob("colbert-*"):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
