"""Want of memory is one line, whatever library says it, and no exit code of a defect."""

import errno
import os
import resource
import subprocess
import sys

import pytest

from colbench.cli import main as command
from colbench.shortage import cannot_draw, careful_threads, shortage, told_by

MEGABYTES = 1 << 20


def limited(megabytes, *words):
    """Run the command with so much address space."""
    return subprocess.run(
        [sys.executable, "-m", "colbench.cli.main", *words],
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_AS, (megabytes * MEGABYTES, resource.RLIM_INFINITY)
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def chained():
    try:
        try:
            raise OSError("libtorch.so: failed to map segment from shared object")
        except OSError as error:
            raise ImportError("something else") from error
    except ImportError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        chained(),
    ],
    ids=repr,
)
def test_want_of_memory_is_told_whatever_says_it(error, monkeypatch, capsys):
    told = shortage(error)
    assert told.startswith("out of memory") and "\n" not in told

    def fail(*_):
        raise error

    monkeypatch.setattr(command, "_run", fail)
    assert command.main([]) == 2
    assert capsys.readouterr().err == f"colbench: {told}\n"


@pytest.mark.parametrize("error", [ValueError("memory of a fish"), ImportError("No module x")])
def test_other_errors_are_not_taken_for_it(error):
    assert shortage(error) is None and not told_by(str(error))


@pytest.mark.parametrize("megabytes", [100, 400])
def test_little_address_space_is_one_line(megabytes, tmp_path):
    words = ("run", "--quiet", "systems=[bm25]", f"output_dir={tmp_path / 'out'}")
    done = limited(megabytes, *words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("colbench: out of memory") and done.stderr.count("\n") == 1
    assert "ulimit -v" in done.stderr


def test_what_can_be_done_in_little_address_space_is_done():
    done = limited(400, "--version")
    assert done.returncode == 0 and done.stdout.startswith("colbench ")


def test_libraries_that_end_the_process_are_kept_from_it(monkeypatch):
    monkeypatch.setattr("colbench.shortage.address_space", lambda: 2000 * MEGABYTES)
    assert careful_threads() == {"OPENBLAS_NUM_THREADS": "1"}
    assert "72 GB" in cannot_draw()
    monkeypatch.setattr("colbench.shortage.address_space", lambda: None)
    assert careful_threads() == {} and cannot_draw() is None
