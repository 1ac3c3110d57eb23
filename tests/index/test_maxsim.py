import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colbench.index import maxsim
from colbench.index.maxsim import MaxSimScanner, score_documents, score_matrix, sum_of_maxima
from colbench.index.tokens import TokenIndex

GIGABYTE = 1 << 30


def random_matrices(rng, lengths, dims):
    return [rng.standard_normal((n, dims)).astype(np.float32) for n in lengths]


def write_index(folder, documents, dims):
    lengths = np.array([len(d) for d in documents], dtype=np.int64)
    return TokenIndex.write(folder, lengths, dims, documents)


def reference(queries, documents):
    """MaxSim as the paper writes it, one pair at a time, in double precision."""
    return np.array(
        [
            [
                (q.astype(np.float64) @ d.astype(np.float64).T).max(axis=1).sum()
                if len(d)
                else -np.inf
                for d in documents
            ]
            for q in queries
        ]
    )


def test_the_introductory_example_sums_the_maxima_to_five():
    maxima = [0.9, 0.8, 0.7, 0.9, 0.5, 0.9, 0.3]
    similarities = np.full((7, 6), 0.1)
    similarities[np.arange(7), [0, 1, 2, 3, 4, 5, 0]] = maxima
    assert sum_of_maxima(similarities) == pytest.approx(5.0)


@given(
    seed=st.integers(0, 2**32 - 1),
    query_lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    doc_lengths=st.lists(st.integers(0, 12), min_size=1, max_size=15),
    tile=st.integers(1, 40),
    chunk=st.integers(1, 4000),
)
def test_tiles_and_chunks_give_the_scores_of_the_definition(
    tmp_path_factory, seed, query_lengths, doc_lengths, tile, chunk
):
    rng = np.random.default_rng(seed)
    queries = random_matrices(rng, query_lengths, 8)
    documents = [
        d.astype(np.float16).astype(np.float32) for d in random_matrices(rng, doc_lengths, 8)
    ]
    index = write_index(tmp_path_factory.mktemp("index"), documents, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maxsim, "_TILE_DOCUMENT_TOKENS", tile)
        patch.setattr(maxsim, "_TILE_QUERY_TOKENS", tile)
        patch.setattr(maxsim, "_CHUNK_BYTES", chunk)
        scanned = [block for _, block in MaxSimScanner(index, GIGABYTE).scan(queries)]
    expected = reference(queries, documents)
    np.testing.assert_allclose(np.concatenate(scanned, axis=1), expected, rtol=1e-4, atol=1e-4)


def test_little_memory_changes_no_bit_of_the_scores(tmp_path):
    rng = np.random.default_rng(3)
    index = write_index(tmp_path, random_matrices(rng, [40] * 30, 16), 16)
    queries = random_matrices(rng, [5, 7], 16)
    resident = MaxSimScanner(index, GIGABYTE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maxsim, "_CHUNK_BYTES", 40_000)
        resident = MaxSimScanner(index, GIGABYTE)
        streaming = MaxSimScanner(index, 50_000)
    one = np.concatenate([block for _, block in resident.scan(queries)], axis=1)
    other = np.concatenate([block for _, block in streaming.scan(queries)], axis=1)
    assert one.tobytes() == other.tobytes()


def test_reranking_scores_equal_the_scan(tmp_path):
    rng = np.random.default_rng(5)
    documents = random_matrices(rng, [3, 0, 8, 1, 20], 8)
    index = write_index(tmp_path, documents, 8)
    query = random_matrices(rng, [6], 8)[0]
    full = next(iter(MaxSimScanner(index, GIGABYTE).scan([query])))[1][0]
    docs = [4, 2, 0, 1]
    np.testing.assert_allclose(score_documents(index, query, docs), full[docs], rtol=1e-5)


def test_a_document_without_tokens_scores_minus_infinity():
    rows = torch.zeros((2, 4))
    scores = score_matrix([np.ones((3, 4), np.float32)], rows, np.array([0, 0, 2]))
    assert scores.tolist() == [[-np.inf, 0.0]]
