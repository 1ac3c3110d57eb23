"""What the engines' scripts have in common: the job, threads, timing, memory, the reply.

Runs in the engine's Python environment, where colbench is not installed: it imports the standard
library, and numpy and torch once their threads are limited.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import json
import os
import random
import re
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
_STATUS = Path("/proc/self/status")


class Engine(Protocol):
    """An engine. Its methods import the engine: the threads are limited only by then."""

    package: str
    """Name of the installed distribution, of which the version is reported."""

    def load_package(self) -> None:
        """Import the engine, which may take seconds that count in no time."""

    def build(
        self, documents: Sequence[Any], folder: Path, *, seed: int, settings: Mapping[str, Any]
    ) -> None:
        """Write an index of `documents`, torch float16 tensors (tokens, dims), into `folder`."""

    def files_read(self, folder: Path) -> list[Path]:
        """Return the files of an index that a search reads."""

    def open(self, folder: Path, *, threads: int) -> None:
        """Open the index that `search` will search."""

    def search(self, query: Any, k: int, settings: Mapping[str, Any]) -> list[int]:
        """Return up to `k` document numbers, best first.

        Args:
            query: torch float32 tensor (1, tokens, dims).
            k: documents wanted.
            settings: one of the job's, without its name.
        """


def main(engine: Engine) -> None:
    """Do the job whose file the command line names; end the process where that fails."""
    try:
        _end_with_the_conductor()
        job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        _limit_threads(int(job["threads"]), int(job["seed"]))
        engine.load_package()
        actions: dict[str, Callable[[Engine, dict[str, Any]], dict[str, Any]]] = {
            "build": _build,
            "search": _search,
            "version": lambda *_: {},
        }
        reply = actions[job["action"]](engine, job)
        version = importlib.metadata.version(engine.package)
        _write(Path(job["reply"]), {"version": version, **reply})
    except BaseException as error:  # a panic in Rust is no Exception
        traceback.print_exc()
        print(one_line(error), file=sys.stderr)
        sys.exit(1)


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message.

    >>> one_line(RuntimeError("too large\\nbacktrace: ..."))
    'RuntimeError: too large'
    """
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _end_with_the_conductor() -> None:
    """End when standard input does, if that is a pipe: nothing then waits for the reply."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return

    def wait() -> None:
        # Not sys.stdin: an orderly exit waits for its lock.
        while os.read(0, 4096):
            pass
        os._exit(130)

    threading.Thread(target=wait, daemon=True).start()


def _limit_threads(threads: int, seed: int) -> None:
    os.environ.update({name: str(threads) for name in _THREAD_VARIABLES})
    # The scripts bear the names of the packages they import, and would be found first.
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder]
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _build(engine: Engine, job: dict[str, Any]) -> dict[str, Any]:
    vectors, lengths = _read(job["vectors"]), _read(job["lengths"])
    if len(lengths) == 0 or int(lengths.min()) < 1 or int(lengths.sum()) != len(vectors):
        raise ValueError(
            "lengths must name at least one document, each of at least one token, and sum to the "
            f"{len(vectors)} vectors"
        )
    documents = list(_split(vectors, lengths))
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    engine.build(documents, folder, seed=int(job["seed"]), settings=job["build"])
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "index_bytes": sum(path.stat().st_size for path in engine.files_read(folder)),
        "peak_rss_bytes": _peak_rss_bytes(),
    }


def _search(engine: Engine, job: dict[str, Any]) -> dict[str, Any]:
    split = _split(_read(job["queries"]), _read(job["query_lengths"]))
    queries = [query.unsqueeze(0) for query in split]
    started = time.perf_counter()
    engine.open(Path(job["folder"]), threads=int(job["threads"]))
    return {
        "open_seconds": time.perf_counter() - started,
        "settings": [_search_with(setting, engine, queries, job) for setting in job["search"]],
        "peak_rss_bytes": _peak_rss_bytes(),
        "anonymous_peak_bytes": _anonymous_peak_bytes(),
    }


def _search_with(
    setting: dict[str, Any], engine: Engine, queries: Sequence[Any], job: dict[str, Any]
) -> dict[str, Any]:
    values = {key: value for key, value in setting.items() if key != "name"}
    try:
        for query in islice(cycle(queries), job["warmup"]):
            engine.search(query, job["k"], values)
        ms, docs = _timed(engine, queries, job, values)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        traceback.print_exc()
        return {"name": setting["name"], "ms": [], "docs": [], "error": one_line(error)}
    return {"name": setting["name"], "ms": ms, "docs": docs, "error": None}


def _timed(
    engine: Engine, queries: Sequence[Any], job: dict[str, Any], settings: Mapping[str, Any]
) -> tuple[list[float], list[list[int]]]:
    """Return each query's least milliseconds over the trials, and its k documents of the first.

    The first trial takes all queries, the others only those that are timed.
    """
    k, trials, timed = job["k"], job["trials"], job.get("timed") or len(queries)
    best = [float("inf")] * len(queries)
    docs: list[list[int]] = []
    gc.collect()
    gc.disable()  # not to pause in the middle of a query
    try:
        for trial in range(trials):
            for number, query in enumerate(queries if trial == 0 else queries[:timed]):
                started = time.perf_counter()
                ranking = engine.search(query, k, settings)
                best[number] = min(best[number], (time.perf_counter() - started) * 1e3)
                if trial == 0:
                    ranking = [int(doc) for doc in ranking[:k]]
                    docs.append(ranking + [-1] * (k - len(ranking)))
    finally:
        gc.enable()
    return best, docs


def _read(path: str) -> Any:
    import numpy as np

    return np.load(path, allow_pickle=False)


def _split(vectors: Any, lengths: Any) -> Sequence[Any]:
    """Return torch views of the vectors of each document or query."""
    import torch

    tensor: Any = torch.from_numpy(vectors)
    views: Sequence[Any] = tensor.split(lengths.tolist())
    return views


def _write(path: Path, reply: dict[str, Any]) -> None:
    """Write the reply so that it is there whole or not at all."""
    half = path.with_name(f".{path.name}.half")
    half.write_text(json.dumps(reply, allow_nan=False), encoding="utf-8")
    half.replace(path)


def _status_bytes(field: str) -> int | None:
    with contextlib.suppress(OSError):
        match = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        return int(match[1]) * 1024 if match else None
    return None


def _peak_rss_bytes() -> int:
    """Return the largest resident set so far; on Linux not that of a parent before exec."""
    peak = _status_bytes("VmHWM")
    if peak is not None:
        return peak
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _anonymous_peak_bytes() -> int | None:
    """Return how much of the peak no file backs, at least; None where Linux does not tell.

    The index's mapped files only grow in memory, so at the peak they took no more than now.
    """
    mapped = _status_bytes("RssFile")
    return None if mapped is None else _peak_rss_bytes() - mapped
