"""Locks between processes: one holder, freed when it dies; one line where there is none."""

import subprocess
import sys

import pytest

from colbench.errors import StorageError
from colbench.locks import exclusive, locked, only_run

HOLD = """
import sys
from pathlib import Path
from colbench.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds `lock` in the folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_a_lock_of_another_process_is_refused_until_that_is_killed(tmp_path, holder, capsys):
    file = tmp_path / "lock"
    with locked(file, wait=False) as held:
        assert not held
    with (
        pytest.raises(StorageError, match="somebody is at work"),
        exclusive(file, taken="somebody is at work"),
    ):
        raise AssertionError("entered")
    with (
        pytest.raises(StorageError, match=f"another run is writing to {tmp_path}"),
        only_run(tmp_path, tmp_path),
    ):
        raise AssertionError("entered")
    holder.kill()
    with locked(file, waiting="waiting for it") as held:
        assert held
    with exclusive(file, taken="somebody is at work"):
        pass


def test_waiting_is_told_and_ends_when_the_holder_lets_go(tmp_path, holder, monkeypatch):
    told = []

    def end(text):
        told.append(text)
        holder.stdin.close()

    monkeypatch.setattr("colbench.locks.note", end)
    with locked(tmp_path / "lock", waiting="another process works here") as held:
        assert held
    assert told == ["another process works here"]


def test_an_error_of_the_work_passes_and_the_lock_is_free_afterwards(tmp_path):
    with pytest.raises(OSError, match="of the work"), locked(tmp_path / "lock"):
        raise OSError("of the work")
    with locked(tmp_path / "lock", wait=False) as held:
        assert held


def test_a_lock_that_cannot_be_made_is_one_line_with_its_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    file = tmp_path / "file" / "lock"
    for cannot, told in [(None, f"cannot lock {file}: "), ("cannot build", "cannot build: ")]:
        held = locked(file, cannot=cannot, remedy="choose another output_dir")
        with pytest.raises(StorageError, match=f"{told}.*; choose another output_dir"), held:
            raise AssertionError("entered")
