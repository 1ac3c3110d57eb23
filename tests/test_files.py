"""Files appear whole or not at all, and what a killed writer leaves goes with the next write."""

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from colbench.errors import StorageError
from colbench.files import atomic_write, ensure_writable, write_npy

KILLED = """
import os, signal, sys
from pathlib import Path
from colbench.files import atomic_write
with atomic_write(Path(sys.argv[1])) as stream:
    stream.write("half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_write_of_the_file(tmp_path):
    target = tmp_path / "file"
    program = [sys.executable, "-c", textwrap.dedent(KILLED), str(target)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    (debris,) = names(tmp_path)
    assert debris.startswith(".file.") and debris.endswith(".tmp")
    with atomic_write(tmp_path / "other") as stream:
        stream.write("x")
    assert debris in names(tmp_path)
    with atomic_write(target) as stream:
        stream.write("whole")
    assert names(tmp_path) == ["file", "other"]
    assert target.read_text() == "whole"


def test_two_writers_of_one_file_leave_each_other_alone(tmp_path):
    target = tmp_path / "file"
    with atomic_write(target) as first:
        first.write("first")
        with atomic_write(target) as second:
            second.write("second")
        assert target.read_text() == "second"
    assert target.read_text() == "first"
    assert names(tmp_path) == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    told = r"cannot write .*file: No space left on device; free"
    with pytest.raises(StorageError, match=told), atomic_write(target) as stream:
        stream.write("new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == ["file"] and target.read_text() == "old"


def test_whether_a_folder_can_be_written_is_tried_without_a_trace(tmp_path):
    ensure_writable(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        ensure_writable(tmp_path / "file")


@given(
    arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.int64, np.uint8]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        elements=st.integers(0, 200),
    )
)
def test_an_array_is_written_as_numpy_would(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("arrays")
    np.save(folder / "numpy.npy", array)
    write_npy(folder / "ours.npy", array)
    write_npy(folder / "turned.npy", array.T)
    assert (folder / "ours.npy").read_bytes() == (folder / "numpy.npy").read_bytes()
    np.testing.assert_array_equal(np.load(folder / "turned.npy"), array.T)


@pytest.mark.parametrize("largest", [100, 128, 500, 727])
def test_a_small_array_that_does_not_fit_on_the_disk_is_an_error(tmp_path, largest):
    """numpy.save says nothing then: its last buffer of up to 4 kB is lost."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    program = (
        "import sys; from pathlib import Path; import numpy as np; "
        "from colbench.files import write_npy; "
        "write_npy(Path(sys.argv[1]), np.arange(300, dtype=np.float16))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "array.npy")]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "File too large" in done.stderr
    assert names(tmp_path) == []


def test_whoever_reads_the_old_file_goes_on_reading_it(tmp_path):
    target = tmp_path / "file"
    target.write_text("old", encoding="utf-8")
    with target.open(encoding="utf-8") as reader:
        with atomic_write(target) as stream:
            stream.write("new")
        assert reader.read() == "old"
    assert target.read_text(encoding="utf-8") == "new"
