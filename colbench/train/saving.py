"""Saving a trained model, with the card that says what it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from colbench.errors import StorageError
from colbench.files import sha256_file
from colbench.results.train import Train
from colbench.train.card import write_card

MODEL = "model"


def save_model(model: Any, results: Train, root: Path) -> Train:
    """Save a model under `root/model`, in place of an earlier one.

    Returns:
        The record with the sha256 of the model's files.

    Raises:
        StorageError: the folder cannot be written.
    """
    final = root / MODEL
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{MODEL}.", dir=root))
        try:
            model.save_pretrained(str(temporary), create_model_card=False)
            written = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
            digests = {
                path.relative_to(temporary).as_posix(): sha256_file(path) for path in written
            }
            results = results.model_copy(update={"model_sha256": digests})
            write_card(results, temporary)
            temporary.chmod(0o755)
            shutil.rmtree(final, ignore_errors=True)
            temporary.rename(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"cannot write {final}: {error.strerror or error}; free some space, then run the "
            "same command again"
        ) from error
    return results
