"""Setting how many tokens of a text a model reads."""

from __future__ import annotations

from typing import Any

from colbench.errors import ConfigError


def set_lengths(
    transformer: Any, *, query_length: int | None, document_length: int | None, name: str
) -> None:
    """Set the longest query and document of a sentence-transformers `Transformer` module.

    None keeps what the checkpoint says. A checkpoint that pads its queries with [MASK] to a fixed
    length (ColBERT's query augmentation; Khattab and Zaharia 2020, section 3.2) pads to the new
    query length; one that pads at least to a length keeps that floor where it can.

    Raises:
        ConfigError: the model has fewer positions than a length asks for.
    """
    limit = positions(transformer.model)
    for field, length in (("query_length", query_length), ("document_length", document_length)):
        if length is not None and limit is not None and length > limit:
            raise ConfigError(
                f"{field}={length} of encoder {name!r} is more than "
                f"the {limit} tokens its model reads"
            )
    if document_length is not None:
        transformer.document_length = document_length
    if query_length is None:
        return
    expansion = transformer.query_expansion
    # sentence-transformers refuses a query length below the expansion's, so the order matters.
    transformer.query_length = None
    if expansion is not None:
        fixed = expansion["strategy"] == "fixed"
        length = query_length if fixed else min(query_length, expansion["length"])
        transformer.query_expansion = {**expansion, "length": length}
    transformer.query_length = query_length


def describe_lengths(transformer: Any) -> dict[str, Any]:
    """Return the lengths in force, as JSON; the query side under `query`."""
    return {
        "query": {
            "length": transformer.query_length,
            "expansion": transformer.query_expansion,
        },
        "document_length": transformer.document_length,
        "tokenizer_length": transformer.max_seq_length,
    }


def positions(model: Any) -> int | None:
    """Return how many tokens a backbone has positions for; None where nothing says so."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    if table is not None and hasattr(table, "num_embeddings"):
        # RoBERTa and MPNet start counting after the padding index.
        offset = 0 if table.padding_idx is None else table.padding_idx + 1
        return int(table.num_embeddings) - offset
    limit = getattr(model.config, "max_position_embeddings", None)
    return int(limit) if isinstance(limit, int) and limit > 0 else None
