"""Running sentence-transformers' trainers with our checkpoints: resumable, stopped by NaN."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from colbench.encoder.tokens import prompt_of
from colbench.progress import note
from colbench.train.checkpoint import (
    read_checkpoint,
    restore_model,
    restore_optimizer,
    restore_random,
)
from colbench.train.development import Development
from colbench.train.head import head_pattern
from colbench.train.losses import make_loss
from colbench.train.settings import TrainSettings
from colbench.train.student import set_trained_state
from colbench.train.watch import Diverged, Progress, Watch


def only(trainer: Any, watch: Watch) -> None:
    """Leave what makes a trainer run, and ours: no bar, printing or model card of its own."""
    from transformers.trainer_callback import DefaultFlowCallback

    watch.trainer = trainer
    callbacks = [
        c for c in trainer.callback_handler.callbacks if isinstance(c, DefaultFlowCallback)
    ]
    zero = [
        c
        for c in trainer.callback_handler.callbacks
        if type(c).__name__ == "_OptimizerZeroGradCallback"
    ]
    trainer.callback_handler.callbacks = [*callbacks, *zero, watch]


@cache
def trainer_class(kind: str) -> Any:
    """Return sentence-transformers' trainer of a kind, with our checkpoints and a look at NaN."""
    import sentence_transformers
    from sentence_transformers import cross_encoder, multi_vector_encoder

    base: Any = {
        "colbert": getattr(multi_vector_encoder, "MultiVectorEncoderTrainer", None),
        "bi_encoder": sentence_transformers.SentenceTransformerTrainer,
        "cross_encoder": cross_encoder.CrossEncoderTrainer,
    }[kind]

    class Guarded(base):  # type: ignore[misc,valid-type]
        """Stops at a loss that is no number, and reads and writes nothing pickled."""

        watch: Watch
        checkpoint: Path

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(*args, **kwargs)
            value = float((loss[0] if isinstance(loss, tuple) else loss).detach())
            if not math.isfinite(value):
                raise Diverged(f"the loss is {value}", self.state.global_step + 1)
            self.watch.progress.losses.append(value)
            return loss

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Leave the library's model card out: there is our own."""

        def _load_from_checkpoint(self, checkpoint: str, model: Any = None) -> None:
            restore_model(Path(checkpoint), self.model)

        def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
            if checkpoint is not None:
                restore_optimizer(Path(checkpoint), self)

        def _load_scaler(self, checkpoint: str | None) -> None:
            return

        def _load_rng_state(self, checkpoint: str | None) -> None:
            if checkpoint is not None:
                restore_random(Path(checkpoint))

    return Guarded


def arguments(
    model: Any,
    settings: TrainSettings,
    texts: Sequence[str],
    total: int,
    folder: Path,
    seed: int,
    precision: str,
) -> Any:
    """Return the training arguments of a recipe.

    Args:
        model: the student.
        settings: the recipe.
        texts: names of the columns that hold texts, the query's first.
        total: steps.
        folder: of the checkpoint.
        seed: of the order of the examples and of dropout.
        precision: fp32 or bf16.
    """
    from sentence_transformers import (
        SentenceTransformerTrainingArguments,
        cross_encoder,
        multi_vector_encoder,
    )

    extra: dict[str, Any] = {}
    kind: Any
    if settings.kind == "colbert":
        kind = multi_vector_encoder.MultiVectorEncoderTrainingArguments
        lengths = {"query": settings.query_length, "document": settings.document_length}
        extra["max_length"] = {side: n for side, n in lengths.items() if n is not None} or None
    elif settings.kind == "bi_encoder":
        kind = SentenceTransformerTrainingArguments
    else:
        kind = cross_encoder.CrossEncoderTrainingArguments
    pattern = head_pattern(settings.kind)
    if settings.head_learning_rate is not None and any(
        re.search(pattern, name) for name, _ in model.named_parameters()
    ):
        extra["learning_rate_mapping"] = {pattern: settings.head_learning_rate}
    if settings.kind != "cross_encoder":
        # Nothing but these makes a trainer read texts as `encode_query` and `encode_document` do.
        sides = {name: "query" if name == texts[0] else "document" for name in texts}
        extra["router_mapping"] = sides
        extra["prompts"] = {name: prompt_of(model, side) or "" for name, side in sides.items()}
    if settings.loss == "contrastive" or settings.contrastive_weight:
        extra["batch_sampler"] = "no_duplicates"
    made = kind(
        output_dir=str(folder.parent),
        max_steps=total,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warmup * total),
        weight_decay=settings.weight_decay,
        lr_scheduler_type="linear",
        bf16=precision == "bf16",
        use_cpu=model.device.type == "cpu",
        seed=seed,
        data_seed=seed,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **extra,
    )
    # Several GPUs would each be given a whole batch; the steps are counted for one.
    assert made.device.type == model.device.type
    made._n_gpu = min(made.n_gpu, 1)
    return made


def steps_of(settings: TrainSettings, rows: int) -> int:
    """Return how many steps a training takes.

    >>> from colbench.train.settings import TrainSettings
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
