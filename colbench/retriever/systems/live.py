"""A function or object of the process that starts a run: what `colbench.run` is given.

It can go to no other process, for nothing is pickled, and so it is measured in this one: without
its memory, which is that of everything here. Its settings hold it and no file does.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from colbench.errors import ConfigError
from colbench.retriever.systems.python import PythonSettings, PythonSystem, check_called


@dataclass(frozen=True, eq=False)
class Held:
    """Holds a function or object as it is; a copy holds the same one.

    Attributes:
        system: what is called.
    """

    system: Any

    def __deepcopy__(self, memo: Any) -> Held:
        return self


class LiveSettings(PythonSettings):
    """What is called, and what it is in words."""

    in_process: ClassVar[bool] = True

    target: str = Field(description="what is called, in words")
    held: Any = Field(None, exclude=True, repr=False, description="what is called, in memory")

    def outside(self) -> dict[str, Any]:
        """Nothing: no file says what it does."""
        return {}

    def announcement(self) -> None:
        """Nothing: who gave it knows whose code runs."""
        check_called(self.target, self.called(), self.arguments)

    def called(self) -> Any:
        """Return what is called.

        Raises:
            ConfigError: these settings come out of results, or from a command line.
        """
        if not isinstance(self.held, Held):
            raise ConfigError(
                f"{self.target}: it was given to colbench.run, and is gone with that process; "
                "kind=python names a module and what is called in it"
            )
        return self.held.system


class LiveSystem(PythonSystem):
    """Calls a function, or the methods of an object, of this process."""

    Settings = LiveSettings
    memory_is_known = False

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say where it was measured, and what of the answers was left out."""
        here = (
            f"{self.name}: measured in the process that called colbench.run, beside whatever else "
            "that holds; its memory is not known"
        )
        return [here, *super().notes(queries)]

    def close(self) -> None:
        """Close what was made here of a class; an object stays its owner's."""
        if inspect.isclass(self.settings.called()):
            super().close()

    def metadata(self) -> dict[str, Any]:
        """Nothing: no file says what it does."""
        return {}


SYSTEM = LiveSystem
