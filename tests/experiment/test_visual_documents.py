"""Pages of a visual retriever such as ColPali: about 1,000 vectors each, which no model makes here.

Made up: a page has a few themes, its patches scatter around them, and a query looks for patches of
its page. What is tested is that such a collection goes through every system of token vectors, in
memory that the settings bound.
"""

import subprocess
import sys

import numpy as np
import pytest

from colbench.results.store import read_results
from colbench.vectors import write_vectors

DIMS = 128


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def page(number, patches):
    generator = np.random.default_rng(number)
    themes = unit(generator.normal(size=(12, DIMS)))
    return unit(
        themes[generator.integers(12, size=patches)] + generator.normal(size=(patches, DIMS)) / 12
    )


def query(number, patches):
    generator = np.random.default_rng((1, number))
    rows = page(number, patches)[generator.integers(patches, size=16)]
    return unit(rows + generator.normal(size=rows.shape) / 16)


def write_pages(folder, pages, patches, queries):
    return write_vectors(
        folder,
        ((f"page-{number:05}", page(number, patches)) for number in range(pages)),
        {f"q{number}": query(number * pages // queries, patches) for number in range(queries)},
        {f"q{n}": {f"page-{n * pages // queries:05}": 1} for n in range(queries)},
        dtype="bfloat16",
    )


SIZES = [
    pytest.param(24, 300, 6, id="small"),
    pytest.param(200, 1030, 20, id="pages", marks=pytest.mark.nightly),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("pages", "patches", "queries"), SIZES)
def test_pages_go_through_every_system_of_token_vectors(
    fork_server, tmp_path, pages, patches, queries
):
    folder = write_pages(tmp_path / "pages", pages, patches, queries)
    done = fork_server.run(
        *("run", "--quiet", "dataset=vectors", f"dataset.path={folder}", "memory_gb=0.02"),
        *("systems=[colbert_exact,colbert]", "index.nbits=2", "measures=[mrr@10]"),
        *("latency.queries=2", f"output_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}"),
    )
    assert done.returncode == 0, done.stderr
    exact, colbert = read_results(tmp_path / "out").systems
    assert exact.status == colbert.status == "ok"
    assert exact.effectiveness["mrr@10"] == 1.0 and colbert.effectiveness["mrr@10"] > 0.8
    assert exact.index.vectors == colbert.index.vectors == pages * patches
    assert exact.fidelity.reference == "exact MaxSim" and exact.fidelity.rbo > 0.95
    assert colbert.index.bytes < exact.index.bytes / 3


READING = """
import resource, sys
from pathlib import Path
import numpy as np
from colbench.collection.load import load_collection
from colbench.collection.settings import VectorsSettings

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before = peak()
given = load_collection(VectorsSettings(path=Path(sys.argv[1]))).given.documents
total = sum(float(block.sum()) for _, _, block in given.blocks(65_536))
print(peak() - before)
"""


@pytest.mark.nightly
def test_a_pass_over_all_vectors_holds_a_part_of_them(tmp_path):
    rows = unit(np.random.default_rng(0).normal(size=(4000, DIMS)))
    folder = write_vectors(
        tmp_path / "pages", ((f"p{n}", rows) for n in range(600)), {"q": rows[:4]}
    )
    size = (folder / "documents.safetensors").stat().st_size / (1 << 20)
    done = subprocess.run(
        [sys.executable, "-c", READING, str(folder)], capture_output=True, text=True, check=True
    )
    assert size > 580 and float(done.stdout) < size / 2
