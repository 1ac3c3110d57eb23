"""Hard negatives: documents a system finds for a query that are not known to be relevant to it.

Judgments are sparse: of the passages of MS MARCO found first and not judged, 70 % of those looked
at were relevant (RocketQA, Qu et al. 2021, arXiv 2010.08191). Documents that score above
`positive − margin · |positive|` are therefore left out, the rule of NV-Retriever (Moreira et al.
2024, arXiv 2407.15831) with a bound that also holds for negative scores. A positive that is not
among the documents searched gives no bound. All found documents outscore it then, which says that
the system is wrong about this query rather than that they are all relevant: nothing is left out.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from colbench.collection.model import Collection
from colbench.config.compose import with_parts
from colbench.config.settings import RunSettings
from colbench.config.train import Negatives
from colbench.encoder.cache import EmbeddingCache
from colbench.files import ensure_writable
from colbench.progress import bar
from colbench.results.train import MiningReport
from colbench.retriever.base import Workbench
from colbench.retriever.hits import Hits
from colbench.retriever.registry import make_system
from colbench.train.candidates import Candidates
from colbench.train.examples import Example
from colbench.train.protect import Protected

_BLOCK = 64
"""Queries searched together: their hits are in memory at once."""

Benches = Callable[[Collection], Workbench]
"""Sets up what a system needs to search a collection."""


def workbenches(run: RunSettings, system: str, folder: Path, cache: EmbeddingCache) -> Benches:
    """Return what sets up workbenches for one of the run's systems.

    Args:
        run: its settings.
        system: name of the system.
        folder: for indexes, one subfolder a bench; whoever gives it removes it.
        cache: of document vectors.

    Raises:
        ConfigError: an unknown system, or an unknown key in it or in one it is made of.
    """
    systems = with_parts(run, [system])

    def bench(collection: Collection) -> Workbench:
        ensure_writable(folder)
        return Workbench(
            collection=collection,
            folder=Path(tempfile.mkdtemp(dir=folder)),
            cache=cache,
            systems=systems,
            memory_bytes=int(run.memory_gb * 1e9),
            device=run.device,
        )

    return bench


def mine(
    examples: Sequence[Example],
    collections: Mapping[str, Collection],
    settings: Negatives,
    protected: Protected,
    benches: Benches,
    seed: int,
) -> tuple[list[Example], MiningReport]:
    """Give negatives to the examples that have none and whose source has documents.

    Args:
        examples: of all sources: a positive of any of them is no negative of the same query.
        collections: source → the collection its examples are of; none for a file.
        settings: which system, and what of it.
        protected: no document that is judged there becomes a negative.
        benches: sets up a workbench for a collection.
        seed: of the draw; what an example is given depends on no other example of its source
            but those with the same query.

    Returns:
        The examples in the order given, negatives in the order of their ranks; some may have fewer
        than asked for, or none.

    Raises:
        ConfigError: no such system.
        WeightsUnavailable: weights of the system cannot be had.
    """
    started = time.perf_counter()
    result = list(examples)
    given, left_out, short = 0, 0, 0
    places = _places(examples, collections)
    for source, of_query in places.items():
        candidates = Candidates(collections[source], source, examples, settings, protected)
        bench = benches(collections[source])
        for query, hits in _searched(settings, bench, list(of_query), source):
            for place in of_query[query]:
                texts, near = candidates.of(examples[place], hits)
                chosen = _drawn(texts, settings.count, examples[place], seed)
                result[place] = replace(examples[place], negatives=chosen)
                left_out += near
                given += len(chosen)
                short += len(chosen) < settings.count
    mined = [result[p] for of_query in places.values() for ps in of_query.values() for p in ps]
    return result, MiningReport(
        system=settings.system,
        examples=sum(bool(example.negatives) for example in mined),
        negatives=given,
        left_out=left_out,
        short=short,
        seconds=time.perf_counter() - started,
    )


def _places(
    examples: Sequence[Example], collections: Mapping[str, Collection]
) -> dict[str, dict[str, list[int]]]:
    """Return source → query → places of the examples that want negatives."""
    found: dict[str, dict[str, list[int]]] = {}
    for place, example in enumerate(examples):
        if example.source in collections and not example.negatives:
            of_query = found.setdefault(example.source, {})
            of_query.setdefault(example.query, []).append(place)
    return found


def _searched(
    settings: Negatives, bench: Workbench, queries: Sequence[str], source: str
) -> Iterator[tuple[str, Hits]]:
    """Build the system and yield what it finds for each query."""
    depth = min(settings.skip + settings.depth, len(bench.collection.documents))
    system = make_system(settings.system, bench)
    system.prepare()
    system.build()
    description = f"{settings.system}: negatives of {source}"
    with bar(total=len(queries), description=description, unit="query") as progress:
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            yield from zip(block, system.search(system.encode(block), depth), strict=True)
            progress.update(len(block))


def _drawn(texts: Sequence[str], count: int, example: Example, seed: int) -> tuple[str, ...]:
    """Draw from the candidates, by seed and example alone, in the order of their ranks."""
    # A string seeds by its sha512, alike everywhere.
    draw = random.Random(f"{seed}\n{example.source}\n{example.query}\n{example.positive}")
    places = draw.sample(range(len(texts)), min(count, len(texts)))
    return tuple(texts[place] for place in sorted(places))
