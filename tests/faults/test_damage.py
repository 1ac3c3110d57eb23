"""Flipped bits and cut-off files of every kind that is read back: no wrong number comes of them.

Each reader refuses the file in one line, says that it cannot be used (its caller makes it anew), or
gives what was written. Damage lies at seeded random places of every file of a kind.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checking import vectors
from operations import FINGERPRINT, PREPARE, TEXTS, HashEncoder, documents, matrix, opened
from operations import perform as perform_operation
from trials import TRIALS, seeded

from benchmarks.index_speed.vectors import VectorFiles
from colbench.collection.model import Collection, Document, Query
from colbench.collection.snapshot import read_snapshot, write_snapshot
from colbench.encoder.cache.store import EmbeddingCache, cached_documents
from colbench.errors import ColbenchError
from colbench.experiment.bench import SystemReply
from colbench.experiment.finished import read_finished, write_finished
from colbench.gate.baseline import accept, read_baseline, write_baseline
from colbench.hits import Hits
from colbench.index.colbert.reduction import pool_documents, pooled_before
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import SearchSettings
from colbench.results.schema import Calibration, Results
from colbench.results.store import read_results, verified_run
from colbench.retriever.exhaustive import read_hits, write_hits
from colbench.retriever.kept import Record, read_record, write_record
from colbench.sweep.store import read_variant, write_variant
from colbench.sweep.task import VariantRecord

DAMAGES = 12 * TRIALS
"""To each kind of file."""


@dataclass(frozen=True)
class Kind:
    """Files that are written together.

    Attributes:
        write: into an empty folder; takes the results of a real run and their folder as well.
        read: gives what they say in a form that can be compared; None where they cannot be used.
    """

    write: Callable[[Path, Results, Path], Any]
    read: Callable[[Path], Any]


def _index(folder: Path) -> Any:
    query = matrix("a query")
    found = Searcher(opened(folder), SearchSettings(exhaustive=True)).search(query, 20)
    return found.docs.tolist(), found.scores.tolist(), sorted(opened(folder).numbers)


def _copy_index(folder: Path, *_: object) -> None:
    PREPARE["add"](folder)


def _encode(folder: Path, *_: object) -> None:
    perform_operation("encode", folder)


def _cached(folder: Path) -> Any:
    cache = EmbeddingCache(folder / "cache")
    return vectors(folder) if cached_documents(HashEncoder(), TEXTS, cache) else None


def _snapshot(folder: Path, *_: object) -> None:
    texts = [Document(f"d{n}", "a title", f"text {n}") for n in range(20)]
    judged = {"q": {"d1": 2, "d2": 0}}
    write_snapshot(Collection("made up", texts, [Query("q", "text")], judged), folder)


def _point(folder: Path, results: Results, _: Path) -> None:
    system = results.systems[-1]
    shared = _measured(system)
    record = VariantRecord(
        **shared,
        effectiveness=system.effectiveness,
        per_query=system.per_query,
        fidelity=None,
        run_sha256=system.run_sha256,
        git_commit=None,
    )
    write_variant(record, folder / "point.json")


def _reference(folder: Path, results: Results, place: Path) -> None:
    system = results.systems[-1]
    reply = SystemReply(
        **_measured(system),
        throughput_qps=system.throughput_qps,
        throughput_trials=system.throughput_trials,
        encode_docs_per_second=None,
        peak_rss_bytes=system.peak_rss_bytes,
        calibration=Calibration(gemm_ms=1.5, scan_ms=2.5),
    )
    about = {"commit": "0" * 40, "measured": "2026-01-01T00:00:00+00:00"}
    write_finished(folder, reply, place / system.run_file, **about)


def _measured(system: Any) -> dict[str, Any]:
    keys = ("metadata", "latency_ms", "index", "build_seconds", "other_cpu_share")
    return {key: getattr(system, key) for key in keys}


def _read_reference(folder: Path) -> Any:
    target = folder.parent / "restored.trec"
    target.unlink(missing_ok=True)
    found = read_finished(folder, target)
    return None if found is None else (found, target.read_bytes())


def _results(folder: Path, _: Results, place: Path) -> None:
    shutil.copyfile(place / "results.json", folder / "results.json")


def _runs(folder: Path, _: Results, place: Path) -> None:
    shutil.copytree(place / "runs", folder / "out" / "runs")
    shutil.copyfile(place / "results.json", folder.parent / "results.json")


def _read_runs(folder: Path) -> Any:
    results = read_results(folder.parent / "results.json")
    runs = [verified_run(results, system, folder / "out") for system in results.systems]
    return [
        (query, ranking.doc_ids, ranking.scores.tolist())
        for run in runs
        for query, ranking in run.rankings.items()
    ]


def _hits(folder: Path, *_: object) -> None:
    rng = np.random.default_rng(0)
    hits = [Hits(rng.permutation(50)[:n], rng.random(n, np.float32)) for n in (20, 0, 7)]
    write_hits(folder / "exact.hits", hits)


def _read_hits(folder: Path) -> Any:
    hits = read_hits(folder / "exact.hits", 3, 50)
    return hits and [(one.docs.tolist(), one.scores.tolist()) for one in hits]


def _vectors(folder: Path, *_: object) -> None:
    given = documents(0, 20)
    files = VectorFiles(folder)
    files.write((v for _, _, v in given.read(50)), given.lengths, [matrix("q1"), matrix("q2")])
    files.seal("these")


def _read_vectors(folder: Path) -> Any:
    files = VectorFiles(folder)
    return files.digests() if files.holds("these") else None


KINDS = {
    "index": Kind(_copy_index, _index),
    "cache": Kind(_encode, _cached),
    "snapshot": Kind(_snapshot, read_snapshot),
    "results": Kind(_results, read_results),
    "runs": Kind(_runs, _read_runs),
    "baseline": Kind(
        lambda folder, results, _: write_baseline(accept(results), folder / "b.json"),
        lambda folder: read_baseline(folder / "b.json"),
    ),
    "point of a sweep": Kind(_point, lambda folder: read_variant(folder / "point.json")),
    "reference of a sweep": Kind(_reference, _read_reference),
    "exact hits": Kind(_hits, _read_hits),
    "build seconds": Kind(
        lambda folder, *_: write_record(folder / "note.json", "these", Record(1.25, "a")),
        lambda folder: read_record(folder / "note.json", "these"),
    ),
    "merged tokens": Kind(
        lambda folder, *_: pool_documents(documents(0, 40), 2, folder / "merged"),
        lambda folder: pooled_before(folder / "merged", documents(0, 40)) or None,
    ),
    "vectors of index_speed": Kind(_vectors, _read_vectors),
}


def damage(file: Path, rng: random.Random) -> str:
    """Flip a bit, or cut the file off; return what was done."""
    content = bytearray(file.read_bytes())
    if rng.random() < 0.7:
        place = rng.randrange(8 * len(content))
        content[place // 8] ^= 1 << place % 8
        file.write_bytes(content)
        return f"bit {place} of {file.name}"
    size = rng.randrange(len(content))
    file.write_bytes(content[:size])
    return f"{file.name} cut off after {size} bytes"


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_refused_or_noticed_or_changes_nothing(stopping, tmp_path, name, monkeypatch):
    monkeypatch.setenv("COLBENCH_QUIET", "1")
    kind, rng = KINDS[name], seeded(f"damage {name}", 0)
    place = stopping("run").after / "out"
    sound = tmp_path / "sound"
    sound.mkdir()
    kind.write(sound, read_results(place), place)
    expected = kind.read(sound)
    assert expected is not None
    # Files that nobody reads: locks, and a description for people.
    paths = [
        path.relative_to(sound)
        for path in sorted(sound.rglob("*"))
        if path.is_file() and path.stat().st_size and path.name != "space.json"
    ]
    noticed = 0
    for number in range(max(DAMAGES, 2 * len(paths))):
        folder = tmp_path / "damaged"
        shutil.copytree(sound, folder)
        what = damage(folder / paths[number % len(paths)], rng)
        try:
            found = kind.read(folder)
        except ColbenchError as error:
            assert "\n" not in str(error), what
            found = None
        assert found is None or found == expected, what
        noticed += found is None
        shutil.rmtree(folder)
    assert noticed


@pytest.mark.parametrize("number", range(max(2 * TRIALS, 4)))
def test_a_damaged_cache_is_filled_again_with_the_same_vectors(stopping, victims, tmp_path, number):
    operation = stopping("encode")
    folder = tmp_path / "one"
    shutil.copytree(operation.after, folder)
    rng = seeded("cache", number)
    shards = sorted(folder.glob(f"cache/{FINGERPRINT}/*/*"))
    for file in rng.sample(shards, 3):
        damage(file, rng)
    victims.run("encode", folder)
    assert vectors(folder) == vectors(operation.after)
