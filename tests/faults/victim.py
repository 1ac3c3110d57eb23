"""Operations in real processes, which are there at once and can be killed at any moment."""

from __future__ import annotations

import time
from pathlib import Path

from forking import ENVIRONMENT, Forked, ForkServer

__all__ = ["ENVIRONMENT", "Victims"]


class Victims:
    """Starts operations as forks of the server."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._started: dict[int, Forked] = {}
        self._latest: Forked | None = None

    def start(self, name: str, folder: Path, largest: int | None = None) -> int:
        """Start an operation and return its process id.

        Args:
            name: of the operation.
            folder: it works in.
            largest: size in bytes beyond which no file can grow (RLIMIT_FSIZE).
        """
        path = [Path(__file__).parent]
        forked = self._server.start(
            name, folder, function="operations:carry_out", path=path, largest=largest
        )
        self._started[forked.pid] = self._latest = forked
        return forked.pid

    def wait(self, pid: int) -> int:
        """Wait for an operation to end; return its exit status, negative for a signal."""
        return self._started[pid].wait()

    def run(self, name: str, folder: Path) -> float:
        """Do an operation to its end, which must be a good one; return what it took in seconds."""
        started = time.monotonic()
        code = self.wait(self.start(name, folder))
        assert code == 0, f"{name} ended with {code}: {self.errors()}"
        return time.monotonic() - started

    def errors(self, *pids: int) -> str:
        """Return what operations have written to standard error; that started last by default."""
        if pids:
            return "".join(self._started[pid].stderr for pid in pids)
        return self._latest.stderr if self._latest else ""
