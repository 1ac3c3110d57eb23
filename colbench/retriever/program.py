"""A program that is asked in lines on its standard input and answers in lines on its output.

It leads a group of its own, in the session of its worker, and is ended with all that it has
started. Nothing that it does can keep colbench waiting, or fill its memory: every answer has a time
and a largest size, and of what it says on standard error only the end is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import psutil

from colbench.collection.raw import short
from colbench.errors import ProgramError
from colbench.timing import Stopwatch

LONGEST_LINE = 64 << 20
_BLOCK = 1 << 16
_TAIL = 1 << 16
_LOOK = 0.5
_PATIENCE = 2.0
"""Seconds that a program has to end by itself once its input has ended."""


class Program:
    """A running program.

    Args:
        command: program and arguments.
        folder: where it runs; None for the working folder.
        variables: of its environment, besides those of this process.
        name: what it is called in messages; default: the program, by its file.
        look: called now and then while it works; it may end it with `fail`.
        asked: whether it answers questions; otherwise its input is empty and its output is taken
            for what it says on standard error.

    Raises:
        ProgramError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path | None,
        variables: Mapping[str, str],
        *,
        name: str | None = None,
        look: Callable[[], None] | None = None,
        asked: bool = True,
    ) -> None:
        self._name = name or f"the program {short(Path(command[0]).name)}"
        self._look = look
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env={**os.environ, **variables},
                stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if asked else subprocess.STDOUT,
                process_group=0,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ProgramError(f"cannot start {short(command[0])}: {reason}") from None
        self._left = b""
        self._said: deque[bytes] = deque()
        speech = self._process.stderr if asked else self._process.stdout
        self._listener = threading.Thread(target=self._listen, args=(speech,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Id of its process, which leads a group."""
        return self._process.pid

    def ask(
        self,
        question: Mapping[str, Any],
        seconds: float,
        payload: bytes = b"",
        *,
        remedy: str = "raise timeout_seconds",
    ) -> Any:
        """Send a line of JSON and return what the next line of the answer says.

        Args:
            question: the line.
            seconds: that it may take.
            payload: bytes that follow the line.
            remedy: what to do where it takes longer.

        Raises:
            ProgramError: there is no answer within so many seconds, it is no JSON or too long, or
                the program has ended.
        """
        assert self._process.stdout is not None
        if not self._left and select.select([self._process.stdout], [], [], 0)[0]:
            self._left = os.read(self._process.stdout.fileno(), _BLOCK)
            if not self._left:
                self._ended()
        if self._left:
            self.fail(f"a line too many: {self._shown(self._left)}")
        watch = Stopwatch()
        self._send(json.dumps(question).encode() + b"\n" + payload, watch, seconds, remedy)
        line = self._line(watch, seconds, remedy)
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            self.fail(f"a line that is not JSON: {self._shown(line)}")

    def wait_until_ready(self, word: str, seconds: float) -> None:
        """Wait for a line that is this word.

        Raises:
            ProgramError: another line, or none within so many seconds.
        """
        line = self._line(Stopwatch(), seconds)
        if line.strip().decode("utf-8", "replace") != word:
            self.fail(f"{self._shown(line)} in place of {short(word)}, its word for being ready")

    def _send(self, data: bytes, watch: Stopwatch, seconds: float, remedy: str) -> None:
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        os.set_blocking(pipe, False)
        while data:
            _, free, _ = select.select([], [pipe], [], max(seconds - watch.seconds, 0))
            if not free:
                self.fail(f"it reads no query within {seconds:g} s: {remedy}")
            try:
                data = data[os.write(pipe, data[:_BLOCK]) :]
            except BlockingIOError:
                continue
            except OSError:
                self._ended()

    def _line(
        self, watch: Stopwatch, seconds: float, remedy: str = "raise timeout_seconds"
    ) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        blocks, size = [self._left], len(self._left)
        while b"\n" not in blocks[-1]:
            left = max(seconds - watch.seconds, 0)
            ready, _, _ = select.select([pipe], [], [], min(left, _LOOK))
            if not ready and left > 0:
                if self._ends_within(0):  # while a process that it has left holds its output
                    self._ended()
                if self._look is not None:
                    self._look()
                continue
            if not ready:
                self.fail(f"it gives no answer within {seconds:g} s: {remedy}")
            block = os.read(pipe, _BLOCK)
            if not block:
                self._ended()
            blocks.append(block)
            size += len(block)
            if size > LONGEST_LINE:
                self.fail(f"a line of more than {LONGEST_LINE >> 20} MiB: return the k best")
        line, _, self._left = b"".join(blocks).partition(b"\n")
        return line

    def _ended(self) -> NoReturn:
        if not self._ends_within(_PATIENCE):
            self.fail("it closed its output and goes on")
        self.close(at_once=True)
        self.fail(f"it ended with {self._status()}")

    def _status(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return signal.Signals(-code).name
        return f"status {code}"

    def _ends_within(self, seconds: float) -> bool:
        """Wait for its process to end; its id stays taken, and its group can be ended."""
        watch = Stopwatch()
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if watch.seconds >= seconds:
                return False
            time.sleep(0.005)
        return True

    def fail(self, what: str) -> NoReturn:
        """End it and raise, with the last line of what it said on standard error.

        Raises:
            ProgramError: always.
        """
        self.close(at_once=True)
        said = self.said()
        # What follows is the stack that Python shows as it is ended by a signal.
        before = said.partition("Fatal Python error")[0] or said
        lines = [line.strip() for line in before.splitlines() if line.strip()]
        last = f"; its last words: {short(lines[-1][:300])}" if lines else ""
        raise ProgramError(f"{self._name}: {what}{last}", log=said)

    def said(self) -> str:
        """Return the end of what it has said on standard error so far."""
        return b"".join(self._said).decode("utf-8", "replace")

    @staticmethod
    def _shown(line: bytes) -> str:
        return short(line[:200].decode("utf-8", "replace"))

    def _listen(self, speech: Any) -> None:
        """Keep the end of what it says."""
        size = 0
        with contextlib.suppress(OSError, ValueError):
            while block := os.read(speech.fileno(), _BLOCK):
                self._said.append(block)
                size += len(block)
                while size - len(self._said[0]) >= _TAIL:
                    size -= len(self._said.popleft())

    def finish(self, seconds: float) -> int:
        """Wait for it to end by itself, as one that builds an index does.

        Returns:
            The largest resident set that one of its processes has had, in bytes.

        Raises:
            ProgramError: it takes longer than so many seconds, or its status is not 0.
        """
        if not self._ends_within(seconds):
            self.fail(f"it did not end within {seconds:g} s: raise build_timeout_seconds")
        self._kill_group()
        _, status, used = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            self.fail(f"it ended with {self._status()}")
        self.close(at_once=True)
        return used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024

    def close(self, *, at_once: bool = False) -> None:
        """End its input, give it a moment, and end all that is left of it; once is enough."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._process.returncode is None:
            if not at_once:
                self._ends_within(_PATIENCE)
            self._kill_group()
            self._process.wait()
        self._listener.join(_PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not self._listener.is_alive():
                stream.close()

    def _kill_group(self) -> None:
        """End it and its descendants, also those that have left its group."""
        family = []
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(self.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for member in family:
            with contextlib.suppress(psutil.Error):
                member.kill()
