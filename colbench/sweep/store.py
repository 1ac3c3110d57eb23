"""What a sweep keeps in its output folder, so that it is not measured again.

    .variants/<key>.json           a `VariantRecord`, in a file of `experiment.store`
    .variants/reference-<key>/     a system beside the variants, as `experiment.finished` keeps it

The key is in the name of the file or the folder.
"""

from __future__ import annotations

from pathlib import Path

from colbench.experiment.store import keep, recall
from colbench.sweep.task import VariantRecord


def write_variant(record: VariantRecord, file: Path) -> None:
    """Keep what was measured of a variant, under the key that its file is named by."""
    keep(file, file.stem, record)


def read_variant(file: Path) -> VariantRecord | None:
    """Return what was measured of a variant; None where that is not there or cannot be used."""
    return recall(file, file.stem, VariantRecord.model_validate, what="the record of a variant")
