import numpy as np
import pytest

from colbench.index.tokens import TokenIndex, widen


def test_what_was_written_is_read_back_as_float16(tmp_path):
    rows = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    index = TokenIndex.write(tmp_path, np.array([3, 0, 4]), 4, [rows[:2], rows[2:]])
    assert (len(index), index.tokens, index.dims) == (3, 7, 4)
    np.testing.assert_array_equal(index.vectors, rows.astype(np.float16))
    gathered, offsets = index.gather([2, 1, 0])
    assert offsets.tolist() == [0, 4, 4, 7]
    np.testing.assert_array_equal(gathered, rows.astype(np.float16)[[3, 4, 5, 6, 0, 1, 2]])


def test_size_counts_every_file(tmp_path):
    index = TokenIndex.write(tmp_path, np.array([5]), 2, [np.ones((5, 2))])
    size = index.size()
    assert size.files == {"offsets.npy": 144, "vectors.f16": 20}
    assert (size.vectors, size.dims, size.bytes, size.fixed_bytes) == (5, 2, 164, 144)


def test_too_few_vectors_are_refused(tmp_path):
    with pytest.raises(ValueError, match="4 vectors were given for documents of 5 tokens"):
        TokenIndex.write(tmp_path, np.array([5]), 2, [np.ones((4, 2))])


def test_a_collection_without_any_token_opens(tmp_path):
    index = TokenIndex.write(tmp_path, np.array([0, 0]), 2, [])
    assert (len(index), index.tokens) == (2, 0)


def test_int8_takes_a_byte_a_dimension_and_is_off_by_half_a_level_at_most(tmp_path):
    rows = np.random.default_rng(0).uniform(-1, 1, (7, 4)).astype(np.float32)
    rows[0] = [1, -1, 0, 1.5]
    index = TokenIndex.write(tmp_path, np.array([3, 4]), 4, [rows[:2], rows[2:]], "int8")
    assert index.size().files == {"offsets.npy": 152, "vectors.i8": 28}
    gathered, _ = index.gather([0, 1])
    assert gathered.dtype == np.int8
    values = widen(gathered)
    np.testing.assert_allclose(values, np.clip(rows, -1, 1), atol=0.5 / 127 + 1e-6)
    assert values[0].tolist() == [1, -1, 0, 1]
