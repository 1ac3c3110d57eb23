"""How fast this machine multiplies matrices: what the speed of an encoder is held against.

Nearly all arithmetic of a transformer is in matrix products, so the rate of one large product in
the same precision is the peak that a forward pass can come near to and not exceed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

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
    precision: str, device: str = "cpu", *, side: int | None = None, seconds: float = 0.5
) -> float | None:
    """Return billions of operations a second of a large square product, the best of several.

    A product and a sum are two operations. The first product does not count.

    Args:
        precision: fp32, bf16, fp16 or int8 (int8 with int32 sums, `torch._int_mm`).
        device: torch device.
        side: rows and columns of the matrices; 8,192 on a GPU by default, 2,048 on a CPU, fewer
            where it would take seconds.
        seconds: time to spend; three products are measured at least.

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
        fastest = _fastest(square, seconds)
    except (RuntimeError, AssertionError):  # no such kernel, no such device, or no memory left
        return None
    return 2 * side**3 / fastest / 1e9


def _fitting(dtype: torch.dtype) -> int:
    """Return the rows and columns of a product on the CPU that does not take seconds."""
    side = _SMALL_SIDE
    while side < _SIDE:
        square = _square(side, dtype, "cpu")
        _multiply(square)
        started = time.perf_counter()
        _multiply(square)
        if 8 * (time.perf_counter() - started) > _LONGEST:
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


def _multiply(square: torch.Tensor) -> None:
    import torch

    if square.dtype == torch.int8:
        torch._int_mm(square, square)
    else:
        torch.mm(square, square)
    if square.device.type == "cuda":
        torch.cuda.synchronize(square.device)


def _fastest(square: torch.Tensor, seconds: float) -> float:
    """Return the seconds of the fastest product."""
    _multiply(square)
    times: list[float] = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < _MOST_REPEATS):
        started = time.perf_counter()
        _multiply(square)
        times.append(time.perf_counter() - started)
    return min(times)
