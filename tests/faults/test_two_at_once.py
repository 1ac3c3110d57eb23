"""Two processes on one output folder: the second is refused. On one cache: both finish alike."""

import os
import re
import signal
import time

from checking import vectors
from states import cached, outcome
from trials import in_full


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def test_the_second_run_on_a_folder_is_refused_and_names_the_first(stopping, victims, tmp_path):
    operation = stopping("run")
    folder = operation.fresh(tmp_path / "one")
    first = victims.start("run", folder)
    wait_for(lambda: list(folder.glob("out/.colbench/work-*/replies")))
    os.kill(first, signal.SIGSTOP)  # so that it cannot end before the second comes
    try:
        code = victims.wait(victims.start("run", folder))
    finally:
        os.kill(first, signal.SIGCONT)
    told = victims.errors()
    assert code == 2 and told.count("\n") == 1
    assert f"another run (process {first} on " in told
    assert f"is writing to {folder / 'out'}: wait for it" in told
    assert victims.wait(first) == 0
    assert outcome(folder / "out") == outcome(operation.after / "out")


@in_full
def test_two_runs_share_a_cache(stopping, victims, tmp_path):
    operation = stopping("run")
    folders = [operation.fresh(tmp_path / name) for name in ("one", "two")]
    (tmp_path / "cache").mkdir()
    for folder in folders:
        (folder / "cache").symlink_to(tmp_path / "cache")
    started = [victims.start("run", folder) for folder in folders]
    assert [victims.wait(pid) for pid in started] == [0, 0], victims.errors()
    for folder in folders:
        assert outcome(folder / "out") == outcome(operation.after / "out")
    assert cached(tmp_path / "cache") == cached(operation.after / "cache")


def test_four_processes_that_encode_the_same_texts_fill_one_cache(stopping, victims, tmp_path):
    operation = stopping("encode")
    started = [victims.start("encode", tmp_path) for _ in range(4)]
    assert [victims.wait(pid) for pid in started] == [0] * 4, victims.errors()
    assert vectors(tmp_path) == vectors(operation.after)
    assert cached(tmp_path / "cache") == cached(operation.after / "cache")


def test_the_second_writer_of_an_index_is_refused(stopping, victims, tmp_path):
    operation = stopping("add")
    folder = operation.fresh(tmp_path / "one")
    started = [victims.start(name, folder) for name in ("add", "compact", "delete")]
    codes = [victims.wait(pid) for pid in started]
    told = victims.errors(*started)
    assert 0 in codes and set(codes) <= {0, 2}, told
    refused = re.findall(r"^colbench: another process is writing to the index", told, re.MULTILINE)
    assert len(refused) == codes.count(2), told
