"""Put questions to the authors' implementation, which lives in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.files import atomic_write

VARIABLE = "COLBENCH_STANFORD_PYTHON"
"""Environment variable that names the Python which has colbert-ai."""

Arrays = dict[str, NDArray]

_SCRIPT = Path(__file__).with_name("stanford_codec.py")


def ask(questions: Mapping[str, Arrays]) -> dict[str, Arrays]:
    """Return the answer to each question, by its name; `stanford_codec.py` says what can be asked.

    All go to one process: importing colbert-ai takes seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, arrays in questions.items():
            question = Path(folder, f"{name}.npz")
            write_npz(question, arrays)
            paths += [question, Path(folder, f"{name}-answer.npz")]
        done = subprocess.run(
            [os.environ[VARIABLE], _SCRIPT, *paths],
            # Away from here: this checkout's packages are not for that Python.
            cwd=folder,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{_SCRIPT.name} failed:\n{done.stderr}")
        return {name: read_npz(path) for name, path in zip(questions, paths[1::2], strict=True)}


def write_npz(path: Path, arrays: Arrays) -> None:
    with atomic_write(path, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
