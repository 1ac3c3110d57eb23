"""Changes to an index that are killed on the way, in real processes.

Run as a program it answers orders from standard input. Each order is carried out by a fork, which
kills itself (SIGKILL, so nothing is flushed or cleaned up) just before it touches the folder for
the n-th time: before it opens a file to write, renames, removes, makes or removes a directory. The
program itself only imports, so that a fork starts in no time and inherits no running thread.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import ENCODER, Vectors, as_documents, build, unit

from colbench.index.colbert.segment import Coded, write_segment
from colbench.index.colbert.writer import IndexWriter
from colbench.progress import QUIET_VARIABLE

DIMS = 16
_CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


def documents(seed: int, ids: list[str]) -> Vectors:
    """Return documents of one to four tokens."""
    rng = np.random.default_rng(seed)
    return {doc: unit(rng, 1 + len(doc) % 4, DIMS) for doc in ids}


def first_build(folder: Path) -> None:
    """Build a small index."""
    build(folder, documents(1, ["a", "bb", "ccc", "dddd", "e"]), DIMS, nbits=2, centroids=6)


def earlier_changes(folder: Path) -> None:
    """Bring the index into a state with two segments and a deleted document."""
    with IndexWriter.open(folder) as writer:
        writer.add(as_documents(documents(2, ["f", "gg"]), DIMS))
        writer.delete(["ccc"])


def change(folder: Path, name: str) -> None:
    """Make the change of this name: one commit."""
    if name == "build":
        first_build(folder)
        return
    with IndexWriter.open(folder, encoder=ENCODER) as writer:
        if name == "add":
            writer.add(as_documents(documents(3, ["hhh", "i"]), DIMS))
        elif name == "delete":
            writer.delete(["a", "gg"])
        elif name == "update":
            writer.update(as_documents(documents(4, ["bb", "f"]), DIMS))
        elif name == "compact":
            writer.compact()
        else:
            raise ValueError(name)


def _kill_at(stop: int, folder: Path) -> None:
    """Make this process kill itself before its n-th change to the folder."""
    left = [stop]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not writes and event not in _CHANGING:
            return
        if isinstance(arguments[0], int):  # a file that is open already
            return
        path = Path(os.fsdecode(arguments[0]))
        # Relative paths are those of shutil.rmtree, which works from directory to directory.
        if path.is_absolute() and not path.is_relative_to(folder):
            return
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


class Crasher:
    """The program, started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {QUIET_VARIABLE: "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def run(self, folder: Path, name: str, stop: int) -> bool:
        """Make a change and kill it before it touches the folder for the `stop`-th time.

        Returns:
            Whether it was killed; else it was through before.
        """
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([str(folder), name, stop]) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in (0, -signal.SIGKILL), f"{name} failed by itself: {status}"
        return status != 0

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _answer(folder: Path, name: str, stop: int) -> int:
    def work() -> None:
        _kill_at(stop, folder)
        change(folder, name)

    return _fork(work)


def _warm_up() -> None:
    """Load what a fork needs, short of anything that starts threads: they do not survive a fork."""
    import faiss
    import torch

    assert faiss and torch
    one = np.ones(1, np.int64)
    document = Coded(["a"], one, one.astype(np.uint16), np.zeros((1, 4), np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        write_segment(Path(folder), "one", [document], centroids=6, width=4, halves=False)


def main() -> None:
    """Answer orders."""
    _warm_up()
    for line in sys.stdin:
        folder, name, stop = json.loads(line)
        print(_answer(Path(folder), name, stop), flush=True)


if __name__ == "__main__":
    main()
