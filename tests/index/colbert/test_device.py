"""Builds on a torch device against builds on the CPU.

`cpu:0` names torch's CPU and not the path through faiss: it runs the code that a GPU runs.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from synthetic import ENCODER, as_documents, contents, hits, topical_documents, unit

from colbench.errors import ColbenchError
from colbench.index.colbert import clustering, clustering_device
from colbench.index.colbert.assignment import Assigner
from colbench.index.colbert.assignment_device import DeviceAssigner
from colbench.index.colbert.build import build_index
from colbench.index.colbert.clustering import find_centroids, nearest
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.training import make_assigner

DEVICE = "cpu:0"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def differ_only_at_near_ties(vectors, centroids, one, other):
    mine, theirs = centroids[one], centroids[other]
    gap = np.abs((vectors.astype(np.float64) * (mine.astype(np.float64) - theirs)).sum(axis=1))
    return bool((gap < 1e-5).all())


@given(
    seed=st.integers(0, 2**32 - 1),
    tokens=st.integers(0, 60),
    centroids=st.integers(1, 40),
    half=st.booleans(),
    products=st.integers(1, 500),
)
def test_the_nearest_centroid_is_the_one_the_cpu_finds(seed, tokens, centroids, half, products):
    rng = np.random.default_rng(seed)
    table = unit(rng, centroids, 8)
    vectors = unit(rng, tokens, 8).astype(np.float16 if half else np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering_device, "_PRODUCTS", products)
        found = nearest(vectors, table, DEVICE)
    assert found.dtype == np.int64 and found.shape == (tokens,)
    assert differ_only_at_near_ties(vectors, table, found, nearest(vectors, table))


@pytest.mark.parametrize("exact", [True, False])
def test_tokens_get_the_centroids_of_the_cpu_in_cells_or_without(exact, rng):
    centroids, tokens = unit(rng, 2500, 8), unit(rng, 3000, 8)
    compiled = Assigner(centroids, exact=exact, seed=3)
    found = make_assigner(centroids, exact=exact, seed=3, device=DEVICE)
    assert isinstance(found, DeviceAssigner)
    one, other = found.assign(tokens), compiled.assign(tokens)
    assert (one == other).mean() > 0.99
    # A token between two cells may be compared with another list: then no near tie explains it.
    assert not exact or differ_only_at_near_ties(tokens, centroids, one, other)
    np.testing.assert_array_equal(found.assign(tokens[:0]), np.empty(0, dtype=np.int64))


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("count", [1, 24, 100])
def test_k_means_goes_the_steps_of_faiss(count, seed, rng):
    sample = np.concatenate(list(topical_documents(rng, 150, 32).values())).astype(np.float16)
    one, other = (
        find_centroids(sample, count, iterations=6, seed=seed, device=device)
        for device in (DEVICE, "cpu")
    )
    assert one.dtype == other.dtype == np.float16
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_two_levels_of_k_means_are_those_of_the_cpu(rng, monkeypatch):
    monkeypatch.setattr(clustering, "FLAT", 64)
    sample = np.concatenate(list(topical_documents(rng, 300, 16, topics=100).values()))
    one, other = (
        find_centroids(sample, 150, iterations=4, seed=1, device=device).astype(np.float32)
        for device in (DEVICE, "cpu")
    )
    assert one.shape == other.shape
    assert (np.abs(one - other).max(axis=1) < 2e-3).mean() > 0.9


def test_the_seed_decides_the_centroids(rng):
    sample = unit(rng, 400, 8)
    first, again, other = (
        find_centroids(sample, 20, iterations=3, seed=seed, device=DEVICE) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_cluster_without_vectors_takes_half_of_another(rng):
    directions = unit(rng, 30, 8)
    sample = directions[rng.integers(0, 30, 500)]
    one, other = (
        find_centroids(sample, 60, iterations=8, seed=0, device=device).astype(np.float32)
        for device in (DEVICE, "cpu")
    )
    assert one.shape == other.shape == (60, 8)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=2e-3)
    fits = [(sample @ centroids.T).max(axis=1).mean() for centroids in (one, other)]
    assert fits[0] == pytest.approx(fits[1], abs=0.01)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two indexes of the same documents, of the device and of the CPU; and the documents."""
    root = tmp_path_factory.mktemp("built")
    documents = topical_documents(np.random.default_rng(11), 200, 32)
    for name, device in (("device", DEVICE), ("again", DEVICE), ("cpu", "cpu")):
        build_index(
            root / name,
            as_documents(documents, 32),
            IndexSettings(centroids=64, chunk_tokens=256),
            encoder=ENCODER,
            device=device,
        )
    return root, documents


def test_an_index_of_the_device_finds_what_one_of_the_cpu_finds(built):
    root, documents = built
    one, other = (ColbertIndex.open(root / name, encoder=ENCODER) for name in ("device", "cpu"))
    assert one.manifest.centroids == other.manifest.centroids
    codes = [np.asarray(index.segments[0].codes) for index in (one, other)]
    assert (codes[0] == codes[1]).mean() > 0.99
    for doc in sorted(documents)[::20]:
        found, wanted = (dict(hits(index, documents[doc][:5], 10)) for index in (one, other))
        assert len(found.keys() & wanted.keys()) >= 9
        for name in found.keys() & wanted.keys():
            assert found[name] == pytest.approx(wanted[name], abs=0.02)


def test_the_same_build_on_the_same_device_gives_equal_bytes(built):
    root, _ = built
    assert contents(root / "device") == contents(root / "again")


def test_a_full_device_is_told_in_one_line(tmp_path, rng, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")

    monkeypatch.setattr(clustering_device, "kmeans", full)
    documents = as_documents(topical_documents(rng, 20, 8), 8)
    with pytest.raises(ColbenchError, match=r"^cpu:0 is out of memory; .*device=cpu$"):
        build_index(tmp_path, documents, IndexSettings(centroids=8), encoder=ENCODER, device=DEVICE)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_assigns_and_clusters_as_the_cpu_does(rng):
    centroids, tokens = unit(rng, 2500, 8), unit(rng, 3000, 8)
    for exact in (True, False):
        one = make_assigner(centroids, exact=exact, seed=3, device="cuda").assign(tokens)
        other = Assigner(centroids, exact=exact, seed=3).assign(tokens)
        assert (one == other).mean() > 0.99
        assert not exact or differ_only_at_near_ties(tokens, centroids, one, other)
    sample = np.concatenate(list(topical_documents(rng, 150, 32).values())).astype(np.float16)
    first, again, cpu = (
        find_centroids(sample, 24, iterations=6, seed=0, device=device)
        for device in ("cuda", "cuda", "cpu")
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, cpu, atol=2e-3)
