"""Items 4 and 9: a shared index, a read-only cache, locks, surrogates, readers beside a writer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading

import beir_folder
import numpy as np
import pytest
from test_names_and_removal import Words
from variants import one_line, tree, trials

from colbench.collection.load import load_collection
from colbench.collection.settings import BeirDirSettings
from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.errors import ColbenchError
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.writer import IndexWriter
from colbench.locks import locked
from colbench.results.store import read_results

TEXTS = {f"d{n}": " ".join(f"w{(n * k) % 11}" for k in range(1, 8)) for n in range(40)}
QUERIES = {"q1": "w1 w2 w3", "q2": "w5 w7"}


def made(ids, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((3, 384)).astype(np.float32) for _ in ids]
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in rows]
    return Documents.of(list(ids), unit, 384)


@pytest.mark.nightly
@trials(fixed=0, nightly=4)
def test_4_a_shared_index_that_was_changed_is_not_searched_as_if_whole(draw, fork_server, tmp_path):
    beir_folder.write_folder(tmp_path / "data", TEXTS, QUERIES, [("q1", "d1", 1), ("q2", "d5", 1)])
    words = [
        *("run", "--quiet", "dataset=beir_dir", f"dataset.path={tmp_path / 'data'}", "k=20"),
        *("encoder=minilm_colbert", "systems=[colbert]", "measures=[recall@20]", "threads=1"),
        *("latency.queries=1", "attribution=false", f"cache_dir={tmp_path / 'cache'}"),
        *(f"index_dir={tmp_path / 'kept'}", "index.centroids=16"),
    ]

    def ranking(name):
        done = fork_server.run(*words, f"output_dir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
        (row,) = read_results(tmp_path / name).systems
        return (tmp_path / name / row.run_file).read_bytes()

    before = ranking("one")
    (index,) = [path for path in (tmp_path / "kept").glob("colbert-*") if path.is_dir()]
    with IndexWriter.open(index) as writer:
        ids = sorted(writer.index.numbers)
        for change in draw.sample(["delete", "add", "update"], draw.randint(1, 3)):
            some = draw.sample(ids, 10)
            if change == "delete":
                writer.delete(some)
                ids = [one for one in ids if one not in some]
            elif change == "add":
                writer.add(
                    Documents.of(["new"], [_unit(writer)], writer.index.manifest.encoder_dims)
                )
            else:
                writer.update(Documents.of(some[:1], [_unit(writer)], _dims(writer)))
    shutil.rmtree(tmp_path / "one")
    assert ranking("two") == before


def _dims(writer):
    return writer.index.manifest.encoder_dims


def _unit(writer):
    return np.eye(1, _dims(writer), dtype=np.float32)


@trials(fixed=1, nightly=3)
def test_9_a_reader_beside_a_busy_writer_is_never_told_of_damage(draw, tmp_path):
    build_index(tmp_path / "i", made("abcdefgh"), IndexSettings(centroids=4), encoder="e" * 64)
    failed, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                ColbertIndex.open(tmp_path / "i")
            except Exception as error:
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(draw.randint(8, 15)):
            with IndexWriter.open(tmp_path / "i") as writer:
                writer.add(made([f"n{number}"], number))
    finally:
        stop.set()
        reader.join()
    assert failed == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_9_a_warm_cache_that_cannot_be_written_is_read(tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    embed_documents(Words(), ["one", "two"], cache, description="documents")
    for path in [cache.root, *cache.root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        before = tree(cache.root)
        embed_documents(Words(), ["two"], cache, description="documents")
        with pytest.raises(ColbenchError) as refused:
            embed_documents(Words(), ["three"], cache, description="documents")
        one_line(refused.value)
        assert tree(cache.root) == before
    finally:
        for path in [cache.root, *cache.root.rglob("*")]:
            path.chmod(0o755)


@trials(fixed=3, nightly=30)
def test_9_half_surrogates_in_ids_are_refused_in_one_line(draw, tmp_path):
    data = tmp_path / "data"
    beir_folder.write_folder(data, {"a": "x", "b": "y"}, {"q": "x"}, [("q", "a", 1)])
    half = draw.choice(["\ud800", "x\udfff", "\udc80y"])
    file = draw.choice(["corpus.jsonl", "queries.jsonl"])
    field = draw.choice(["_id", "text"])
    rows = [json.loads(line) for line in (data / file).read_text().splitlines()]
    rows[0][field] = half
    (data / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ColbenchError) as refused:
        load_collection(BeirDirSettings(kind="beir_dir", path=data))
    assert f"{file}:1" in one_line(refused.value)


@trials(fixed=2, nightly=10)
def test_9_a_lock_is_no_way_to_write_elsewhere(draw, tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    kind = draw.choice(["link", "hard link", "dangling"])
    lock = tmp_path / "lock"
    if kind == "hard link":
        lock.hardlink_to(tmp_path / "theirs")
    else:
        lock.symlink_to(tmp_path / ("theirs" if kind == "link" else "nowhere"))
    try:
        with locked(lock, wait=False):
            pass
    except ColbenchError as error:
        one_line(error)
    assert (tmp_path / "theirs").read_text() == "theirs" and not (tmp_path / "nowhere").exists()


@trials(fixed=0, nightly=3)
def test_9_little_memory_ends_in_one_line(draw, tmp_path):
    beir_folder.write_folder(tmp_path / "data", TEXTS, QUERIES, [("q1", "d1", 1)])
    limit = draw.choice([400_000, 900_000, 1_500_000, 2_500_000])
    words = [
        *("run", "--quiet", "dataset=beir_dir", f"dataset.path={tmp_path / 'data'}", "k=5"),
        *("systems=[bm25]", "measures=[ndcg@5]", "latency.queries=1", "threads=1"),
        *(f"output_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}"),
    ]
    command = ["bash", "-c", f'ulimit -v {limit}; exec "$@"', "-", sys.executable, "-m"]
    done = subprocess.run(
        [*command, "colbench.cli.main", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        assert "Traceback" not in done.stderr and "colbench: " in done.stderr, done.stderr
