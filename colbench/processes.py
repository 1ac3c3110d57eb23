"""The environment in which other processes are started."""

from __future__ import annotations

import os

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def thread_limits(threads: int, *, default_openmp: bool = False) -> dict[str, str]:
    """Return the variables of a process that may use so many threads.

    Args:
        threads: limit of every numeric library, set before the process starts: a library that is
            not needed need not be imported to be limited, and does not count in the peak memory of
            a system that does without it.
        default_openmp: whether OpenMP's threads wait as they do by default.
    """
    variables = {name: str(threads) for name in _THREAD_VARIABLES}
    variables["PYTHONHASHSEED"] = "0"
    # libgomp's threads wait spinning by default. On a machine with one other busy process that made
    # a query 60 times slower; this costs a tenth on an idle one, and what is another's keeps its
    # defaults.
    if not default_openmp:
        variables["GOMP_SPINCOUNT"] = "1000"
    return variables


def threads_of_this_process() -> int:
    """Return how many threads this process may use: those that its environment says, or all."""
    said = os.environ.get(_THREAD_VARIABLES[0], "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
