"""How long a text a model has positions for, and lengths that go beyond.

Only a table of learned positions has an end. Relative and rotary positions and ALiBi have none, so
no length is refused there, whatever `max_position_embeddings` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from colbench.encoder.loading.contents import read_json
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.errors import ColbenchError, ConfigError

_COUNT_FROM_0 = {
    *(
        "bert",
        "albert",
        "electra",
        "distilbert",
        "ernie",
        "convbert",
        "big_bird",
        "bert-generation",
    ),
    *("fnet", "layoutlm", "megatron-bert", "mobilebert", "nystromformer", "rembert", "roc_bert"),
    *("splinter", "squeezebert", "mra", "yoso"),
}
_COUNT_AFTER_PADDING = {
    *("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "xmod"),
    *("data2vec-text", "roberta-prelayernorm", "ibert"),
}
"""Model types whose positions begin after the padding index: 514 of them are 512 tokens."""

_TABLES = ("position_embeddings", "position_embedding", "embed_positions", "wpe")
_CAPPED = CrossEncoderSettings.model_fields["max_length"].default


class _Length(NamedTuple):
    side: str
    tokens: int
    said_by: str


def positions(model: Any) -> int | None:
    """Return how many tokens a loaded backbone has positions for; None where there is no end."""
    for name, module in model.named_modules():
        rows = getattr(module, "num_embeddings", None)
        if name.rpartition(".")[2] in _TABLES and rows is not None:
            padding = getattr(module, "padding_idx", None)
            offset = getattr(module, "offset", 0 if padding is None else padding + 1)
            stated = getattr(model.config, "max_position_embeddings", None)
            limit = int(rows) - int(offset)
            return min(limit, stated) if isinstance(stated, int) and stated > 0 else limit
    return None


def check_lengths(settings: EncoderSettings | CrossEncoderSettings, folder: Path) -> None:
    """Refuse lengths that a checkpoint has no positions for, before anything is loaded.

    What its configuration files do not tell is told when it is loaded.

    Raises:
        ConfigError: naming the length, who asks for it, and what to set.
    """
    limit = _positions_of(folder)
    if limit is None:
        return
    if isinstance(settings, CrossEncoderSettings):
        check_pair_length(settings, limit)
        return
    for length in _lengths(settings, folder):
        if length.tokens > limit:
            raise too_long(settings.name, length.side, length.said_by, limit)


def check_pair_length(settings: CrossEncoderSettings, limit: int) -> None:
    """Refuse a length of pairs beyond the positions; the default is capped instead.

    Raises:
        ConfigError: the length was asked for.
    """
    if settings.max_length > max(limit, _CAPPED):
        raise ConfigError(
            f"cross_encoder {settings.name!r}: max_length={settings.max_length} is more than the "
            f"{limit} tokens its model reads; set cross_encoder.max_length={limit} or less"
        )


def too_long(name: str, side: str, said_by: str, limit: int) -> ConfigError:
    """Return the error of a length beyond the positions of an encoder."""
    return ConfigError(
        f"{said_by} of encoder {name!r} is more than the {limit} tokens its model reads; set "
        f"encoder.{side}_length={limit} or less"
    )


def _positions_of(folder: Path) -> int | None:
    """Return the positions that config.json tells; None where it tells no end."""
    config = _object(folder / "config.json")
    kind, stated = config.get("model_type"), config.get("max_position_embeddings")
    # Code of its own may do anything under a known name; Jina's BERT has ALiBi.
    if not isinstance(stated, int) or stated < 1 or "auto_map" in config:
        return None
    if config.get("position_embedding_type", "absolute") != "absolute":
        return None
    if kind in _COUNT_FROM_0:
        return stated
    padding = config.get("pad_token_id", 1)
    if kind in _COUNT_AFTER_PADDING and isinstance(padding, int):
        return stated - padding - 1
    return None


def _lengths(settings: EncoderSettings, folder: Path) -> Iterator[_Length]:
    """Yield the lengths in force as far as settings and files tell them."""
    own = {"query": settings.query_length, "document": settings.document_length}
    stored = {side: list(_stored(folder, side)) for side in own}
    for side, length in own.items():
        if length is not None:
            yield _Length(side, length, f"{side}_length={length}")
        else:
            yield from stored[side][:1]


def _stored(folder: Path, side: str) -> Iterator[_Length]:
    """Yield what the files of a checkpoint say of one side, the first counts."""
    short = {"query": "query_maxlen", "document": "doc_maxlen"}[side]
    transformer = _object(folder / "sentence_bert_config.json")
    sources = [
        ("sentence_bert_config.json", transformer, f"{side}_length"),
        ("config_sentence_transformers.json", None, f"{side}_length"),
        ("artifact.metadata", None, short),
        ("sentence_bert_config.json", transformer, "max_seq_length"),
    ]
    for file, content, key in sources:
        values = _object(folder / file) if content is None else content
        tokens = values.get(key)
        # As many as the table has rows was derived from it, and is capped when it is loaded.
        derived = key == "max_seq_length" and tokens == _object(folder / "config.json").get(
            "max_position_embeddings"
        )
        if isinstance(tokens, int) and not derived:
            yield _Length(side, tokens, f"{key}={tokens} ({file})")


def _object(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one where there is none, which loading it will tell."""
    with suppress(ColbenchError):
        return dict(read_json(path, {}))
    return {}
