"""Peak memory is this process's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import colbench
from colbench.measures import machine as memory

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


def test_memory_that_was_used_and_given_back_still_counts():
    block = np.ones(100 * MIB, dtype=np.uint8)
    size = block.nbytes
    del block
    assert memory.peak_rss_bytes() >= size


@linux
def test_the_high_water_mark_is_read_in_bytes(tmp_path, monkeypatch):
    status = tmp_path / "self" / "status"
    status.parent.mkdir()
    status.write_bytes(b"Name:\tp\xffthon\nVmPeak:\t  999 kB\nVmHWM:\t    123 kB\nVmRSS:\t 7 kB\n")
    monkeypatch.setattr(memory, "_PROCESSES", tmp_path)
    assert memory.peak_rss_bytes() == 123 * 1024


@linux
def test_without_proc_the_kernels_usage_counters_are_read_in_bytes(tmp_path, monkeypatch):
    exact = memory.peak_rss_bytes()
    monkeypatch.setattr(memory, "_PROCESSES", tmp_path / "none")
    assert memory.peak_rss_bytes() >= exact * 0.9
    assert memory.peak_rss_bytes() < exact * 100  # a wrong unit is off by 1024


@linux
def test_a_child_does_not_carry_its_parents_peak():
    block = np.ones(300 * MIB, dtype=np.uint8)
    code = "from colbench.measures.machine import peak_rss_bytes; print(peak_rss_bytes())"
    child = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=Path(colbench.__file__).parents[1],
    )
    assert memory.peak_rss_bytes() >= block.nbytes
    assert int(child.stdout) < 150 * MIB


@linux
def test_the_peak_of_another_process_counts_its_children_too():
    inner = f"block = b'1' * {100 * MIB}; print('there', flush=True); input()"
    outer = (
        f"import subprocess, sys; block = b'1' * {60 * MIB}; "
        f'subprocess.run([sys.executable, "-c", {inner!r}])'
    )
    command = [sys.executable, "-c", outer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        peak = memory.peak_rss_bytes_of(child.pid)
        child.communicate(b"\n")
    assert peak is not None
    assert 160 * MIB <= peak < 300 * MIB
    assert memory.peak_rss_bytes_of(child.pid) is None  # it has ended
