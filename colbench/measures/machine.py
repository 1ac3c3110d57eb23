"""What the machine gives now: two fixed workloads, the rate of matrix products, peak memory.

A latency in milliseconds says as much about the machine as about the system. Divided by the time
of a fixed piece of work of the same run it can be compared with that of another day: the encoding
of a query against a matrix product (arithmetic), a search against a scan (memory).

Nearly all arithmetic of a transformer is in matrix products, so the rate of one large product in
the same precision is the peak that a forward pass can come near to and not exceed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colbench import timing

if TYPE_CHECKING:
    import torch
from pydantic import Field

from colbench.records import Record
from colbench.timing import repeated

_PROCESSES = Path("/proc")


def peak_rss_bytes() -> int:
    """Return the largest resident set this process has had, in bytes.

    On Linux it is VmHWM: the peak that getrusage reports survives exec, so a worker started by a
    large process would carry its parent's.
    """
    peak = _high_water_mark("self")
    if peak is not None:
        return peak
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def peak_rss_bytes_of(process: int) -> int | None:
    """Return the sum of the largest resident sets of a process and of its living descendants.

    Args:
        process: id of a child of this process.

    Returns:
        Bytes; None where the operating system does not tell, or the process has ended.
    """
    import psutil

    try:
        family = [process, *(c.pid for c in psutil.Process(process).children(recursive=True))]
    except psutil.Error:
        return None
    peaks = [_high_water_mark(str(member)) for member in family]
    return None if peaks[0] is None else sum(peak for peak in peaks if peak is not None)


def _high_water_mark(process: str) -> int | None:
    try:
        status = (_PROCESSES / process / "status").read_bytes()
    except OSError:
        return None
    match = re.search(rb"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


_SIDE = 2048
"""Rows and columns of the matrices: 17 GFLOP a product."""

_GPU_SIDE = 8192
"""On a GPU, where a product must outlast its launch: 1.1 TFLOP."""

_SMALL_SIDE = 256
_LONGEST = 1.0
"""Seconds that one product may be expected to take. A processor without products of a kind computes
them hundreds of times slower; smaller matrices show that as well."""

_MOST_REPEATS = 50


def gemm_gflops(
    precision: str,
    device: str = "cpu",
    *,
    side: int | None = None,
    seconds: float = 0.5,
    least: int = 3,
) -> float | None:
    """Return billions of operations a second of a large square product, the best of several.

    A product and a sum are two operations. The first product does not count.

    Args:
        precision: fp32, bf16, fp16 or int8 (int8 with int32 sums, `torch._int_mm`).
        device: torch device.
        side: rows and columns of the matrices; 8,192 on a GPU by default, 2,048 on a CPU, fewer
            where it would take seconds.
        seconds: time to spend, as far as 50 products go.
        least: products measured, however long they take.

    Returns:
        GFLOP/s, or None where torch cannot multiply so on this device.

    Raises:
        ValueError: an unknown precision.
    """
    import torch

    dtypes = {
        "fp32": torch.float32,
        "bf16": torch.bfloat16,
        "fp16": torch.float16,
        "int8": torch.int8,
    }
    if precision not in dtypes:
        raise ValueError(f"unknown precision {precision!r}")
    try:
        on_gpu = torch.device(device).type != "cpu"
        if precision == "fp16" and not on_gpu:  # emulated, and no encoder runs so
            return None
        side = side or (_GPU_SIDE if on_gpu else _fitting(dtypes[precision]))
        square = _square(side, dtypes[precision], device)
        fastest = min(product_seconds(square, least=least, for_seconds=seconds, most=_MOST_REPEATS))
    except (RuntimeError, AssertionError):  # no such kernel, no such device, or no memory left
        return None
    return 2 * side**3 / fastest / 1e9


def _fitting(dtype: torch.dtype) -> int:
    """Return the rows and columns of a product on the CPU that does not take seconds."""
    side = _SMALL_SIDE
    while side < _SIDE:
        square = _square(side, dtype, "cpu")
        _multiply(square)
        if 8 * timing.seconds(lambda: _multiply(square)) > _LONGEST:  # noqa: B023, called here
            break
        side *= 2
    return side


def _square(side: int, dtype: torch.dtype, device: str) -> torch.Tensor:
    import torch

    generator = torch.Generator().manual_seed(0)
    if dtype == torch.int8:
        values = torch.randint(-127, 128, (side, side), generator=generator, dtype=dtype)
    else:
        values = torch.rand((side, side), generator=generator).to(dtype)
    return values.to(device)


def product_seconds(
    square: NDArray[np.float32] | torch.Tensor,
    *,
    least: int,
    for_seconds: float = 0.0,
    most: int | None = None,
) -> list[float]:
    """Return the seconds of each of several products of a square matrix with itself.

    Args:
        square: of numpy, whose product is that of its BLAS, or of torch.
        least: products, after one that does not count.
        for_seconds: further ones until they have taken so long together.
        most: bound on their number.
    """
    return timing.repeated(
        lambda: _multiply(square), least=least, for_seconds=for_seconds, most=most
    )


def _multiply(square: NDArray[np.float32] | torch.Tensor) -> None:
    if isinstance(square, np.ndarray):
        _ = square @ square
        return
    import torch

    if square.dtype == torch.int8:
        torch._int_mm(square, square)
    else:
        torch.mm(square, square)
    if square.device.type == "cuda":
        torch.cuda.synchronize(square.device)


_CALIBRATED_SIDE = 1024
"""Rows and columns of the product's float32 matrices: 2.1 GFLOP."""

_SCANNED = 16_384
"""Rows of `_SIDE` float32 values that a scan reads: 64 MiB, more than a core's own caches hold."""

_REPEATS = 9


class Calibration(Record):
    """Fixed work, timed just after the system with the same threads: how fast the machine was."""

    gemm_ms: float = Field(gt=0, description="product of two 1024 × 1024 float32 matrices, median")
    scan_ms: float = Field(gt=0, description="64 MiB float32 matrix times a vector, median")


def calibrate() -> Calibration:
    """Time both workloads, with the threads this process was given. Takes about half a second."""
    random = np.random.default_rng(0)
    rows = random.random((_SCANNED, _CALIBRATED_SIDE), np.float32)
    square, vector = rows[:_CALIBRATED_SIDE].copy(), rows[0].copy()
    products = product_seconds(square, least=_REPEATS)
    scans = repeated(lambda: rows @ vector, least=_REPEATS)
    return Calibration(
        gemm_ms=float(np.median(products)) * 1000, scan_ms=float(np.median(scans)) * 1000
    )
