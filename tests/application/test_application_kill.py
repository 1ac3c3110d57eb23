"""kill -9 at any moment: what was committed is there, and nothing else is."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import killed
import pytest
from forking import ENVIRONMENT, wait_for
from test_changes import agree

from colbench.application import Colbert
from colbench.errors import StorageError

HERE = Path(__file__).parent
FAST = 4
KILLS = int(os.environ.get("COLBENCH_KILLS", "200"))
MADE = 1500
"""Documents of the index that is killed while it is made."""


@pytest.fixture(scope="module")
def started():
    """Start a function of `killed` in a process of its own, which is killed at the latest here."""
    context = multiprocessing.get_context("forkserver")
    running = []

    def start(function, *arguments):
        process = context.Process(target=getattr(killed, function), args=arguments, daemon=True)
        process.start()
        running.append(process)
        return process

    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        places = [str(HERE), str(HERE.parent), *filter(None, sys.path)]
        patch.setenv("PYTHONPATH", os.pathsep.join(places))
        context.set_forkserver_preload(["ready"])
        yield start
    for process in running:
        process.kill()
        process.join()


def told(log):
    """Return what the last whole lines of the log say: the last state committed, and the next."""
    lines = log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []
    done, begun = None, None
    for line in lines:
        what, held = json.loads(line)
        done, begun = (held, None) if what == "done" else (done, held)
    return done, begun, len(lines)


def as_held(listed):
    return {doc: (text, metadata) for doc, text, metadata in listed}


def kill_and_look(started, folder, log, seed):
    """Kill a process that changes an index, and return how many changes it had made."""
    log.unlink(missing_ok=True)
    process = started("change", folder, log, seed)
    wait_for(lambda: told(log)[2])
    time.sleep(random.Random(seed).uniform(0, 0.5))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    done, begun, lines = told(log)
    index = Colbert.open(folder, encoder=killed.ENCODER)
    index.check()
    held = killed.state(index)
    assert held in (done, begun) if begun is not None else held == done
    agree(index, as_held(held), encoder=killed.ENCODER)
    for number in (0, 1, 2):
        wanted = {doc for doc, _, row in held if f"t{number}" in row["tags"]}
        found = index.search("w0", k=1000, filter={"tags": {"$contains": f"t{number}"}})
        assert {one.id for one in found} == wanted
    return lines // 2


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed") / "index"
    killed.first(folder)
    return folder


def killed_often(started, before, tmp_path, kills, first=0):
    folder = tmp_path / "index"
    shutil.copytree(before, folder)
    changes = 0
    for seed in range(first, first + kills):
        changes += kill_and_look(started, folder, tmp_path / "log", seed)
        if seed % 3 == 0:  # a writer puts right what the killed one left
            index = Colbert.open(folder, encoder=killed.ENCODER)
            index.add("w1 after", ids=f"after {seed}", metadata={"number": -1, "tags": []})
            index.check()
            index.delete(f"after {seed}")
    assert changes >= kills


def test_a_writer_killed_at_any_moment_leaves_what_it_had_committed(started, before, tmp_path):
    killed_often(started, before, tmp_path, FAST)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_writer_killed_hundreds_of_times_leaves_what_it_had_committed(started, before, tmp_path):
    killed_often(started, before, tmp_path, KILLS, first=FAST)


def killed_while_making(started, tmp_path, number, latest):
    """Kill the making of an index at a random moment and make it again."""
    folder, log = tmp_path / f"made{number}", tmp_path / f"log{number}"
    process = started("make", folder, log, MADE)
    wait_for(log.exists)
    time.sleep(random.Random(number).uniform(0, latest))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    rng = random.Random(1)
    texts = [killed.text_of(rng, n) for n in range(MADE)]
    try:
        index = Colbert.open(folder, encoder=killed.ENCODER)
    except StorageError as error:
        assert "not finished: index the same texts again" in str(error)
        model = Colbert.from_pretrained(killed.ENCODER)
        index = model.index(texts, folder, verbose=False)
    else:
        assert log.read_text(encoding="utf-8") == "made" or len(index) == MADE
    assert [one.text for one in index.documents()] == texts
    index.check()
    assert index.search("w77", k=1, exhaustive=True)[0].id == "77"
    assert index.version == 1
    index.add("more", ids="more")
    left = {path.name for path in folder.iterdir()}
    assert left <= {
        *("application.json", "application.lock", "index"),
        *("documents.sqlite", "documents.sqlite-wal", "documents.sqlite-shm"),
    }


@pytest.mark.parametrize("number", [0, 1])
def test_an_index_killed_while_it_is_made_is_made_again(started, tmp_path, number):
    killed_while_making(started, tmp_path, number, 0.6)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_an_index_killed_many_times_while_it_is_made_is_made_again(started, tmp_path):
    for number in range(2, 2 + max(KILLS // 5, 1)):
        killed_while_making(started, tmp_path, number, 1.5)
        shutil.rmtree(tmp_path / f"made{number}")
