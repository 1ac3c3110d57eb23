"""sentence-transformers' trainers, with our checkpoints in place of theirs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from colbench.config.train import TrainSettings
from colbench.encoder.tokens import prompt_of
from colbench.train.checkpoint import restore_model, restore_optimizer, restore_random
from colbench.train.head import head_pattern
from colbench.train.watch import Diverged, Watch


def only(trainer: Any, watch: Watch) -> None:
    """Leave what makes a trainer run, and ours: no bar, printing or model card of its own."""
    from transformers.trainer_callback import DefaultFlowCallback

    watch.trainer = trainer
    kept = [c for c in trainer.callback_handler.callbacks if isinstance(c, DefaultFlowCallback)]
    zero = [
        c
        for c in trainer.callback_handler.callbacks
        if type(c).__name__ == "_OptimizerZeroGradCallback"
    ]
    trainer.callback_handler.callbacks = [*kept, *zero, watch]


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
