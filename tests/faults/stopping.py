"""Stopping an operation at a random moment, and taking it up again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from states import left_over
from trials import Trial
from victim import Victims

_LATEST = 1.1
"""The latest moment, in usual durations: some operations end before they are stopped."""


class Stopping:
    """An operation, its state before and after, and how long it takes.

    Attributes:
        before: folder in the state before it.
        after: folder in which it was done once, undisturbed.
        usual: seconds it takes.
    """

    def __init__(self, victims: Victims, name: str, folder: Path) -> None:
        self.victims, self.name = victims, name
        self.before, self.after = folder / "before", folder / "after"
        victims.run(f"prepare-{name}", self.before)
        if name == "report":
            victims.run("run", self.before)
            for file in (self.before / "out").glob("report.*"):
                file.write_text("an old report\n", encoding="utf-8")
        self.fresh(self.after)
        took = [victims.run(name, self.after)]
        for number in range(0 if name in ("run", "report") else 2):
            took.append(victims.run(name, self.fresh(folder / f"again{number}")))
        self.usual = min(took)
        assert not left_over(self.after)

    def fresh(self, folder: Path) -> Path:
        """Bring a folder into the state before."""
        shutil.copytree(self.before, folder, dirs_exist_ok=True)
        return folder

    def stopped(
        self,
        folder: Path,
        rng: random.Random,
        trial: Trial,
        signal: int,
        find: Callable[[Path], int | None] | None = None,
    ) -> int:
        """Do the operation in a new folder and send it a signal on the way.

        Args:
            folder: made here.
            rng: draws the moment, uniformly over the usual duration.
            trial: told whether the operation had not ended by then.
            signal: sent to the process, or to the one that `find` finds at that moment.
            find: takes the folder; None where it finds none.

        Returns:
            Its exit status.
        """
        self.fresh(folder)
        pid = self.victims.start(self.name, folder)
        time.sleep(rng.uniform(0, _LATEST * self.usual))
        with contextlib.suppress(ProcessLookupError):
            os.kill((find(folder) if find else None) or pid, signal)
        code = self.victims.wait(pid)
        if code:
            trial.interrupted()
        return code

    def resume(self, folder: Path) -> None:
        """Do the same again, to its end; nothing of the work may be left over then."""
        self.victims.run(self.name, folder)
        assert not left_over(folder)
