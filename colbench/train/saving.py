"""Saving a trained model: its weights or its update as files, with the card that says what it is.

An update has the format of those that come with colbench (`colbench.encoder.loading.updates`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.digests import sha256_file
from colbench.errors import StorageError
from colbench.experiment.ownership import refuse_foreign_files
from colbench.files import atomic_write
from colbench.paths import own_folder, remove_made
from colbench.results.checksummed import read_checksummed
from colbench.train.card import FILE_NAME as CARD
from colbench.train.card import write_card
from colbench.train.record import FILE_NAME, Train
from colbench.train.settings import TrainSettings
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


_RENEW = "choose another output_dir"

MODEL = "model"
WORK = ".work"

UPDATE = "update.safetensors"
"""File of what was trained, where that is a head or low-rank updates."""

_ASIDE = (f".{MODEL}.new", f".{MODEL}.old")


def check_place(root: Path) -> None:
    """Refuse an output folder whose `model` is not of a training.

    Raises:
        StorageError: it would be replaced.
    """
    for own in (MODEL, *_ASIDE):
        own_folder(root / own)
    record = root / FILE_NAME
    if (root / UPDATE).exists() and not record.exists() and not (root / WORK).exists():
        raise StorageError(
            f"{root / UPDATE} is there and is not of a training: choose another output_dir"
        )
    if not (root / MODEL).exists():
        return
    if not record.exists():
        raise StorageError(
            f"{root / MODEL} is there and is not of a training: choose another output_dir"
        )
    held = read_checksummed(record, what="the record of a training", renew=_RENEW)
    made = held.get("model_sha256")
    refuse_foreign_files(root / MODEL, [*(made if isinstance(made, dict) else ()), CARD])


def save_model(model: Any, results: Train, root: Path) -> Train:
    """Save a model under `root/model`, in place of an earlier one.

    Returns:
        The record with the sha256 of the model's files.

    Raises:
        StorageError: the folder cannot be written.
    """
    from safetensors import SafetensorError

    final = root / MODEL
    temporary, old = (root / name for name in _ASIDE)
    try:
        for left in (temporary, old):
            remove_made(left, inside=root)
        model.save_pretrained(str(temporary), create_model_card=False)
        digests = {
            path.relative_to(temporary).as_posix(): sha256_file(path)
            for path in sorted(temporary.rglob("*"))
            if path.is_file()
        }
        results = results.model_copy(update={"model_sha256": digests})
        write_card(results, temporary)
        if final.exists():
            final.rename(old)
        temporary.rename(final)
        remove_made(old, inside=root)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"cannot write {final}: {getattr(error, 'strerror', None) or error}; free some space, "
            "then run the same command again"
        ) from error
    finally:
        remove_made(temporary, inside=root)
    return results
