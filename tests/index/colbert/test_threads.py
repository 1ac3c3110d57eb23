"""Equal bytes with any number of threads, above all where vectors occur twice."""

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import build, contents, unit

from colbench.index.colbert.assignment import Assigner
from colbench.index.colbert.clustering import find_centroids, nearest
from colbench.index.colbert.reduction import learn_projection
from colbench.index.dense import DenseIndex
from colbench.index.threads import each_on_one_thread

THREADS = (1, 2, 3, 4, 8)


@pytest.fixture
def threads():
    """Set the number of threads of torch and faiss, and what they were in the end."""
    before = torch.get_num_threads(), faiss.omp_get_max_threads()

    def use(count):
        torch.set_num_threads(count)
        faiss.omp_set_num_threads(count)
        return count

    yield use
    torch.set_num_threads(before[0])
    faiss.omp_set_num_threads(before[1])


def rows_of(kind, count, dims, seed=0):
    """Unit rows: all different, each twice, few different ones, or one alone."""
    rng = np.random.default_rng(seed)
    rows = unit(rng, count, dims)
    return {
        "different": rows,
        "twice": np.concatenate([rows[: count // 2]] * 2),
        "few": rows[rng.integers(0, 24, count)],
        "one": rows[np.zeros(count, dtype=np.int64)],
    }[kind].astype(np.float16)


@pytest.mark.parametrize("kind", ["different", "twice", "few", "one"])
@pytest.mark.parametrize(("count", "dims", "centroids"), [(3000, 31, 100), (4000, 48, 700)])
def test_clusters_and_nearest_centroids_are_the_same(kind, count, dims, centroids, threads):
    rows = rows_of(kind, count, dims)
    found = set()
    for _ in map(threads, THREADS):
        centres = find_centroids(rows, centroids, iterations=4, seed=0)
        found.add((centres.tobytes(), nearest(rows, centres.astype(np.float32)).tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("kind", ["different", "twice"])
def test_coarse_assignment_is_the_same(kind, threads):
    centroids, tokens = rows_of(kind, 2500, 20).astype(np.float32), rows_of("few", 2000, 20, seed=1)
    found = {
        Assigner(centroids, exact=False, seed=0).assign(tokens).tobytes()
        for _ in map(threads, THREADS)
    }
    assert len(found) == 1


@given(count=st.integers(1, 40), dims=st.integers(1, 70), centroids=st.integers(1, 40))
@settings(max_examples=20)
def test_a_vector_as_near_to_two_centroids_gets_the_same_one(count, dims, centroids):
    rng = np.random.default_rng(count)
    rows, table = unit(rng, count, dims), np.concatenate([unit(rng, centroids, dims)] * 2)
    before, found = torch.get_num_threads(), set()
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            found.add(nearest(rows, table).tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("kind", ["different", "few", "one"])
def test_a_projection_is_the_same(kind, threads):
    rows = rows_of(kind, 2000, 40)
    assert len({learn_projection(rows, 24).tobytes() for _ in map(threads, THREADS)}) == 1


@pytest.mark.parametrize(
    "changes", [{}, {"nbits": 1, "dims": 8}, {"centroids": 90, "assignment": "exact"}], ids=str
)
def test_an_index_of_documents_that_occur_twice_has_the_same_bytes(changes, threads, tmp_path):
    rows = rows_of("few", 900, 24)
    documents = {f"d{n}": rows[9 * (n % 50) : 9 * (n % 50) + 9] for n in range(100)}
    found = [
        contents(build(tmp_path / str(count), documents, 24, **changes).folder)
        for count in map(threads, THREADS)
    ]
    assert all(files == found[0] for files in found[1:])


def test_a_graph_is_the_same(threads, tmp_path):
    rows = rows_of("twice", 1200, 16)
    for count in map(threads, THREADS):
        DenseIndex.write(tmp_path / str(count), 16, [rows[:700], rows[700:]], kind="hnsw")
    assert len({(tmp_path / str(n) / "index.faiss").read_bytes() for n in THREADS}) == 1


def test_parts_come_in_order_and_each_uses_one_thread(threads):
    for count in map(threads, THREADS):
        inside = list(each_on_one_thread(lambda n: (n, torch.get_num_threads()), range(20)))
        assert inside == [(n, 1) for n in range(20)]
        assert torch.get_num_threads() == count and faiss.omp_get_max_threads() == count


def test_a_part_that_fails_ends_the_work_and_gives_the_threads_back(threads):
    threads(3)
    with pytest.raises(ZeroDivisionError):
        list(each_on_one_thread(lambda n: 1 // n, [1, 0, 1]))
    assert torch.get_num_threads() == 3
