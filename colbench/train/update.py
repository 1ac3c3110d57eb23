"""What a training of a head or of low-rank updates changed, as a file of its own.

It is the format of the updates that come with colbench (`colbench.encoder.updates`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.config.train import TrainSettings
from colbench.errors import StorageError
from colbench.files import atomic_write
from colbench.train.student import trained_state


def write_update(model: Any, settings: TrainSettings, path: Path) -> None:
    """Write the trained tensors of a student, in float16, before `merge`.

    Args:
        model: the student, of which a head or low-rank updates were trained.
        settings: the recipe.
        path: a safetensors file.

    Raises:
        StorageError: it cannot be written.
    """
    from safetensors.torch import save

    student = settings.student
    tensors = {_name(name): value.half() for name, value in trained_state(model).items()}
    facts = {"kind": settings.kind, "scale": str(student.alpha / student.rank)}
    try:
        with atomic_write(path, "wb") as stream:
            stream.write(save(tensors, metadata=facts))
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def _name(parameter: str) -> str:
    """Return what a parameter is called in an update.

    >>> _name("0.model.encoder.layer.0.output.dense.lora_A.default.weight")
    'encoder.layer.0.output.dense.lora_A'
    >>> _name("1.linear.weight"), _name("0.model.classifier.bias")
    ('head.linear.weight', 'head.classifier.bias')
    """
    inside = parameter.removeprefix("0.model.")
    if "lora_" in inside:
        return inside.removesuffix(".default.weight")
    place, _, rest = inside.partition(".")
    return f"head.{rest if place.isdecimal() else inside}"
