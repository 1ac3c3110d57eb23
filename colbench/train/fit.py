"""Running a sentence-transformers trainer: evaluated on the way, resumable, stopped by NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colbench.config.train import TrainSettings
from colbench.progress import note
from colbench.train.checkpoint import read_checkpoint
from colbench.train.development import Development
from colbench.train.losses import make_loss
from colbench.train.student import set_trained_state
from colbench.train.trainer import arguments, only, trainer_class
from colbench.train.watch import Diverged, Progress, Watch


def steps_of(settings: TrainSettings, rows: int) -> int:
    """Return how many steps a training takes.

    >>> from colbench.config.train import TrainSettings
    >>> source = {"a": {"pairs": "title"}}
    >>> recipe = TrainSettings(kind="colbert", sources=source, epochs=1.5, batch_size=8)
    >>> steps_of(recipe, 20)
    5
    """
    whole = max(math.ceil(math.ceil(rows / settings.batch_size) * settings.epochs), 1)
    return whole if settings.max_steps is None else min(whole, settings.max_steps)


def fit(
    model: Any,
    rows: Mapping[str, Sequence[Any]],
    settings: TrainSettings,
    development: Development,
    folder: Path,
    *,
    key: str,
    seed: int,
    precision: str,
) -> Progress:
    """Train a student, and leave in it the weights of its best evaluation.

    The evaluation of the untrained student is the first point of the curve, and counts: a training
    that only does harm ends where it began.

    Args:
        model: changed in place.
        rows: column → values, as of `columns`.
        settings: the recipe.
        development: evaluates.
        folder: of the checkpoint.
        key: of everything that the training depends on; a checkpoint with another is left alone.
        seed: of the order of the examples and of dropout.
        precision: fp32 or bf16.

    Raises:
        StorageError: a checkpoint cannot be written.
    """
    from datasets import Dataset

    held = read_checkpoint(folder, key)
    progress = Progress()
    if held is not None:
        progress = Progress.of_checkpoint(folder, held["extra"])
        note(f"going on from step {held['extra']['step']}")
    total = steps_of(settings, len(next(iter(rows.values()))))
    watch = Watch(settings, development, progress, folder, key, total)
    trainer = trainer_class(settings.kind)(
        model=model,
        args=arguments(
            model, settings, [n for n in rows if n != "label"], total, folder, seed, precision
        ),
        train_dataset=Dataset.from_dict({name: list(values) for name, values in rows.items()}),
        loss=make_loss(model, settings, rows),
        callbacks=[watch],
    )
    only(trainer, watch)
    trainer.watch, trainer.checkpoint = watch, folder
    try:
        trainer.train(resume_from_checkpoint=str(folder) if held is not None else None)
    except Diverged as error:
        progress.stopped = str(error)
    finally:
        watch.close()
    progress.seconds = watch.elapsed()
    set_trained_state(model, progress.best)
    return progress
