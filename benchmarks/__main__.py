"""`python -m benchmarks run experiment=…`: the command line of colbench, with its benchmarks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.features import register
from colbench.cli import main as command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; workers find the benchmarks, too.

    Args:
        arguments: the overrides after the program; None takes those of this process.

    Returns:
        What `colbench.cli.main.main` returns.
    """
    place = str(Path(__file__).resolve().parents[1])
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if place not in path:  # workers do not look into the current folder
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [place, *path]))
    register()
    return command.main(arguments, program="python -m benchmarks")


if __name__ == "__main__":
    sys.exit(main())
