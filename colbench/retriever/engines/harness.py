"""Runs an engine for colbench: `PYTHON harness.py ENGINE.py`, driven over its standard streams.

Runs in the engine's Python environment, where colbench is not installed: it imports the standard
library, and numpy when the first request comes.

A request is a line of JSON on standard input, followed by as many raw bytes as its key `bytes`
says; the answer is a line of JSON on standard output. The process ends when standard input does.
What the engine itself prints goes to standard error.

| request | what it does | answer |
|---|---|---|
| `start` | imports the engine | `versions` |
| `build` | an index of the vectors in two `.npy` files | `ns` |
| `open` | opens an index | `ns`, `files`: those that a search reads, and their bytes |
| `search` | one query, its float32 vectors after the line | `ns`, `docs`, `scores` |

`ns` are nanoseconds of the engine's own call, on the clock of this process. What fails is answered
with `error`, one line, and the process goes on.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Engine(Protocol):
    """The class `Engine` of an engine's file.

    It may have two methods more: `load(self)`, which imports the engine, so that this counts in no
    time, and `files_read(self, folder)`, the files of an index that a search reads, by default all.
    """

    def build(
        self,
        documents: Sequence[NDArray[np.float16]],
        folder: Path,
        *,
        settings: Mapping[str, Any],
        seed: int,
        threads: int,
    ) -> None:
        """Write an index.

        Args:
            documents: (tokens, dims) each, at least one token, mapped into memory.
            folder: where; it is there and empty.
            settings: those of `BUILD` that are not None.
            seed: of everything random.
            threads: that may be used; the variables of OpenMP and its like say the same.
        """

    def open(self, folder: Path, *, threads: int) -> None:
        """Open the index that `search` will search."""

    def search(
        self, query: NDArray[np.float32], k: int, settings: Mapping[str, Any]
    ) -> Sequence[tuple[int, float]]:
        """Return up to `k` documents, by number, with their scores, in any order.

        Args:
            query: (tokens, dims).
            k: documents wanted.
            settings: those of `SEARCH` that are not None.
        """


class _Runner:
    """The engine of a file, and what is asked of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.engine: Any = None
        self.threads = 1
        self.seed = 0

    def start(self, request: dict[str, Any], _: bytes) -> dict[str, Any]:
        import numpy as np

        self.threads, self.seed = int(request["threads"]), int(request["seed"])
        random.seed(self.seed)
        np.random.seed(self.seed)
        self.engine = _module(self.file).Engine()
        load = getattr(self.engine, "load", None)
        if load is not None:
            load()
        torch = sys.modules.get("torch")
        versions = {"python": platform.python_version(), "numpy": np.__version__}
        if request["package"]:
            versions[request["package"]] = importlib.metadata.version(request["package"])
        if torch is not None:
            torch.set_num_threads(self.threads)
            with contextlib.suppress(RuntimeError):  # once only, and the engine may have done it
                torch.set_num_interop_threads(self.threads)
            torch.manual_seed(self.seed)
            versions["torch"] = str(torch.__version__)
        return {"versions": versions}

    def build(self, request: dict[str, Any], _: bytes) -> dict[str, Any]:
        import numpy as np

        # Copied where they are written to, which torch wants to be allowed.
        vectors = np.load(request["vectors"], mmap_mode="c", allow_pickle=False)
        lengths = np.load(request["lengths"], allow_pickle=False)
        if len(lengths) == 0 or int(lengths.min()) < 1 or int(lengths.sum()) != len(vectors):
            raise ValueError(
                "lengths must name at least one document, each of at least one token, and sum to "
                f"the {len(vectors)} vectors"
            )
        documents = np.split(np.asarray(vectors), np.cumsum(lengths)[:-1])
        folder = Path(request["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        options = {"settings": request["settings"], "seed": self.seed, "threads": self.threads}
        started = time.perf_counter_ns()
        self.engine.build(documents, folder, **options)
        return {"ns": time.perf_counter_ns() - started}

    def open(self, request: dict[str, Any], _: bytes) -> dict[str, Any]:
        folder = Path(request["folder"])
        started = time.perf_counter_ns()
        self.engine.open(folder, threads=self.threads)
        took = time.perf_counter_ns() - started
        read = getattr(self.engine, "files_read", _all_files)
        files = [Path(path) for path in read(folder)]
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        return {"ns": took, "files": dict(sorted(sizes.items()))}

    def search(self, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        import numpy as np

        query = np.frombuffer(payload, dtype="<f4").reshape(request["shape"]).copy()
        k, settings = request["k"], request["settings"]
        gc.disable()  # not to pause in the middle of a query
        try:
            started = time.perf_counter_ns()
            ranking = self.engine.search(query, k, settings)
            took = time.perf_counter_ns() - started
        finally:
            gc.enable()
        docs = [int(doc) for doc, _ in ranking]
        return {"ns": took, "docs": docs, "scores": [float(score) for _, score in ranking]}


def _all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _module(file: Path) -> Any:
    """Import the engine's file; what lies beside this one must not shadow what it imports."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    if file.parent != here / "builtin":  # its files bear the names of the packages they import
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location("colbench_engine", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message.

    >>> one_line(RuntimeError("too large\\nbacktrace: ..."))
    'RuntimeError: too large'
    """
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _answer(work: Callable[[dict[str, Any], bytes], Any], request: Any, payload: bytes) -> Any:
    try:
        return work(request, payload)
    except BaseException as error:  # a panic in Rust is no Exception
        traceback.print_exc()
        return {"error": one_line(error), "missing": isinstance(error, ModuleNotFoundError)}


def _read(stream: Any, requests: SimpleQueue[tuple[dict[str, Any], bytes]]) -> None:
    """Pass on what is asked, and end the process when nobody is left who asks."""
    try:
        for line in iter(stream.readline, b""):
            request = json.loads(line)
            requests.put((request, stream.read(request.get("bytes", 0))))
    finally:
        os._exit(130)


def main(file: str) -> None:
    """Answer requests until standard input ends."""
    asked, answered = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # an engine that asks for something gets an EOFError
    os.dup2(2, 1)  # and what it prints is no answer
    faulthandler.enable(file=2)
    requests: SimpleQueue[tuple[dict[str, Any], bytes]] = SimpleQueue()
    reader = threading.Thread(target=_read, args=(os.fdopen(asked, "rb"), requests), daemon=True)
    reader.start()
    runner = _Runner(Path(file).resolve())
    with os.fdopen(answered, "wb") as stream:
        while True:
            request, payload = requests.get()
            answer = _answer(getattr(runner, request["action"]), request, payload)
            stream.write(json.dumps(answer).encode("utf-8") + b"\n")
            stream.flush()


if __name__ == "__main__":
    main(sys.argv[1])
