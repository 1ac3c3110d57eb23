"""Doing a job in this process: for a system that is an object of it, and can go to no other."""

from __future__ import annotations

import random
import threading
from typing import TypeVar

import numpy as np
from pydantic import BaseModel

from colbench.experiment.job import Failure, Job
from colbench.experiment.worker import perform

_MEASURING = threading.Lock()
"""Held while something is timed here: two at once would time each other."""
_Value = TypeVar("_Value", bound=BaseModel)


def run_here(job: Job, reply: type[_Value]) -> _Value | Failure:
    """Do a job as a worker does, but here, and leave the state of random numbers as it was.

    Args:
        job: what to do.
        reply: class of what the job's function returns.

    Returns:
        What the job's function returned; a `Failure` where it raised an error, or wanted to exit.

    Raises:
        KeyboardInterrupt: the user interrupted it.
    """
    job.log.unlink(missing_ok=True)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with _MEASURING:
        before = random.getstate(), np.random.get_state()
        try:
            left = perform(job)
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
    return left.failure if left.failure is not None else reply.model_validate(left.value)
