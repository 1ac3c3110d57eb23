"""The loss of a recipe: sentence-transformers' own, and ColBERTv2's sum of two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch

from colbench.train.settings import TrainSettings


def make_loss(
    model: Any, settings: TrainSettings, rows: Mapping[str, Sequence[Any]]
) -> torch.nn.Module:
    """Return the module that turns a batch into a loss.

    Args:
        model: the student.
        settings: kind, loss, temperatures; already checked to go together.
        rows: column → values, as of `colbench.train.batches.columns`.
    """
    if settings.loss == "binary":
        return _cross_encoder_binary(model, rows["label"])
    return _MAKERS[settings.kind, settings.loss](model, settings)


def _colbert_contrastive(model: Any, settings: TrainSettings) -> torch.nn.Module:
    from sentence_transformers.multi_vector_encoder import losses

    return losses.MultiVectorMultipleNegativesRankingLoss(
        model, scale=1 / settings.temperature, mini_batch_size=settings.mini_batch
    )


def _colbert_kl(model: Any, settings: TrainSettings) -> torch.nn.Module:
    return _distillation()(model, settings)


def _colbert_margin_mse(model: Any, settings: TrainSettings) -> torch.nn.Module:
    from sentence_transformers.multi_vector_encoder import losses

    return losses.MultiVectorMarginMSELoss(model, mini_batch_size=settings.mini_batch)


def _bi_encoder_contrastive(model: Any, settings: TrainSettings) -> torch.nn.Module:
    from sentence_transformers.sentence_transformer import losses

    return losses.MultipleNegativesRankingLoss(model, scale=1 / settings.temperature)


def _bi_encoder_kl(model: Any, settings: TrainSettings) -> torch.nn.Module:
    from sentence_transformers.sentence_transformer import losses

    return losses.DistillKLDivLoss(
        model,
        student_temperature=settings.temperature,
        teacher_temperature=settings.teacher_temperature,
    )


def _bi_encoder_margin_mse(model: Any, settings: TrainSettings) -> torch.nn.Module:
    from sentence_transformers.sentence_transformer import losses

    return losses.MarginMSELoss(model)


def _cross_encoder_binary(model: Any, labels: Sequence[float]) -> torch.nn.Module:
    """Binary cross-entropy in which positives together weigh what negatives do."""
    from sentence_transformers.cross_encoder import losses

    ratio = (len(labels) - sum(labels)) / sum(labels)
    return losses.BinaryCrossEntropyLoss(model, pos_weight=torch.tensor(ratio, device=model.device))


def _cross_encoder_kl(model: Any, settings: TrainSettings) -> torch.nn.Module:
    """Cross-entropy to the teacher's distribution over a query's documents.

    Its gradient is that of the KL divergence (ListNet, Cao et al. 2007).
    """
    from sentence_transformers.cross_encoder import losses

    return losses.ListNetLoss(model, mini_batch_size=settings.mini_batch)


def _cross_encoder_margin_mse(model: Any, settings: TrainSettings) -> torch.nn.Module:
    from sentence_transformers.cross_encoder import losses

    return losses.MarginMSELoss(model)


_MAKERS: dict[tuple[str, str], Callable[[Any, TrainSettings], torch.nn.Module]] = {
    ("colbert", "contrastive"): _colbert_contrastive,
    ("colbert", "kl"): _colbert_kl,
    ("colbert", "margin_mse"): _colbert_margin_mse,
    ("bi_encoder", "contrastive"): _bi_encoder_contrastive,
    ("bi_encoder", "kl"): _bi_encoder_kl,
    ("bi_encoder", "margin_mse"): _bi_encoder_margin_mse,
    ("cross_encoder", "kl"): _cross_encoder_kl,
    ("cross_encoder", "margin_mse"): _cross_encoder_margin_mse,
}


@lru_cache(maxsize=1)
def _distillation() -> type[torch.nn.Module]:
    """Return the class of `kl`, made here because its base loads half of the library."""
    from sentence_transformers.multi_vector_encoder.losses import MultiVectorDistillKLDivLoss
    from sentence_transformers.multi_vector_encoder.scoring import colbert_kd_scores, colbert_scores

    class Distillation(MultiVectorDistillKLDivLoss):  # type: ignore[misc]
        """KL divergence to a teacher, and the contrastive loss over all documents of the batch.

        Both from the same forward passes (ColBERTv2, arXiv 2112.01488, section 3.2: the first
        document of a query is its positive).
        """

        def __init__(self, model: Any, settings: TrainSettings) -> None:
            super().__init__(
                model,
                similarity_fct=self._scores,
                student_temperature=settings.temperature,
                teacher_temperature=settings.teacher_temperature,
                mini_batch_size=settings.mini_batch,
            )
            # The library multiplies the divergence by the squared temperature.
            self._weight = settings.contrastive_weight * settings.temperature**2
            self._scale = 1 / settings.temperature
            self._contrastive: torch.Tensor | None = None

        def _scores(
            self, queries: torch.Tensor, documents: torch.Tensor, **masks: Any
        ) -> torch.Tensor:
            if self._weight:
                scores = colbert_scores(queries, documents, **masks) * self._scale
                positives = torch.arange(len(queries), device=scores.device) * documents.shape[1]
                self._contrastive = torch.nn.functional.cross_entropy(scores, positives)
            similarities: torch.Tensor = colbert_kd_scores(queries, documents, **masks)
            return similarities

        def forward(
            self, sentence_features: Iterable[dict[str, torch.Tensor]], labels: torch.Tensor
        ) -> torch.Tensor:
            loss: torch.Tensor = super().forward(sentence_features, labels)
            if self._contrastive is not None:
                loss = loss + self._weight * self._contrastive
            return loss

    return Distillation
