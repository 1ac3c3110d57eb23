"""Where a run was measured: machine, versions, commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil

from colbench.results.schema import Environment

_PACKAGES = (
    "bm25s",
    "colbench",
    "faiss-cpu",
    "ir-datasets",
    "nncf",
    "numba",
    "numpy",
    "openvino",
    "PyStemmer",
    "rank-bm25",
    "ranx",
    "regex",
    "sentence-transformers",
    "stopwordsiso",
    "tokenizers",
    "torch",
    "transformers",
)


def usable_cores() -> int:
    """Return the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_environment(threads: int, seed: int) -> Environment:
    """Describe this machine and this installation."""
    commit, dirty = _git_state()
    return Environment(
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        cpu=_cpu_model(),
        cores=usable_cores(),
        threads=threads,
        memory_bytes=psutil.virtual_memory().total,
        accelerator=_accelerator(),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
        git_commit=commit,
        git_dirty=dirty,
        seed=seed,
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _accelerator() -> str | None:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _git_state() -> tuple[str | None, bool | None]:
    """Return the commit and dirtiness of the tree the package runs from, if it is colbench's."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return None, None
