"""`python -m benchmarks run experiment=…`: the command line of colbench, with its benchmarks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.features import register
from colbench.cli.main import main

if __name__ == "__main__":
    # Workers look for the benchmarks, too, and do not look into the current folder.
    path = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    register()
    sys.exit(main(program="python -m benchmarks"))
