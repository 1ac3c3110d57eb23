"""Want of memory or of threads: told from whatever a library raised or wrote, in one line.

Where the address space is limited (`ulimit -v`), each library says it in its own way: the loader
cannot map a file, OpenBLAS and LLVM write a line and end the process, torch raises a RuntimeError.
This module imports nothing that would want memory itself.
"""

from __future__ import annotations

import errno
import re

_WORDS = re.compile(
    r"failed to map segment|(?:can ?not|can.t) (?:map|allocate)|memory allocation|"
    r"(?:not enough|out of|insufficient) memory|bad_?alloc|MemoryError|(?:can't|cannot) "
    r"(?:start new|create) thread|pthread_create|thread creation failed|threadpool|"
    r"unable to allocate|failed to allocate|failed to spawn thread",
    re.IGNORECASE,
)
_LOADING = re.compile(r"shared object|\.so\b|DLL load failed", re.IGNORECASE)
_LONGEST = 160
_LEAST_BYTES = 160 << 20
"""Address space without which not even the help can be shown."""

_LITTLE_BYTES = 4 << 30
_DRAWING_BYTES = 67 << 30


def address_space() -> int | None:
    """Return the bytes of address space that this process may have; None for no limit."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def too_little_to_start() -> str | None:
    """Return one line where nothing can be imported in the address space; None elsewhere."""
    limit = address_space()
    if limit is None or limit >= _LEAST_BYTES:
        return None
    return f"out of memory: {_remedy()}"


def careful_threads() -> dict[str, str]:
    """Return variables under which OpenBLAS starts in little address space; none in enough of it.

    Each of its threads takes a buffer at once, and where there is none it tries again for ever.
    """
    limit = address_space()
    return {"OPENBLAS_NUM_THREADS": "1"} if limit is not None and limit < _LITTLE_BYTES else {}


def cannot_draw() -> str | None:
    """Return one line where there is too little address space to draw a picture; None elsewhere.

    The engine that draws (V8) reserves 64 GiB of it, of which it uses little, and where it cannot
    it ends the process.
    """
    limit = address_space()
    if limit is None or limit >= _DRAWING_BYTES:
        return None
    return (
        f"pictures take 72 GB of address space, of which {limit / 1e6:,.0f} MB are allowed: "
        "raise the limit (ulimit -v unlimited)"
    )


def told_by(text: str) -> bool:
    """Return whether a text, such as a line of a log, is about want of memory.

    >>> told_by("OpenBLAS error: Memory allocation still failed"), told_by("KeyError: 'a'")
    (True, False)
    """
    limited = address_space() is not None
    return bool(_WORDS.search(text) or (limited and _LOADING.search(text)))


def shortage(error: BaseException) -> str | None:
    """Return one line about an error that want of memory has caused; None for any other.

    Args:
        error: what was raised. What it came of counts, too.
    """
    seen: BaseException | None = error
    for _ in range(20):  # a chain may be a circle
        if seen is None:
            return None
        if _is_shortage(seen):
            return out_of_memory(f"{type(seen).__name__}: {seen}" if str(seen) else "")
        seen = seen.__cause__ or seen.__context__
    return None


def out_of_memory(reason: str = "") -> str:
    """Say that memory is short, in one line: why that is known, and what to do.

    >>> print(out_of_memory("MemoryError"))  # doctest: +ELLIPSIS
    out of memory (MemoryError): ...
    """
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    line = next(filter(_WORDS.search, lines), lines[0] if lines else "")[:_LONGEST]
    return f"out of memory{f' ({line})' if line else ''}: {_remedy()}"


def _is_shortage(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    kinds = (ImportError, OSError, RuntimeError, SystemError)
    return isinstance(error, kinds) and told_by(str(error))


def _remedy() -> str:
    limit = address_space()
    if limit is None:
        return "lower memory_gb or encoder.batch_tokens"
    return (
        f"address space is limited to {limit / 1e6:,.0f} MB: raise the limit (ulimit -v), or lower "
        "memory_gb or encoder.batch_tokens"
    )
