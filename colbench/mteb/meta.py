"""What MTEB is told of a model: the fields of its `ModelMeta`, as of 2.26.24."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colbench import __version__
from colbench.digests import json_digest

ORGANISATION = "colbench"
"""Before the name of a system, as MTEB has owner and model."""

_TYPES = {
    "bm25": "sparse",
    "bm25_lucene": "sparse",
    "bm25_okapi": "sparse",
    "bi_encoder": "dense",
    "colbert": "late-interaction",
    "colbert_exact": "late-interaction",
    "rerank_maxsim": "late-interaction",
    "rerank_cross_encoder": "hybrid",
    "rrf": "hybrid",
}
_REFERENCE = "https://github.com/colbench/colbench"


def model_meta(system: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a system's `ModelMeta`, without its loader.

    The revision is a digest of the settings and of colbench's version: MTEB keeps results by name
    and revision, and takes them for those of any model of the same two.

    Args:
        system: its name.
        settings: of it and of the systems it is made of, by their names.

    >>> model_meta("bm25", {"bm25": {"kind": "bm25"}})["name"]
    'colbench/bm25'
    """
    own = settings.get(system)
    kind = _TYPES.get(str(own.get("kind")) if isinstance(own, Mapping) else "", "hybrid")
    return {
        "name": f"{ORGANISATION}/{system}",
        "revision": json_digest({"colbench": __version__, "system": dict(settings)})[:40],
        "release_date": None,
        "languages": None,
        "n_parameters": None,
        "n_active_parameters_override": None,
        "n_embedding_parameters": None,
        "memory_usage_mb": None,
        "max_tokens": None,
        "embed_dim": None,
        "license": None,
        "open_weights": None,
        "public_training_code": None,
        "public_training_data": None,
        "framework": ["ColBERT"] if kind == "late-interaction" else [],
        "reference": _REFERENCE,
        "similarity_fn_name": "MaxSim" if kind == "late-interaction" else None,
        "use_instructions": None,
        "training_datasets": None,
        "adapted_from": _encoder(own),
        "modalities": ["text"],
        "model_type": [kind],
    }


def _encoder(settings: Any) -> str | None:
    encoder = settings.get("encoder") if isinstance(settings, Mapping) else None
    model = encoder.get("model") if isinstance(encoder, Mapping) else None
    return model if isinstance(model, str) else None
