"""What happens between two steps of a training: evaluation, the best weights, checkpoints."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from colbench.errors import ColbenchError
from colbench.progress import bar, note
from colbench.train.checkpoint import State, best_state, save_checkpoint
from colbench.train.development import Development
from colbench.train.record import CurvePoint
from colbench.train.settings import TrainSettings
from colbench.train.student import trained_state


@dataclass
class Progress:
    """What is known of a training so far.

    Attributes:
        curve: the points so far.
        best: trained weights of the best evaluation.
        best_step: step of it.
        best_value: its value.
        seconds: of all sittings before this one.
        resumed: times it went on from a checkpoint.
        stopped: why it ended before its last step.
        losses: of the steps since the last point of the curve.
    """

    curve: list[CurvePoint] = field(default_factory=list)
    best: State = field(default_factory=dict)
    best_step: int = 0
    best_value: float = -math.inf
    seconds: float = 0.0
    resumed: int = 0
    stopped: str | None = None
    losses: list[float] = field(default_factory=list)

    @classmethod
    def of_checkpoint(cls, folder: Path, extra: dict[str, Any]) -> Progress:
        """Return what was known when a checkpoint was written.

        Args:
            folder: of the checkpoint.
            extra: as `Watch` gave it to `save_checkpoint`.
        """
        return cls(
            curve=[CurvePoint.model_validate(point) for point in extra["curve"]],
            best=best_state(folder),
            best_step=extra["best_step"],
            best_value=extra["best_value"],
            seconds=extra["seconds"],
            resumed=extra["resumed"] + 1,
            losses=extra["losses"],
        )


class Diverged(ColbenchError):
    """The loss or a weight is NaN or infinite."""

    def __init__(self, what: str, step: int) -> None:
        super().__init__(
            f"{what} at step {step}: the best weights before it are kept; lower "
            "train.learning_rate, or set train.precision=fp32"
        )


class Watch(TrainerCallback):  # type: ignore[misc]
    """Evaluates, keeps the best weights, writes checkpoints, draws the bar."""

    def __init__(
        self,
        settings: TrainSettings,
        development: Development,
        progress: Progress,
        folder: Path,
        key: str,
        total: int,
    ) -> None:
        self.development, self.progress = development, progress
        self.folder, self.key, self.total = folder, key, total
        self.evaluate_every = math.ceil(total / settings.dev.evaluations)
        self.save_every = settings.checkpoint_every or self.evaluate_every
        self.trainer: Any = None
        self._started = time.perf_counter()
        self._bar = bar(total=total, description="training", unit="step")

    def elapsed(self) -> float:
        """Return seconds over all sittings."""
        return self.progress.seconds + time.perf_counter() - self._started

    def close(self) -> None:
        """End the bar."""
        self._bar.close()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate the untrained student."""
        self._bar.update(state.global_step)
        if state.global_step == 0:
            self._evaluate(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate and save where it is time."""
        self._bar.update(1)
        last = state.global_step >= self.total
        evaluates = last or state.global_step % self.evaluate_every == 0
        saves = not last and state.global_step % self.save_every == 0
        if evaluates or saves:
            self._check_weights(state.global_step)
        if evaluates:
            self._evaluate(state)
        if saves:
            self._save(state)

    def _check_weights(self, step: int) -> None:
        """Stop at weights that are no numbers: a loss shows them one step late."""
        for name, value in trained_state(self.trainer.model).items():
            if not torch.isfinite(value).all():
                raise Diverged(f"{name} holds NaN or infinity", step)

    def _evaluate(self, state: Any) -> None:
        model = self.trainer.model
        value = self.development.value(model)
        step, losses = state.global_step, self.progress.losses
        self.progress.losses = []
        scheduler = self.trainer.lr_scheduler
        self.progress.curve.append(
            CurvePoint(
                step=step,
                epoch=float(state.epoch or 0),
                seconds=self.elapsed(),
                loss=sum(losses) / len(losses) if losses else None,
                learning_rate=scheduler.get_last_lr()[0] if step and scheduler else None,
                value=value,
            )
        )
        note(f"step {step} of {self.total}: {self.development.measure} {value:.4f}")
        if value > self.progress.best_value:
            self.progress.best_step, self.progress.best_value = step, value
            self.progress.best = {n: v.clone() for n, v in trained_state(model).items()}

    def _save(self, state: Any) -> None:
        extra = {
            "step": state.global_step,
            "curve": [point.model_dump(mode="json") for point in self.progress.curve],
            "best_step": self.progress.best_step,
            "best_value": self.progress.best_value,
            "seconds": self.elapsed(),
            "resumed": self.progress.resumed,
            "losses": self.progress.losses,
        }
        save_checkpoint(self.folder, self.trainer, self.progress.best, self.key, extra)
