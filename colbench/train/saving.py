"""Saving a trained model, with the card that says what it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from colbench.errors import StorageError
from colbench.files import sha256_file
from colbench.results.train import FILE_NAME, Train
from colbench.train.card import write_card

MODEL = "model"


def check_place(root: Path) -> None:
    """Refuse an output folder whose `model` is not of a training.

    Raises:
        StorageError: it would be replaced.
    """
    if (root / MODEL).exists() and not (root / FILE_NAME).exists():
        raise StorageError(
            f"{root / MODEL} is there and is not of a training: choose another output_dir"
        )


def save_model(model: Any, results: Train, root: Path) -> Train:
    """Save a model under `root/model`, in place of an earlier one.

    Returns:
        The record with the sha256 of the model's files.

    Raises:
        StorageError: the folder cannot be written.
    """
    from safetensors import SafetensorError

    final = root / MODEL
    temporary, old = root / f".{MODEL}.new", root / f".{MODEL}.old"
    try:
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)
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
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"cannot write {final}: {getattr(error, 'strerror', None) or error}; free some space, "
            "then run the same command again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return results
