"""MaxSim on a torch device against the definition and the compiled path.

torch's CPU stands in for a GPU: it runs the same code. The last test runs it on CUDA.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import ColbenchError
from colbench.index import device, maxsim_device
from colbench.index.maxsim import MaxSimScanner
from colbench.index.maxsim_device import DeviceScan, widen_on_device
from colbench.index.tokens import TokenIndex, widen

GIGABYTE = 1 << 30
DIMS = 8
TORCH_ON_THE_CPU = "cpu:0"
"""Names the same device as cpu, and not the compiled path."""


def matrices(rng, lengths):
    made = [rng.standard_normal((n, DIMS)).astype(np.float32) for n in lengths]
    return [m / np.maximum(np.linalg.norm(m, axis=1, keepdims=True), 1e-12) for m in made]


def write(folder, documents, precision="fp16"):
    lengths = np.array([len(d) for d in documents], dtype=np.int64)
    return TokenIndex.write(folder, lengths, DIMS, documents, precision)


def definition(queries, index):
    """MaxSim of the stored values as the paper writes it, in double precision."""
    values = widen(np.array(index.vectors)).astype(np.float64)
    bounds = list(zip(index.offsets, index.offsets[1:], strict=False))
    return np.array(
        [
            [(q @ values[a:b].T).max(axis=1).sum() if b > a else -np.inf for a, b in bounds]
            for q in queries
        ]
    )


def whole(scanner, queries):
    firsts, blocks = zip(*scanner.scan(queries), strict=True)
    widths = [block.shape[1] for block in blocks]
    assert list(firsts) == np.concatenate([[0], np.cumsum(widths[:-1])]).tolist()
    return np.concatenate(blocks, axis=1)


@given(
    seed=st.integers(0, 2**32 - 1),
    query_lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    doc_lengths=st.lists(st.integers(0, 12), min_size=1, max_size=15),
    precision=st.sampled_from(["fp16", "int8"]),
    tile=st.integers(1, 2000),
    columns=st.integers(1, 20),
    memory=st.integers(1, 3000),
)
def test_tiles_chunks_and_streaming_give_the_scores_of_the_definition_and_of_the_compiled_path(
    tmp_path_factory, seed, query_lengths, doc_lengths, precision, tile, columns, memory
):
    rng = np.random.default_rng(seed)
    queries = matrices(rng, query_lengths)
    index = write(tmp_path_factory.mktemp("index"), matrices(rng, doc_lengths), precision)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maxsim_device, "_TILE_BYTES", tile)
        patch.setattr(maxsim_device, "_TILE_QUERY_TOKENS", columns)
        found = whole(DeviceScan(index, memory, "cpu"), queries)
    np.testing.assert_allclose(found, definition(queries, index), atol=1e-5)
    compiled = whole(MaxSimScanner(index, GIGABYTE), queries)
    np.testing.assert_allclose(found, compiled, atol=1e-5)
    assert found.dtype == compiled.dtype and found.shape == compiled.shape


def test_vectors_stay_on_the_device_where_they_fit_and_the_scores_are_the_same(
    tmp_path, monkeypatch
):
    rng = np.random.default_rng(3)
    index = write(tmp_path, matrices(rng, [40, 1, 0, 25] * 30))
    queries = matrices(rng, [5, 7])
    held = index.vectors.nbytes
    monkeypatch.setattr(maxsim_device, "_CHUNK_BYTES", held // 9)
    resident, streaming = (DeviceScan(index, room, "cpu") for room in (held, held - 1))
    assert resident.resident and not streaming.resident
    assert len(list(streaming.scan(queries))) > 5
    assert whole(resident, queries).tobytes() == whole(streaming, queries).tobytes()
    assert whole(resident, queries).tobytes() == whole(resident, queries).tobytes()


def test_documents_of_one_token_or_none_and_collections_of_nothing_else(tmp_path):
    rng = np.random.default_rng(4)
    query = matrices(rng, [3])
    single = write(tmp_path / "single", matrices(rng, [1, 1]))
    expected = definition(query, single)
    np.testing.assert_allclose(whole(DeviceScan(single, 1, "cpu"), query), expected, atol=1e-6)
    empty = write(tmp_path / "empty", matrices(rng, [0, 0]))
    assert whole(DeviceScan(empty, GIGABYTE, "cpu"), query).tolist() == [[-np.inf, -np.inf]]


@pytest.mark.parametrize("dtype", [np.float16, np.int8])
def test_stored_rows_are_widened_to_the_values_they_stand_for(dtype):
    rows = np.arange(-120, 120, 5).reshape(-1, 4).astype(dtype)
    found = widen_on_device(torch.from_numpy(rows))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), widen(rows), rtol=1e-7)


def test_the_scanner_takes_another_device_than_the_cpu_to_torch(tmp_path, monkeypatch):
    rng = np.random.default_rng(6)
    index = write(tmp_path, matrices(rng, [4, 0, 9]))
    queries = matrices(rng, [5])
    monkeypatch.setattr("colbench.index.maxsim.score_matrix", None)  # the compiled path
    scanner = MaxSimScanner(index, GIGABYTE, TORCH_ON_THE_CPU)
    np.testing.assert_allclose(whole(scanner, queries), definition(queries, index), atol=1e-5)
    assert scanner.index is index


def test_a_full_device_is_told_in_one_line(tmp_path, monkeypatch):
    rng = np.random.default_rng(9)
    index = write(tmp_path, matrices(rng, [4]))

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")

    scanner = DeviceScan(index, GIGABYTE, "cpu")
    monkeypatch.setattr(maxsim_device, "score_rows", full)
    with pytest.raises(ColbenchError, match=r"^cpu is out of memory; .*device=cpu$"):
        list(scanner.scan(matrices(rng, [2])))


def test_only_what_cuda_has_free_may_be_taken_and_not_all_of_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 5000))
    assert device.room(torch.device("cuda"), 7) == 900
    assert device.room(torch.device("cpu"), 7) == 7


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_gpu_gives_the_scores_of_the_compiled_path(tmp_path, precision):
    rng = np.random.default_rng(7)
    index = write(tmp_path, matrices(rng, rng.integers(0, 200, 500)), precision)
    queries = matrices(rng, [32, 5, 1])
    scanner = DeviceScan(index, GIGABYTE, "cuda")
    assert scanner.resident
    found = whole(scanner, queries)
    np.testing.assert_allclose(found, whole(MaxSimScanner(index, GIGABYTE), queries), atol=1e-4)
    assert found.tobytes() == whole(scanner, queries).tobytes()
