"""Measuring the variants of a sweep, one after the other in one process.

Variants with equal `build_key` share an index. One process for all of them means that models are
loaded and queries encoded once; peak memory would be that of all variants together, so it is not
reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from colbench.errors import ConfigError
from colbench.experiment.encodings import encoding_infos
from colbench.experiment.measurement import (
    index_info,
    model_bytes,
    other_processes,
    search_notes,
)
from colbench.experiment.plan import choose_measures
from colbench.files import write_json
from colbench.hits import Hits
from colbench.measures.effectiveness import evaluate, mean_scores
from colbench.measures.latency import Timings, fastest, without_collector
from colbench.measures.overlap import mean_overlap
from colbench.paths import remove_made
from colbench.progress import bar
from colbench.results.schema import Fidelity
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.registry import module_metadata, system_class
from colbench.run.model import Ranking, Run, fetch_depth
from colbench.run.trec import read_trec, run_digest
from colbench.sweep.store import write_variant
from colbench.sweep.task import SweepReply, SweepTask, VariantRecord, VariantTask
from colbench.timing import Stopwatch, nanoseconds, seconds

_CUTOFFS = (10, 100, 1000)


def measure_variants(task: SweepTask, bench: Workbench) -> SweepReply:
    """Measure every variant and leave a `VariantRecord` of each."""
    variants = sorted(
        task.variants,
        key=lambda variant: (
            bench.systems[variant.name].build_key(),
            bench.systems[variant.name].model_dump_json(),
            -variant.depth,
        ),
    )
    sweep = _Sweep(task, bench)
    with bar(total=len(variants), description="sweep", unit="variant") as progress:
        for _, group in groupby(
            variants, key=lambda variant: bench.systems[variant.name].build_key()
        ):
            for _ in sweep.measure(list(group)):
                progress.update()
    return SweepReply(variants=len(variants))


@dataclass
class _Queries:
    """Queries as a system searches with them, and what encoding each alone took."""

    key: str
    encoded: Sequence[Any]
    nanoseconds: list[int]


@dataclass(frozen=True)
class _Answers:
    """What the last variant that searched all queries found, as deep as it looked."""

    settings: SystemSettings
    depth: int
    hits: list[Hits]


@dataclass
class _Sweep:
    task: SweepTask
    bench: Workbench
    queries: _Queries | None = None
    answers: _Answers | None = None
    reference: Run | None = None
    texts: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.texts = [query.text for query in self.bench.collection.queries]
        if self.task.reference_run is not None:
            self.reference = read_trec(self.task.reference_run)

    def measure(self, variants: list[VariantTask]) -> Iterator[VariantTask]:
        """Build what the variants share and yield each variant when its record is written."""
        first = self.bench.systems[variants[0].name]
        self._at_work(variants)
        folder = self.bench.folder / "sweep"
        with closing(system_class(first.kind)("sweep", first, self.bench, folder)) as system:
            yield from self._measure_with(system, first, variants)
        if not self.task.keep_indexes:
            _remove_indexes(self.bench)

    def _measure_with(
        self, system: Retriever, first: SystemSettings, variants: list[VariantTask]
    ) -> Iterator[VariantTask]:
        before = len(self.bench.encodings)
        try:
            system.prepare()
            took = seconds(system.build)
        except ConfigError as error:
            raise ConfigError(f"variant {variants[0].name}: {error}") from None
        built = took if system.counted_build_seconds is None else system.counted_build_seconds
        encodings = encoding_infos(self.bench.encodings[before:], fresh=self.task.fresh)
        weights = model_bytes(variants[0].name, self.bench)
        shared = {"encodings": encodings, "model_bytes": weights}
        queries = self._encode(system, first)
        self.answers = None
        for variant in variants:
            self._at_work([variant])
            system.use(self.bench.systems[variant.name])
            record = self._measure(system, queries, variant, built)
            write_variant(record.model_copy(update=shared), variant.record)
            yield variant

    def _at_work(self, variants: Sequence[VariantTask]) -> None:
        if self.task.at_work is not None:
            write_json(self.task.at_work, [variant.name for variant in variants])

    def _encode(self, system: Retriever, settings: SystemSettings) -> _Queries:
        """Encode the queries, or take those of an index with the same encoder."""
        key = "" if settings.parts() else str(settings.encodings() or "")
        if self.queries is None or not key or self.queries.key != key:
            system.encode(self.texts[:2])
            timed = [
                nanoseconds(lambda: system.encode([text]))  # noqa: B023, called here
                for text in self.texts[: self.task.latency.queries]
            ]
            self.queries = _Queries(key, system.encode(self.texts), timed)
        return self.queries

    def _measure(
        self, system: Retriever, queries: _Queries, variant: VariantTask, built: float
    ) -> VariantRecord:
        collection = self.bench.collection
        depth = fetch_depth(collection, variant.depth)
        self.bench.spare_hits = depth - variant.depth
        with other_processes() as others:
            known = self._known(self.bench.systems[variant.name], depth)
            hits, timings = self._search(system, queries, depth, known)
        self.answers = _Answers(self.bench.systems[variant.name], depth, hits)
        run = Run.from_hits(variant.name, collection, hits, variant.depth)
        measures, _ = choose_measures(self.task.measures, variant.depth, len(collection.documents))
        scores = evaluate(collection.qrels, run, measures)
        size = system.size()
        return VariantRecord(
            metadata={**system.metadata(), **module_metadata(system.settings.kind)},
            effectiveness=mean_scores(scores),
            per_query={
                measure: [values[query.id] for query in collection.queries]
                for measure, values in scores.items()
                if measure == self.task.measure
            },
            latency_ms=fastest(timings),
            fidelity=self._fidelity(run, variant.depth),
            index=None if size is None else index_info(size, collection),
            build_seconds=built,
            other_cpu_share=others[0],
            run_sha256=run_digest(run),
            git_commit=self.task.git_commit,
            notes=search_notes(system, self.texts, run),
        )

    def _known(self, settings: SystemSettings, depth: int) -> list[Hits] | None:
        """Return what the same search found when it was asked for more documents."""
        earlier = self.answers
        if earlier is None or earlier.settings != settings or not settings.fewer_are_first():
            return None
        return earlier.hits if earlier.depth >= depth else None

    def _search(
        self, system: Retriever, queries: _Queries, depth: int, known: list[Hits] | None
    ) -> tuple[list[Hits], list[Timings]]:
        """Search all queries one at a time, and the timed ones again as often as there are trials.

        Args:
            system: that searches.
            queries: encoded.
            depth: documents wanted.
            known: what a deeper search found, whose first documents this one finds: then only the
                timed queries are searched.

        Returns:
            The hits of all queries, and the timed queries' times of every pass.
        """
        latency = self.task.latency
        timed = len(queries.nanoseconds)
        for query in queries.encoded[: latency.warmup]:
            system.search([query], depth)
        hits: list[Hits] = []
        passes = []
        for trial in range(latency.trials):
            times = []
            with without_collector():
                whole = trial == 0 and known is None
                for query in queries.encoded if whole else queries.encoded[:timed]:
                    watch, uncounted = Stopwatch(), system.uncounted_nanoseconds()
                    answer = system.search([query], depth)
                    uncounted = system.uncounted_nanoseconds() - uncounted
                    times.append(watch.nanoseconds - uncounted)
                    if trial == 0:
                        hits += answer
            passes.append(list(zip(queries.nanoseconds, times[:timed], strict=True)))
        rest = (known or [])[len(hits) :]
        return hits + [Hits(one.docs[:depth], one.scores[:depth]) for one in rest], passes

    def _fidelity(self, run: Run, depth: int) -> Fidelity | None:
        if self.reference is None or self.task.reference is None:
            return None
        nothing = Ranking.sort([], [])
        known = min(depth, self.task.reference_depth)
        queries = self.bench.collection.queries
        wanted, ranked = (
            Run(
                whole.name,
                {q.id: _first(whole.rankings.get(q.id, nothing), known) for q in queries},
            )
            for whole in (self.reference, run)
        )
        cutoffs = sorted({k for k in _CUTOFFS if k < known} | {known})
        overlap = mean_overlap(ranked, wanted, cutoffs)
        return Fidelity(
            reference=self.task.reference,
            rbo=overlap.rbo,
            intersection={str(k): share for k, share in overlap.intersection.items()},
        )


def _first(ranking: Ranking, most: int) -> Ranking:
    return Ranking(ranking.doc_ids[:most], ranking.scores[:most])


def _remove_indexes(bench: Workbench) -> None:
    """Remove the index just searched; what several indexes are built from stays."""
    remove_made(bench.folder / "sweep", inside=bench.folder)
    for entry in bench.shared.glob("colbert-*"):
        remove_made(entry, inside=bench.shared)
