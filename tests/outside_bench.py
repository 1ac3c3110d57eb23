"""Systems from outside on the collection `tiny_collection`: measured here, or by `colbench run`."""

import json

import beir_folder

from colbench.config.settings import LatencySettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.experiment.bench import SystemTask
from colbench.experiment.measurement import measure_system
from colbench.retriever.base import Workbench
from colbench.retriever.registry import system_settings
from colbench.run.trec import read_trec


def bench_of(collection, folder, **systems):
    """A workbench of systems, by their plain settings."""
    return Workbench(
        collection=collection,
        folder=folder / "indexes",
        cache=EmbeddingCache(folder / "cache"),
        systems={name: system_settings(name, values) for name, values in systems.items()},
        memory_bytes=1 << 30,
    )


def measured(bench, name, folder, depth=3):
    """Measure a system in this process; return its reply and its rankings."""
    latency = LatencySettings(queries=2, trials=3, warmup=1)
    task = SystemTask(name=name, depth=depth, latency=latency, run_file=folder / "run")
    return measure_system(task, bench), read_trec(folder / "run").rankings


def write_collection(collection, folder):
    """Write a collection as BEIR lays it out."""
    rows = [(q, d, grade) for q, judged in collection.qrels.items() for d, grade in judged.items()]
    texts = {document.id: document.text for document in collection.documents}
    queries = {query.id: query.text for query in collection.queries}
    return beir_folder.write_folder(folder, texts, queries, rows)


def run(fork_server, collection, folder, *words):
    """`colbench run`; return the finished process and the rows of results.json by name."""
    data = folder / "data"
    if not data.exists():
        write_collection(collection, data)
    done = fork_server.run(
        *("run", "dataset=beir_dir", f"dataset.path={data}", f"output_dir={folder / 'out'}"),
        *(f"cache_dir={folder / 'cache'}", "latency.queries=2", *words),
    )
    file = folder / "out" / "results.json"
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"systems": []}
    return done, {system["name"]: system for system in results["systems"]}
