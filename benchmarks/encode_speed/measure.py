"""The timings of one encoder in one form, beside sentence-transformers as it ships.

It runs in a process that does nothing else; sentence-transformers encodes in fp32 there, on the
same model.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.encode_speed.interleaving import Contender, Timing, time_interleaved
from benchmarks.encode_speed.record import FormSpeed, Speed, VariantSpeed
from benchmarks.encode_speed.task import EncodeSpeedTask
from colbench.encoder.base import Encoder
from colbench.encoder.batches import plan_batches
from colbench.encoder.loading.assemble import assemble
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError, DataError, WeightsUnavailable
from colbench.experiment.measurement import other_processes
from colbench.measures.machine import gemm_gflops
from colbench.progress import note
from colbench.retriever.base import Workbench


def reference_timing(
    settings: EncoderSettings,
    form: Form,
    *,
    query_length: int | None,
    device: str,
    batch_size: int,
) -> Contender:
    """Return `encode_document` and `encode_query` of the model, with their own defaults.

    It reads as many tokens as our encoder does; nothing else is set.

    Args:
        settings: the model, its lengths and prompts; backend and precision are not looked at.
        form: dense for a SentenceTransformer, tokens for a MultiVectorEncoder.
        query_length: the collection's published one, as of `load_encoder`.
        device: torch device.
        batch_size: texts in a batch.
    """
    model, _ = assemble(settings, form, device, query_length)

    def documents(texts: Sequence[str]) -> object:
        return model.encode_document(
            list(texts), batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True
        )

    def query(text: str) -> object:
        return model.encode_query([text], show_progress_bar=False, convert_to_numpy=True)

    return Contender(documents, query)


_REFERENCE = "reference"


def measure_speed(task: EncodeSpeedTask, bench: Workbench) -> FormSpeed:
    """Time every variant that can run here, and the reference implementation.

    Raises:
        ColbenchError: none of the variants can run.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    collection = bench.collection
    documents = draw_documents(collection.texts, task.documents, task.seed)
    if not documents:
        raise DataError(f"{collection.name}: no document has text, so there is nothing to time")
    queries = [query.text for query in collection.queries[: task.queries]]
    encoders, reasons = _load(task, bench, documents, queries)
    first = next(iter(encoders.values()))
    contenders = {name: contender_of(encoder) for name, encoder in encoders.items()}
    contenders[_REFERENCE] = reference_timing(
        task.encoder,
        task.form,
        query_length=collection.query_length,
        device=first.arithmetic.device,
        batch_size=task.batch_size,
    )
    contenders[_REFERENCE].warm_up(documents, queries)
    note(f"{task.encoder.name} {task.form.value}: timing {', '.join(contenders)}")
    with other_processes() as others:
        timings = time_interleaved(contenders, documents, queries, task.trials)
    peaks = {
        name: gemm_gflops(encoder.arithmetic.precision, encoder.arithmetic.device)
        for name, encoder in encoders.items()
    }
    lengths = _read_lengths(first, documents)
    tokens, flops = int(lengths.sum()), float(first.forward_flops(lengths).sum())

    def speed(name: str) -> Speed:
        return _speed(timings[name], len(documents), tokens, flops)

    return FormSpeed(
        encoder=task.encoder.name,
        form=task.form.value,
        documents=len(documents),
        tokens=tokens,
        limit=first.document_limit,
        queries=len(queries),
        trials=task.trials,
        batch_size=task.batch_size,
        other_cpu_share=others[0],
        reference=speed(_REFERENCE),
        variants=[
            VariantSpeed(
                backend=variant.backend,
                precision=variant.precision,
                device=encoders[variant.name].arithmetic.device,
                speed=speed(variant.name),
                to_reference=_ratio(timings[_REFERENCE], timings[variant.name]),
                to_first=_ratio(timings[task.variants[0].name], timings[variant.name])
                if task.variants[0].name in timings
                else None,
                gemm_gflops=peaks[variant.name],
            )
            if variant.name in encoders
            else VariantSpeed(
                backend=variant.backend, precision=variant.precision, reason=reasons[variant.name]
            )
            for variant in task.variants
        ],
    )


def draw_documents(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Return distinct texts that are not empty, at random, as many as there are at most."""
    distinct = [text for text in dict.fromkeys(texts) if text.strip()]
    return random.Random(seed).sample(distinct, min(count, len(distinct)))


def contender_of(encoder: Encoder) -> Contender:
    """Return what the embedding cache does with documents, and a search with a query.

    Counting tokens, which the batches are planned by, is part of it.
    """

    def documents(texts: Sequence[str]) -> object:
        plan = plan_batches(_read_lengths(encoder, texts), encoder.batch_tokens)
        return list(encoder.encode_batches([texts[place] for place in batch] for batch in plan))

    return Contender(documents, lambda text: encoder.encode_queries([text]))


def _read_lengths(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.int64]:
    return np.minimum(encoder.count_tokens(texts), encoder.document_limit)


def _load(
    task: EncodeSpeedTask, bench: Workbench, documents: Sequence[str], queries: Sequence[str]
) -> tuple[dict[str, Encoder], dict[str, str]]:
    """Return the encoders that can run here, warmed up, and why the others cannot."""
    encoders: dict[str, Encoder] = {}
    reasons: dict[str, str] = {}
    for variant in task.variants:
        arithmetic = {"backend": variant.backend, "precision": variant.precision}
        try:
            encoder = bench.encoder(task.encoder.model_copy(update=arithmetic), task.form)
            contender_of(encoder).warm_up(documents, queries)
        except WeightsUnavailable:
            raise
        except (ColbenchError, RuntimeError) as error:  # torch: no such kernel on this processor
            reasons[variant.name] = " ".join(str(error).split())[:300] or type(error).__name__
            note(f"{variant.name}: not measured, {reasons[variant.name]}")
        else:
            encoders[variant.name] = encoder
    if not encoders:
        raise ColbenchError("; ".join(f"{name}: {why}" for name, why in reasons.items()))
    return encoders, reasons


def _speed(timing: Timing, documents: int, tokens: int, flops: float) -> Speed:
    seconds = float(np.median(timing.seconds))
    return Speed(
        docs_per_second=documents / seconds,
        rounds=[documents / one for one in timing.seconds],
        tokens_per_second=tokens / seconds,
        gflops=flops / seconds / 1e9,
        query_p50_ms=min(timing.query_p50_ms),
    )


def _ratio(of: Timing, to: Timing) -> float:
    """Return how many times as fast `to` is as `of`."""
    return float(np.median(np.array(of.seconds) / np.array(to.seconds)))
