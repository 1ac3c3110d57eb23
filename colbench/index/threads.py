"""Work shared among threads so that its result does not depend on how many there are.

How a library rounds a float product depends on how it cuts the matrix, and with several threads it
cuts otherwise. Where two centroids are equally near, because a document occurs twice, the last bit
decides. So a product is cut here, always in the same way, and each part is computed by one thread;
several threads take several parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


def each_on_one_thread(
    work: Callable[[_Part], _Result], parts: Iterable[_Part]
) -> Iterator[_Result]:
    """Yield what `work` makes of each part, in order.

    As many parts are worked on at a time as torch would use threads; inside `work`, torch and faiss
    use one. numpy's own products do not know of that limit: use torch's.
    """
    import torch

    allowed = torch.get_num_threads()
    pool = ThreadPoolExecutor(allowed, "colbench", initializer=_use_one_thread)
    try:
        yield from pool.map(work, parts)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(allowed)  # threads that torch sees later take the last number set


def _use_one_thread() -> None:
    import faiss
    import torch

    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)


def kernels_may_overlap() -> bool:
    """Return whether several threads may be in compiled loops at once, asked after the first.

    numba decides at the first parallel loop of a process which library shares out the work. One of
    them, workqueue, ends the process when two threads come at once: it is what numba falls back to
    without OpenMP, and what importing ranx before the first loop asks for.
    """
    from numba.np.ufunc.parallel import threading_layer

    try:
        return bool(threading_layer() != "workqueue")  # type: ignore[no-untyped-call]
    except ValueError:  # nothing ran yet
        return False
