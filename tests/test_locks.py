"""Locks between processes: one holder, freed when it dies; one line where there is none."""

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from colbench.errors import ConfigError, StorageError
from colbench.locks import exclusive, holder_of, locked, only_run

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
    assert len(told) == 1 and told[0].startswith(
        f"another process works here (process {holder.pid}"
    )
    assert re.search(
        r"on \S+, `.+`, since 2\d{3}-\d\d-\d\dT.+; at most COLBENCH_LOCK_SECONDS=21600", told[0]
    )


def test_waiting_has_a_limit_and_then_one_line_says_what_to_do(tmp_path, holder, monkeypatch):
    monkeypatch.setenv("COLBENCH_LOCK_SECONDS", "0.3")
    with (
        pytest.raises(StorageError, match=f"process {holder.pid} on .* after 0.3 seconds: run the"),
        locked(tmp_path / "lock"),
    ):
        raise AssertionError("entered")


@pytest.mark.parametrize("limit", ["soon", "-1", "nan"])
def test_a_limit_that_is_no_number_of_seconds_is_one_line(tmp_path, holder, monkeypatch, limit):
    monkeypatch.setenv("COLBENCH_LOCK_SECONDS", limit)
    with (
        pytest.raises(ConfigError, match=f"COLBENCH_LOCK_SECONDS={limit}"),
        locked(tmp_path / "lock"),
    ):
        raise AssertionError("entered")


def test_a_lock_says_whose_it_is_while_it_is_held_alone(tmp_path):
    file = tmp_path / "lock"
    with locked(file):
        assert holder_of(file).startswith(f"process {os.getpid()} on ")
    assert file.read_bytes() == b""


def test_a_file_of_somebody_else_in_the_place_of_a_lock_stays_as_it_is(tmp_path):
    file = tmp_path / "lock"
    file.write_text("precious", encoding="utf-8")
    with locked(file):
        pass
    assert file.read_text(encoding="utf-8") == "precious"


@pytest.mark.skipif(not Path("/proc/locks").is_file(), reason="only Linux lists locks")
def test_a_link_put_in_the_place_of_a_held_lock_leads_nowhere(tmp_path):
    victim = tmp_path / "victim.json"
    victim.write_text('{"pid": 1}')
    lock = tmp_path / "lock"
    with locked(lock):
        lock.unlink()
        lock.symlink_to(victim)
    assert victim.read_text() == '{"pid": 1}'


def test_a_lock_that_has_another_name_is_not_written_into(tmp_path):
    victim = tmp_path / "victim.json"
    victim.write_text('{"pid": 1}')
    lock = tmp_path / "lock"
    lock.hardlink_to(victim)
    with locked(lock) as held:
        assert held
        assert victim.read_text() == '{"pid": 1}'
    assert victim.read_text() == '{"pid": 1}'


def test_the_holder_of_a_lock_without_a_signature_is_told_by_the_system(tmp_path):
    file = tmp_path / "lock"
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert holder_of(file) == f"process {os.getpid()}"


def test_a_forged_signature_moves_no_cursor(tmp_path, monkeypatch):
    monkeypatch.setenv("COLBENCH_LOCK_SECONDS", "0")
    file = tmp_path / "lock"
    with file.open("w") as stream:
        json.dump(
            {"pid": 1, "host": "\x1b[2J\n::add-mask::x" * 999, "since": 5, "command": []}, stream
        )
        stream.flush()
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(StorageError) as error, locked(file):
            raise AssertionError("entered")
    told = str(error.value)
    assert "\x1b" not in told and "::add-mask" not in told and len(told) < 1000


def unwritable(error_number):
    def refuse(*_, **__):
        raise OSError(error_number, os.strerror(error_number))

    return refuse


@pytest.mark.parametrize("reason", [errno.EROFS, errno.EACCES])
def test_a_lock_of_what_is_only_read_need_not_be_made(tmp_path, monkeypatch, reason):
    monkeypatch.setattr("filelock.FileLock.acquire", unwritable(reason))
    with locked(tmp_path / "lock", reading=True) as held:
        assert held
    with pytest.raises(StorageError, match="cannot lock"), locked(tmp_path / "lock"):
        raise AssertionError("entered")


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
