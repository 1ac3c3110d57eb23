"""Collections larger than the memory allowed, many queries, and very long ones."""

import os
import subprocess
import sys
import textwrap

import pytest
from operations import collection, command
from trials import in_full
from victim import ENVIRONMENT

from colbench.results.store import read_results

LIMITED = """
import re, resource, sys
from pathlib import Path
import numpy as np
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents, cuts
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.maxsim import MaxSimScanner
from colbench.index.tokens import TokenIndex

folder, allowed = Path(sys.argv[1]), int(sys.argv[2])
TOKENS, DIMS, LENGTH = 1_000_000, 128, 100
lengths = np.full(TOKENS // LENGTH, LENGTH)

def block(first, end):
    rows = np.random.default_rng(first).standard_normal((end - first, DIMS), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

def limit():
    # Private memory that can be written: what the collection would take if it were read whole.
    # A mapped file is not in it.
    status = Path("/proc/self/status").read_text()
    used = 1024 * int(re.search(r"VmData:\\s+(\\d+)", status)[1])
    resource.setrlimit(resource.RLIMIT_DATA, (used + allowed, resource.RLIM_INFINITY))

queries = [block(7, 39), block(8, 40)]
starts = range(0, TOKENS, 50_000)
index = TokenIndex.write(folder / "tokens", lengths, DIMS, (block(s, s + 50_000) for s in starts))
size = (folder / "tokens" / "vectors.f16").stat().st_size
assert size > 2 * allowed, "the collection is not larger than what is allowed"
# The first use of a library takes memory of its own, for threads, compiled code and products.
small = TokenIndex.write(folder / "small", lengths[:1], DIMS, [block(0, LENGTH)])
list(MaxSimScanner(small, 1 << 20).scan(queries))
ids = [f"d{n}" for n in range(len(lengths))]
few = Documents(ids[:80], lengths[:80], DIMS, lambda most: iter([(0, 80, block(0, 80 * LENGTH))]))
settings = IndexSettings(nbits=1, centroids=64, sample_per_centroid=64, iterations=1)
build_index(folder / "few", few, settings, encoder="none")
everything = SearchSettings(exhaustive=True)
Searcher(ColbertIndex.open(folder / "few"), everything).search(queries[0], 1)
limit()
scores = [part for _, part in MaxSimScanner(index, 16 << 20).scan(queries)]
found = np.concatenate(scores, axis=1)
assert found.shape == (2, len(lengths)) and np.isfinite(found).all()

def read(most):
    for first, end in cuts(lengths, most):
        yield first, end, np.asarray(index.vectors[first * LENGTH : end * LENGTH])

documents = Documents(ids, lengths, DIMS, read)
build_index(folder / "index", documents, settings, encoder="none")
searcher = Searcher(ColbertIndex.open(folder / "index"), everything)
assert len(searcher.search(queries[0], 10).docs) == 10
print("best", found.argmax(axis=1).tolist())
"""


def test_a_collection_larger_than_the_memory_allowed_is_scanned_indexed_and_searched(tmp_path):
    """256 MB of token vectors with 120 MB for data (RLIMIT_DATA, beyond what the imports took)."""
    program = [
        sys.executable,
        "-X",
        "faulthandler",
        "-c",
        textwrap.dedent(LIMITED),
        str(tmp_path),
        str(120 << 20),
    ]
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("best [")


def write_queries(folder, queries):
    """Put these queries in place of the collection's, with one judgment each."""
    lines = [f'{{"_id": "q{n}", "text": "{text}"}}\n' for n, text in enumerate(queries)]
    (folder / "data" / "queries.jsonl").write_text("".join(lines), encoding="utf-8")
    judged = [f"q{n}\td{n % 40:02d}\t1\n" for n in range(len(queries))]
    text = "query-id\tcorpus-id\tscore\n" + "".join(judged)
    (folder / "data" / "qrels" / "test.tsv").write_text(text, encoding="utf-8")


def run(folder, name, queries, *overrides):
    """Run the command with these queries in a process of its own; return its results."""
    write_queries(folder, queries)
    words = [*command(folder), f"output_dir={folder / name}", "keep_indexes=false", *overrides]
    program = [sys.executable, "-m", "colbench.cli.main", *words]
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return read_results(folder / name)


def texts(count):
    return [f"the moon {n} and bread {n * 7 % 1000}" for n in range(count)]


def test_a_query_of_a_thousand_words(victims, tmp_path):
    collection(tmp_path)
    write_queries(tmp_path, ["the sea", " ".join(f"moon{n % 50}" for n in range(1000))])
    victims.run("run", tmp_path)
    for system in read_results(tmp_path / "out").systems:
        assert system.status == "ok" and len(system.per_query["ndcg@10"]) == 2


@in_full
@pytest.mark.timeout(1200)
def test_ten_thousand_queries_in_bounded_memory(tmp_path):
    collection(tmp_path)
    few = run(tmp_path, "few", texts(100), "latency.queries=10")
    many = run(tmp_path, "many", texts(10_000), "latency.queries=10", "latency.max_seconds=1")
    for small, large in zip(few.systems, many.systems, strict=True):
        assert len(large.per_query["ndcg@10"]) == 10_000
        assert large.per_query["ndcg@10"][:100] == small.per_query["ndcg@10"]
        assert large.peak_rss_bytes < small.peak_rss_bytes + (600 << 20)
