"""What the core knows of features: their names, and where the work of each is found.

A feature is a folder with everything of it, and a line in `REGISTERED`. In the folder, `feature.py`
describes it as `FEATURE`; everything else is named there by an entry point (`package.module:name`)
and imported when it is needed. A feature is taken out by deleting its folder and its line.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGISTERED = [
    "colbench.sweep",
    "colbench.train",
    "colbench.reproduce",
    "colbench.explain",
    "colbench.compare",
    "colbench.gate",
    "colbench.token_vectors",
    "colbench.mteb",
    "colbench.serve",
    "colbench.vespa",
]
"""Packages of the features, in the order in which they are asked."""


@dataclass(frozen=True)
class Feature:
    """A feature, as the core sees it; every entry point is optional.

    Attributes:
        name: its key in a configuration, where it has settings; the value of `task`, where it has
            a task.
        settings: class of the settings under its key.
        complete: `(values, folders) -> values`, called with what is composed under the key before
            it is checked.
        group: whether options of the key are files of `conf/<name>/`.
        listed_as: what `colbench list` calls these options.
        task: `(invocation) -> finished`, what `colbench run task=<name>` does; see
            `experiment.task`.
        after_run: `(settings) -> None | (finished, wide) -> status`, called before a run; what it
            returns is called with what the run left, and its status is that of the command.
        run_options: `(parser) -> None`, adds options to `colbench run`; one that sets `instead` to
            `(options, words) -> status` has that called in place of a run.
        examples: lines of the help of `colbench run`.
        commands: `(commands) -> None` each, adds a subcommand.
        conf: a configuration folder of the feature's own.
    """

    name: str
    settings: str | None = None
    complete: str | None = None
    group: bool = False
    listed_as: str | None = None
    task: str | None = None
    after_run: str | None = None
    run_options: str | None = None
    examples: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    conf: Path | None = None


def features() -> list[Feature]:
    """Return all features in the order of their registration."""
    return [importlib.import_module(f"{package}.feature").FEATURE for package in REGISTERED]


def entry_point(name: str) -> Any:
    """Return what `package.module:name` stands for, its module imported.

    >>> entry_point("colbench.features:Feature") is Feature
    True
    """
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
