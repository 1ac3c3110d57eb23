"""Where the configuration lies, and what it offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import colbench

GROUPS = (
    "dataset",
    "encoder",
    "cross_encoder",
    "index",
    "search",
    "system",
    "train",
    "gate",
    "experiment",
)


def conf_folder() -> Path:
    """Return `conf/`: inside the package when installed, beside it in a source tree."""
    package = Path(colbench.__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def options(group: str, extra: Sequence[Path] = ()) -> dict[str, Path]:
    """Return every option of a group (`beir/scifact`) and its file, sorted by name.

    Args:
        group: one of `GROUPS`.
        extra: further configuration folders; theirs win over the built-in ones.
    """
    found = {}
    for folder in [conf_folder(), *extra]:
        root = folder / group
        for path in root.rglob("[!_]*.yaml"):
            found[path.relative_to(root).with_suffix("").as_posix()] = path
    return dict(sorted(found.items()))
