"""Exact hits that systems of a run share: read as written, and never those of somebody else."""

import hashlib
import io

import numpy as np
import pytest

from colbench.hits import Hits
from colbench.retriever.exhaustive import read_hits, write_hits


def sealed(file, **arrays):
    stored = io.BytesIO()
    np.savez(stored, **arrays)
    seal(file, stored.getvalue())


def seal(file, content):
    digest = hashlib.sha256(file.name.encode() + b"\0" + content).digest()
    file.write_bytes(digest + content)


def test_what_was_written_is_read_back(tmp_path):
    docs = [np.array([3, 1]), np.array([], dtype=np.int64)]
    hits = [Hits(one, np.ones(len(one), np.float32)) for one in docs]
    write_hits(tmp_path / "a.hits", hits)
    found = read_hits(tmp_path / "a.hits", 2, 4)
    assert [one.docs.tolist() for one in found] == [[3, 1], []]
    assert read_hits(tmp_path / "a.hits", 3, 4) is None
    assert read_hits(tmp_path / "a.hits", 2, 3) is None
    assert read_hits(tmp_path / "b.hits", 2, 4) is None


WHOLE = {"lengths": [2, 0], "docs": [0, 1], "scores": [1.0, 0.5]}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"lengths": [3, -1]}, {"lengths": [1, 2]}, {"lengths": [[2, 0]]}, {"docs": [0, -1]}),
        *({"docs": [0.0, 1.0]}, {"docs": [[0, 1]]}, {"scores": [1.0, np.nan]}, {"scores": [1.0]}),
        {"scores": ["a", "b"]},
    ],
    ids=str,
)
def test_hits_that_were_sealed_anew_are_made_again(wrong, tmp_path):
    for changes, read in (({}, True), (wrong, False)):
        arrays = {name: np.array(value) for name, value in (WHOLE | changes).items()}
        sealed(tmp_path / "a.hits", **arrays)
        assert (read_hits(tmp_path / "a.hits", 2, 4) is not None) == read


def test_what_is_no_archive_of_the_arrays_is_made_again(tmp_path):
    seal(tmp_path / "a.hits", b"PK")
    assert read_hits(tmp_path / "a.hits", 2, 4) is None
    sealed(tmp_path / "a.hits", other=np.ones(2))
    assert read_hits(tmp_path / "a.hits", 2, 4) is None
