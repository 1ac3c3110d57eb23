import numpy as np
import pytest

from colbench.index.dense import DenseIndex


def unit_rows(count, dims, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, dims)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_flat_search_equals_the_matrix_product(tmp_path):
    documents, queries = unit_rows(50, 8), unit_rows(3, 8, seed=1)
    index = DenseIndex.write(tmp_path, 8, [documents[:20], documents[20:]])
    for query, (docs, scores) in zip(queries, index.search(queries, 5), strict=True):
        expected = np.argsort(-(documents @ query))[:5]
        assert docs[:5].tolist() == expected.tolist()
        np.testing.assert_allclose(scores[:5], (documents @ query)[expected], rtol=1e-5)


def test_every_document_tied_at_the_cut_is_returned(tmp_path):
    documents = np.tile(unit_rows(1, 8), (40, 1))
    index = DenseIndex.write(tmp_path, 8, [documents])
    ((docs, _),) = index.search(documents[:1], 3)
    assert sorted(docs.tolist()) == list(range(40))


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_k_beyond_the_collection_returns_everything_once(tmp_path, kind):
    documents = unit_rows(6, 8)
    index = DenseIndex.write(tmp_path, 8, [documents], kind=kind)
    index.set_ef_search(50)
    ((docs, _),) = index.search(documents[:1], 50)
    assert sorted(docs.tolist()) == list(range(6))


def test_hnsw_finds_nearly_what_flat_finds(tmp_path):
    documents, queries = unit_rows(2000, 16), unit_rows(20, 16, seed=2)
    flat = DenseIndex.write(tmp_path / "flat", 16, [documents])
    graph = DenseIndex.write(tmp_path / "hnsw", 16, [documents], kind="hnsw")
    graph.set_ef_search(200)
    exact, near = flat.search(queries, 10), graph.search(queries, 10)
    overlap = [len(set(a[0][:10]) & set(b[0][:10])) for a, b in zip(exact, near, strict=True)]
    assert np.mean(overlap) >= 9.5
    assert flat.size().vectors == graph.size().vectors == 2000
    own = 2000 * 16 * 4
    for size in (flat.size(), graph.size()):
        assert size.vector_bytes - size.fixed_bytes == own
    assert flat.size().fixed_bytes < 100 < graph.size().fixed_bytes  # a header, and the links
