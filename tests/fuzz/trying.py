"""How many inputs each loader is tried on, and what counts as an answer to a bad one.

In the default suite a property sees a few inputs, the same ones every time. `make fuzz` sets
COLBENCH_FUZZ_EXAMPLES, the inputs a property, and draws from a new seed, which it prints.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
import re
import signal
from collections import Counter
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, given, seed, settings

from colbench.errors import ColbenchError

LONG = "COLBENCH_FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("COLBENCH_FUZZ_EXAMPLES", "80"))
SEED = int(os.environ.get("COLBENCH_FUZZ_SEED", random.SystemRandom().randrange(2**32)))
HANGING = 60
"""Seconds after which an input of a long run counts as one that never ends."""

TRIED: Counter[str] = Counter()
READ: Counter[str] = Counter()


def fuzz(loader, cost=1, **strategies):
    """Make a test a property, whose inputs are counted for `loader`.

    Args:
        loader: what is tried.
        cost: how many times as long an input takes as one of a cheap loader; as many fewer are
            tried.
        strategies: of the test's arguments.
    """

    def decorate(test):
        @functools.wraps(test)
        def counted(*args, **kwargs):
            TRIED[loader] += 1
            with within(HANGING):
                test(*args, **kwargs)

        counted.__signature__ = inspect.signature(test)
        limited = settings(
            max_examples=max(1, EXAMPLES // cost),
            deadline=None,
            database=None,
            derandomize=not LONG,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            print_blob=LONG,
        )(given(**strategies)(counted))
        return seed(SEED)(limited) if LONG else limited

    return decorate


@contextmanager
def within(seconds):
    if not LONG:  # pytest-timeout has the alarm, and watches the whole test
        yield
        return

    def stop(*_):
        raise TimeoutError(f"no answer within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def answer(loader, read, *names):
    """Return what `read` returns, or None where it refuses in one line that has one of `names`."""
    try:
        found = read()
    except ColbenchError as error:
        check_line(str(error), *names)
        return None
    READ[loader] += 1
    return found


def check_line(message, *names):
    assert message.isprintable(), ascii(message)
    assert message.splitlines() == [message]
    assert not names or any(str(name) in message for name in names), message


def numbered_line(message, path):
    """Return the number of the line that a message names, None where it names none."""
    found = re.search(rf"{re.escape(str(path))}:([0-9]+): ", message)
    return int(found[1]) if found else None
