"""A full disk: one line, status 2, nothing half written; with room again the same command goes on.

Twice: no file may grow beyond a size (RLIMIT_FSIZE), which any user can set, and a file system that
is full (tmpfs), which takes the right to mount one.
"""

import subprocess

import pytest
from checking import check
from operations import OPERATIONS
from states import files, left_over
from trials import TRIALS, Trial, seeded

HEAVY = ("run", "report")
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name in sorted(OPERATIONS)
    for number in range(max(TRIALS // (8 if name in HEAVY else 2), 1))
]


def refused(operation, folder, code):
    """Whether the operation ended for want of space, as it should; else it had enough."""
    told = operation.victims.errors()
    assert code in (0, 2), told
    if code == 0:
        return False
    assert told.startswith("colbench: ") and told.count("\n") == 1, repr(told)
    assert "free some space" in told
    temporary = [path for path in left_over(folder) if not path.startswith("index/pooled")]
    assert not temporary
    return True


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_file_that_cannot_grow(stopping, tmp_path, name, number):
    if name in HEAVY and TRIALS < 10:
        pytest.skip("seconds: part of make faults")
    operation = stopping(name)
    sizes = [len(content) for content in files(operation.after).values()]
    largest = 500 + int(max(sizes) * seeded(f"size {name}", number).uniform(0.0, 1.0))
    folder = operation.fresh(tmp_path / "one")
    with Trial(f"limited file, {name}") as trial:
        code = operation.victims.wait(operation.victims.start(name, folder, largest))
        if refused(operation, folder, code):
            trial.interrupted()
        check(operation, folder)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte, and a way to change its size."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs mount")
    if done.returncode:
        pytest.skip("needs the right to mount a file system")

    def resize(size):
        change = ["mount", "-o", f"remount,size={size}", str(place)]
        subprocess.run(change, capture_output=True, check=True)

    yield place, resize
    subprocess.run(["umount", str(place)], capture_output=True, check=True)


def on_disk(folder):
    """Return the bytes that the files of a folder take in pages of 4096."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // 4096) * 4096 for size in sizes)


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_full_file_system(stopping, small_disk, name, number):
    operation = stopping(name)
    place, resize = small_disk
    resize("64m")
    folder = operation.fresh(place / "one")
    start, end = on_disk(operation.before), on_disk(operation.after)
    share = seeded(f"disk {name}", number).uniform(0.0, 1.0)
    resize(4096 + start + int(max(end - start, end / 4) * share))
    with Trial(f"full disk, {name}") as trial:
        code = operation.victims.wait(operation.victims.start(name, folder))
        if refused(operation, folder, code):
            trial.interrupted()
        resize("64m")
        check(operation, folder)
