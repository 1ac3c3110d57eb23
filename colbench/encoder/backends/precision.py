"""What `auto` means: the fastest arithmetic that this machine has for an encoder.

| machine                                | precision | backend  |
|----------------------------------------|-----------|----------|
| GPU                                    | bf16, fp16 where it has no bf16 | torch |
| CPU with int8 products, openvino there | int8      | openvino |
| CPU with bf16 products                 | bf16      | torch    |
| any other                              | fp32      | torch    |

What that costs in effectiveness is measured by `python -m benchmarks run experiment=encode_speed`;
fp32 is the reference that reproduces published numbers. A precision that is asked for is never
replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from colbench.encoder.base import Arithmetic
from colbench.encoder.settings import EncoderSettings
from colbench.errors import ConfigError

_INSTALL = "pip install 'colbench[openvino]'"
_INT8_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8")
_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def choose_arithmetic(settings: EncoderSettings, device: str) -> Arithmetic:
    """Resolve backend and precision for a torch device that exists.

    Raises:
        ConfigError: the two do not go together, or the backend's packages are missing.
    """
    on_cpu = device.split(":")[0] == "cpu"
    backend: str = settings.backend
    precision: str = settings.precision
    if backend == "openvino" and not on_cpu:
        raise ConfigError(f"backend=openvino runs on the CPU, not on {device}; set device=cpu")
    if precision == "int8" and (backend == "torch" or not on_cpu):
        raise ConfigError(
            "precision=int8 needs backend=openvino and device=cpu; choose bf16 or auto otherwise"
        )
    check_precision(precision, device)
    if (backend == "openvino" or precision == "int8") and not openvino_installed():
        raise ConfigError(f"backend=openvino needs packages that are missing; run {_INSTALL}")
    if backend == "openvino" and precision == "bf16" and not has_bf16():
        raise ConfigError(
            "backend=openvino with precision=bf16 needs a CPU that multiplies bf16; choose fp32"
        )
    if precision == "auto":
        precision = _fastest_on_cpu(settings) if on_cpu else _fastest_on_gpu(device)
    if backend == "auto":
        backend = "openvino" if precision == "int8" else "torch"
    return Arithmetic(backend, precision, device)


def without_int8(settings: EncoderSettings, device: str) -> Arithmetic:
    """Return what takes the place of int8 on a CPU: bf16 where it multiplies that, else fp32."""
    backend = "openvino" if settings.backend == "openvino" else "torch"
    return Arithmetic(backend, "bf16" if has_bf16() else "fp32", device)


GAINS = {"int8": (3.0, -0.4, 0.2), "bf16": (1.6, 0.0, 0.2)}
"""Precision on a CPU → how many times as fast as fp32 in torch it encoded documents, and the least
and the largest change of nDCG@10 in points: medians of results/encode_speed, made on SciFact and
pydocs with MiniLM."""


def told_of_auto(settings: EncoderSettings, arithmetic: Arithmetic) -> str | None:
    """Say what `auto` would save on this machine; None where it would save nothing.

    Args:
        settings: of the encoder.
        arithmetic: what it encoded in.
    """
    chosen = settings.precision == "fp32" and settings.backend != "openvino"
    if not chosen or arithmetic.precision != "fp32" or settings.devices:
        return None
    auto = settings.model_copy(update={"precision": "auto"})
    precision = choose_arithmetic(auto, arithmetic.device).precision
    need = ""
    on_cpu = arithmetic.device.split(":")[0] == "cpu"
    if on_cpu and precision != "int8" and not openvino_installed() and _can_int8(settings):
        precision, need = "int8", f"{_INSTALL} and "
    if precision == "fp32":
        return None
    begin = f"documents are encoded in fp32, as published numbers are; {need}encoder.precision=auto"
    if not on_cpu:
        return f"{begin} takes {precision} here, which is faster"
    times, least, most = GAINS[precision]
    return (
        f"{begin} takes {precision} here, {times:.1f} times as fast in our runs, where it moved "
        f"nDCG@10 by {least:+.1f} to {most:+.1f} points"
    )


def check_precision(precision: str, device: str) -> None:
    """Refuse fp16 on a CPU, which computes it in software.

    Raises:
        ConfigError: precision and device do not go together.
    """
    if precision == "fp16" and device.split(":")[0] == "cpu":
        raise ConfigError("precision=fp16 needs a GPU; choose fp32 or bf16 on a CPU")


def openvino_installed() -> bool:
    """Return whether both packages of the extra are there; imports neither."""
    return find_spec("openvino") is not None and find_spec("nncf") is not None


def cpu_has(*flags: str) -> bool:
    """Return whether this processor has any of the instruction sets."""
    import torch

    # Versions of torch before 2.13 cannot say; fp32 is right everywhere.
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(flag)) for flag in flags)


def has_bf16() -> bool:
    """Return whether this processor multiplies bf16 numbers."""
    return cpu_has(*_BF16_FLAGS)


def _fastest_on_cpu(settings: EncoderSettings) -> str:
    if openvino_installed() and _can_int8(settings):
        return "int8"
    return without_int8(settings, "cpu").precision


def _can_int8(settings: EncoderSettings) -> bool:
    """Return whether int8 is worth it, given the packages for it."""
    # Code of another repository may do what an exported graph does not show.
    exportable = settings.backend != "torch" and not settings.trust_remote_code
    return exportable and cpu_has(*_INT8_FLAGS)


def _fastest_on_gpu(device: str) -> str:
    import torch

    if torch.device(device).type != "cuda":
        return "fp32"
    # Not is_bf16_supported: that is also true of GPUs that emulate it.
    native = torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8
    return "bf16" if native else "fp16"
