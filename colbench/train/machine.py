"""What a training runs on: one device, and the arithmetic of its steps."""

from __future__ import annotations

from colbench.encoder.precision import has_bf16
from colbench.encoder.runtime import pick_device
from colbench.errors import ConfigError


def training_device(setting: str) -> str:
    """Return the torch device of a training.

    Args:
        setting: as of an encoder; auto takes a GPU where there is one.

    Raises:
        ConfigError: it is not here, or is a GPU other than the first, where trainers work.
    """
    device = pick_device(setting)
    if device.partition(":")[2] not in ("", "0"):
        raise ConfigError(
            f"a training runs on the first GPU, not on {device}: set device=cuda, and "
            "CUDA_VISIBLE_DEVICES to the one it should be"
        )
    return device


def training_precision(setting: str, device: str) -> str:
    """Return fp32 or bf16.

    Args:
        setting: auto takes bf16 where the device multiplies it.
        device: as `training_device` returns it.
    """
    import torch

    if setting != "auto":
        return setting
    if device.startswith("cuda"):
        # Not is_bf16_supported: that is also true of GPUs that emulate it.
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    return "bf16" if device == "cpu" and has_bf16() else "fp32"
