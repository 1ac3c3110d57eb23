"""kill -9 at a random moment: afterwards all of the old state or all of the new, and no debris."""

import contextlib
import os
import signal

import psutil
import pytest
from checking import check
from operations import OPERATIONS
from states import left_over
from trials import TRIALS, Trial, in_full, seeded

NUMBERS = range(TRIALS)


FEWER = range(max(TRIALS // 2, 1))
"""For operations that take seconds."""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"run", "report"}))
def test_a_killed_operation_is_taken_up_again(stopping, tmp_path, name, number):
    operation = stopping(name)
    with Trial(f"kill {name}") as trial:
        operation.stopped(tmp_path / "one", seeded(name, number), trial, signal.SIGKILL)
        check(operation, tmp_path / "one")


@pytest.mark.parametrize("number", FEWER)
@pytest.mark.parametrize("name", ["run", "report"])
def test_a_killed_command_is_taken_up_again(stopping, tmp_path, name, number):
    operation = stopping(name)
    with Trial(f"kill {name}") as trial:
        operation.stopped(tmp_path / "one", seeded(name, number), trial, signal.SIGKILL)
        check(operation, tmp_path / "one")


@in_full
@pytest.mark.parametrize("number", FEWER)
def test_a_run_whose_worker_is_killed_says_so_in_one_line(stopping, tmp_path, number):
    operation = stopping("run")
    folder = tmp_path / "one"
    with Trial("kill a worker") as trial:
        rng = seeded("worker", number)
        code = operation.stopped(folder, rng, trial, signal.SIGKILL, find=worker)
        assert code in (0, 1, 2, -signal.SIGKILL)  # 1: its system is a row that failed
        told = operation.victims.errors()
        if code in (1, 2):
            assert told.count("was killed, most likely for want of memory") == 1
            assert "Traceback" not in told
        if code == 2:
            assert told.count("\n") == 1
            assert not left_over(folder / "out")
        check(operation, folder)


def worker(folder):
    """Return the process id of the worker that is at work, None where none has started."""
    for work in folder.glob("out/.colbench/work-*"):  # named after the conductor's process
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            for child in psutil.Process(int(work.name.removeprefix("work-"))).children():
                if os.getsid(child.pid) == child.pid:
                    return child.pid
    return None


@pytest.mark.parametrize("number", range(max(TRIALS // 4, 1)))
@pytest.mark.parametrize(
    "name", ["encode", "build", "compact", "report", pytest.param("run", marks=in_full)]
)
def test_ctrl_c_ends_with_130_and_leaves_what_can_be_taken_up_again(
    stopping, tmp_path, name, number
):
    operation = stopping(name)
    folder = tmp_path / "one"
    with Trial(f"ctrl-c {name}") as trial:
        code = operation.stopped(folder, seeded(f"c {name}", number), trial, signal.SIGINT)
        told = operation.victims.errors()
        assert code in (0, 130), told
        assert "Traceback" not in told
        assert not left_over(folder / "out")
        check(operation, folder)
