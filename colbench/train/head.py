"""The part of a model behind its backbone: a projection, or a cross-encoder's classifier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch

from colbench.errors import ConfigError
from colbench.train.settings import Student

_SAMPLED = 1024
_BATCH = 32


def head_pattern(kind: str) -> str:
    """Return what the names of the parameters of a projection or classifier contain.

    >>> import re
    >>> bool(re.search(head_pattern("colbert"), "1.linear.weight"))
    True
    """
    return r"classifier|pooler|score\." if kind == "cross_encoder" else r"\.linear\."


def is_head(name: str, kind: str) -> bool:
    """Return whether a parameter is one of a projection or classifier; a bi-encoder has none."""
    return kind != "bi_encoder" and re.search(head_pattern(kind), name) is not None


def project(model: Any, student: Student, documents: Sequence[str]) -> None:
    """Put a projection behind the backbone, or replace the one that is there."""
    from sentence_transformers.base.modules import Dense

    present = next((place for place, part in enumerate(model) if isinstance(part, Dense)), None)
    if present is not None:
        width = int(model[present].linear.out_features)
        if width == student.dims:
            return
        raise ConfigError(
            f"student.dims={student.dims}, but the encoder projects to {width} dimensions already; "
            "leave student.dims out, or begin with an encoder without a projection"
        )
    width = int(model.get_embedding_dimension())
    assert student.dims is not None
    if student.dims > width:
        raise ConfigError(f"student.dims={student.dims} is more than the encoder's {width}")
    start = _principal(model, documents, student.dims) if student.start == "pca" else None
    projection = Dense(
        in_features=width,
        out_features=student.dims,
        bias=False,
        activation_function=torch.nn.Identity(),
        init_weight=start,
        module_input_name="token_embeddings",
    )
    model.insert(1, projection.to(model.device))


def _principal(model: Any, documents: Sequence[str], dims: int) -> torch.Tensor:
    """Return the directions (dims, width) that hold most of the documents' token vectors.

    Not centred: MaxSim takes inner products, and a mean that is taken away would change them.
    """
    width = int(model.get_embedding_dimension())
    moments = torch.zeros((width, width), dtype=torch.float64)
    step = max(len(documents) // _SAMPLED, 1)
    chosen = sorted(documents, key=len)[::step]
    for first in range(0, len(chosen), _BATCH):
        for rows in model.encode_document(
            list(chosen[first : first + _BATCH]), show_progress_bar=False, convert_to_numpy=True
        ):
            tokens = torch.from_numpy(rows).double()
            moments += tokens.T @ tokens
    _, vectors = torch.linalg.eigh(moments)
    # A sign is arbitrary, and may differ between machines: the largest entry is made positive.
    directions = vectors.T.flip(0)[:dims]
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    signed: torch.Tensor = directions * largest.sign()
    return signed.float().contiguous()
