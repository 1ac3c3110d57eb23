"""The benchmarks' command where other tests run at the same time."""

from benchmarks.__main__ import main
from benchmarks.encode_speed import timings


def keep_all(*words: str) -> int:
    """Run a command that also keeps what was timed beside other processes."""
    timings.BUSY = 2.0  # more than all of the cores
    return main(list(words))
