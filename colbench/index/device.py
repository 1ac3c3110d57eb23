"""The torch device that scans vectors and builds indexes where that is not the processor.

`cpu` stands for the compiled path everywhere in `colbench.index`; any other name is a torch device.
Products there are float32, as on the CPU, from the same stored values: scores differ by the order
of additions alone, as long as torch's default holds that keeps TF32 out of float32 products.

torch is imported inside the functions: a process that searches on the CPU may do without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.backends.runtime import pick_device
from colbench.errors import ColbenchError, ConfigError

if TYPE_CHECKING:
    import torch

_FREE_SHARE = 0.1
"""Share of the free memory that nothing resident may take: other allocations come after it."""


def search_device(setting: str) -> str:
    """Return the device that a setting stands for.

    Args:
        setting: `auto` takes a CUDA device where there is one and else `cpu`; any other value is a
            torch device, whose type is cpu or cuda (ROCm's devices are called cuda too).

    Returns:
        `cpu`, or the name of a CUDA device.

    Raises:
        ConfigError: an unknown or absent device, or one of another type.
    """
    if setting == "cpu":
        return "cpu"
    import torch

    chosen = pick_device(setting)
    kind = torch.device(chosen).type
    if kind == "cuda":
        return chosen
    if setting == "auto" or kind == "cpu":
        return "cpu"
    raise ConfigError(f"device={setting!r} can encode but not search; choose auto, cpu or cuda")


def check_device(setting: str) -> None:
    """Fail where `search_device` would; nothing is loaded for `auto` and `cpu`, which never do.

    Raises:
        ConfigError: see there.
    """
    if setting not in ("auto", "cpu"):
        search_device(setting)


def room(device: torch.device, memory_bytes: int) -> int:
    """Return the bytes that may stay on a device.

    Args:
        device: of CUDA, whose free memory counts less a tenth, or any other, where `memory_bytes`
            is the bound because torch does not tell.
        memory_bytes: see there.
    """
    import torch

    if device.type != "cuda":
        return memory_bytes
    free, _ = torch.cuda.mem_get_info(device)
    return int(free * (1 - _FREE_SHARE))


def upload(rows: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy an array, which may be mapped from a file, to a device; its dtype stays."""
    import torch

    return torch.from_numpy(np.array(rows)).to(device)


@contextlib.contextmanager
def memory_of(device: str) -> Iterator[None]:
    """Turn torch's report that a device is full into one that says what to do.

    Raises:
        ColbenchError: an allocation failed.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ColbenchError(
            f"{device} is out of memory; free some of it, or choose device=cpu"
        ) from error
