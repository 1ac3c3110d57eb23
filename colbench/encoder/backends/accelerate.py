"""Putting a model into the arithmetic that was chosen for it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from colbench.encoder.backends.precision import has_bf16
from colbench.encoder.backends.runtime import set_weights
from colbench.encoder.base import Arithmetic
from colbench.encoder.loading.assemble import describe_lengths
from colbench.encoder.loading.fingerprint import fingerprint
from colbench.errors import ConfigError
from colbench.progress import note

LEAST_COSINE = 0.99
"""`auto` leaves int8 alone where token vectors are further from those of fp32 than this."""


def accelerate(
    model: Any, arithmetic: Arithmetic, folder: Path, models: Path, *, replaceable: bool
) -> tuple[Arithmetic, float | None]:
    """Change a loaded fp32 model in place.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.
        arithmetic: what it should run in.
        folder: of the checkpoint.
        models: where converted models are kept.
        replaceable: whether an int8 that does not work, or not well, gives way to torch.

    Returns:
        The arithmetic it runs in, and the mean cosine of its token vectors to those of fp32 (None
        where that was not measured).

    Raises:
        ConfigError: it cannot be converted, and is not replaceable.
    """
    if arithmetic.backend == "torch":
        set_weights(model, arithmetic)
        return arithmetic, None
    from colbench.encoder.backends.openvino import open_backbone

    other = Arithmetic("torch", "bf16" if has_bf16() else "fp32", arithmetic.device)
    # Lengths and prompts are in what the calibration texts become, and so in the conversion.
    parts = {
        "arithmetic": describe_arithmetic(arithmetic),
        "lengths": describe_lengths(model[0]),
        "prompts": dict(model.prompts),
    }
    try:
        key = fingerprint(folder, parts)
        backbone = open_backbone(model, arithmetic.precision, models / key)
    except ConfigError as error:
        if not replaceable:
            raise
        note(f"{error}; precision=auto takes {other.precision} on {other.backend} instead")
        return other, None
    if replaceable and backbone.cosine is not None and backbone.cosine < LEAST_COSINE:
        note(
            f"int8 token vectors have a mean cosine of {backbone.cosine:.4f} to those of fp32; "
            f"precision=auto takes {other.precision} on {other.backend} instead"
        )
        return other, None
    transformer = model[0].model
    transformer.forward = backbone
    return arithmetic, backbone.cosine


def describe_arithmetic(arithmetic: Arithmetic) -> dict[str, Any]:
    """Return what of an arithmetic decides vectors, as JSON."""
    if arithmetic.backend == "torch":
        described: dict[str, Any] = {"backend": "torch", "precision": arithmetic.precision}
        # A CPU rounds the operands of products, a GPU has rounded weights.
        if arithmetic.precision != "fp32" and not arithmetic.device.startswith("cpu"):
            described["weights"] = "rounded"
        return described
    from colbench.encoder.backends.int8 import calibration_sha256
    from colbench.encoder.backends.openvino import RECIPE

    # Without bf16 products, what int8 leaves alone runs in fp32.
    described = {
        "backend": arithmetic.backend,
        "precision": arithmetic.precision,
        "recipe": RECIPE,
        "versions": {name: version(name) for name in ("openvino", "nncf")},
    }
    if arithmetic.precision == "int8":
        described |= {"calibration": calibration_sha256(), "bf16": has_bf16()}
    return described
