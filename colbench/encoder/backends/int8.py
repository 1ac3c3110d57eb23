"""Static int8 quantisation of an exported backbone (NNCF), and how near it stays to fp32.

Weights and activations are int8, calibrated on the texts of `calibration.txt`, so that vectors
follow from the checkpoint and never from the collection. Activations have outliers, worst in the
first product that narrows its input (the second half of the first feed-forward layer), which is
therefore left alone; in the others part of them is moved into the weights (SmoothQuant, arXiv
2211.10438). Mean cosine of token vectors to fp32, MiniLM, 40 SciFact documents: .9943 with
everything in int8 and NNCF's own smoothing, .9973 as it is done here, .9976 with every narrowing
product left alone, which is a tenth slower. The cosine of a model is measured on texts that took
no part.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colbench.digests import text_digest

_SMOOTHING = 0.75
"""Share of an activation's range that SmoothQuant moves into the weights, as an exponent."""

_HELD_OUT = 4
"""Every so many calibration texts is kept for the comparison with fp32."""


@cache
def calibration_texts() -> tuple[str, ...]:
    """Return the texts that int8 is calibrated with and compared on."""
    content = resources.files("colbench.encoder").joinpath("calibration.txt").read_text("utf-8")
    return tuple(content.splitlines())


def calibration_sha256() -> str:
    """Return the sha256 of these texts, part of the fingerprint of an int8 model."""
    return text_digest("\n".join(calibration_texts()))


def backbone_inputs(model: Any, texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return what the backbone is called with: the tensors among what preprocessing gives."""
    features = model.preprocess(list(texts), task="document")
    known = {"input_ids", "attention_mask", "token_type_ids"}
    return {name: value for name, value in features.items() if name in known}


def quantise(graph: Any, model: Any, inputs: Sequence[str]) -> tuple[Any, float]:
    """Return the graph in int8, and its mean cosine of token vectors to the model's own.

    Args:
        graph: an openvino.Model of the backbone.
        model: the sentence-transformers model it was exported from.
        inputs: names of the graph's inputs, in order.
    """
    import openvino

    texts = calibration_texts()
    held_out = texts[::_HELD_OUT]
    quantised = _quantised(graph, _batches(model, inputs, set(texts) - set(held_out)))
    compiled = openvino.Core().compile_model(quantised, "CPU")
    return quantised, _cosine(model, compiled, inputs, held_out)


def _batches(
    model: Any, inputs: Sequence[str], texts: Collection[str]
) -> list[list[NDArray[np.int64]]]:
    """Return the inputs of single texts: padding must not take part in a calibration."""
    batches = []
    for text in sorted(texts):
        features = backbone_inputs(model, [text])
        batches.append([features[name].numpy() for name in inputs])
    return batches


def _quantised(graph: Any, batches: list[list[NDArray[np.int64]]]) -> Any:
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
    )

    logging.getLogger("nncf").setLevel(logging.ERROR)
    narrowing = [node.get_friendly_name() for node in graph.get_ordered_ops() if _narrows(node)]
    # NNCF draws progress bars of its own; what happens was said before.
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        return nncf.quantize(
            graph,
            nncf.Dataset(batches),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(batches),
            ignored_scope=nncf.IgnoredScope(names=narrowing[:1]),
            advanced_parameters=AdvancedQuantizationParameters(
                smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=_SMOOTHING)
            ),
        )


def _narrows(node: Any) -> bool:
    """Return whether a node multiplies by weights and gives fewer values than it takes."""
    if node.get_type_name() != "MatMul":
        return False
    taken, given = node.input(0).get_partial_shape(), node.output(0).get_partial_shape()
    if taken.rank.get_length() != 3 or not (taken[2].is_static and given[2].is_static):
        return False
    return bool(given[2].get_length() < taken[2].get_length())


def _cosine(model: Any, compiled: Any, inputs: Sequence[str], texts: Sequence[str]) -> float:
    cosines = []
    for text in texts:
        features = backbone_inputs(model, [text])
        with torch.no_grad():
            exact = model[0].model(**features, return_dict=True).last_hidden_state[0].numpy()
        rounded = compiled([features[name].numpy() for name in inputs])[0][0]
        lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
        cosines.append((exact * rounded).sum(axis=1) / np.maximum(lengths, 1e-12))
    return float(np.concatenate(cosines).mean())
