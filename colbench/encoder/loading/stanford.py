"""Stanford ColBERT checkpoints: a backbone and a projection in one file, conventions in another.

What the files hold decides, and not how `architectures` in config.json is spelled: Stanford writes
`HF_ColBERT`, PrimeQA `HF_ColBERT_XLMR` or `HF_ColBERT_Roberta`, others `BertModel` or nothing.

    artifact.metadata   lengths, markers, punctuation filter (JSON)
    *.safetensors       the backbone, under any prefix, and the projection as `linear.weight`

Markers and masks are those the checkpoint was trained with: the tokens that the metadata names, by
default [unused0] before a query and [unused1] before a document; a name that the vocabulary lacks
was the unknown token in training, and is here. PrimeQA names none: it took tokens 9748 and 9749 of
XLM-RoBERTa and two unused words of RoBERTa, filled queries up with <pad> and left the first token
out of all scores (https://github.com/primeqa/primeqa, modeling/tokenization). Queries are else
filled up with [MASK], or what a tokenizer has in its place (Khattab and Zaharia 2020, section 3.2).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from colbench.encoder.loading.contents import read_bytes, read_json
from colbench.errors import ConfigError

METADATA = "artifact.metadata"
_PROJECTION = "linear.weight"
_WRAPPERS = ("", "model.", "module.", "colbert.")
_STANFORD = ("[unused0]", "[unused1]")
_XLMR_IDS = (9748, 9749)
_ROBERTA = ("madeupword0000", "madeupword0001")


class Metadata(BaseModel):
    """What of artifact.metadata decides vectors; None where it says nothing.

    Scores by L2 distance (`similarity`) order documents as the cosine does: rows have length 1.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    query_maxlen: int | None = Field(None, ge=1)
    doc_maxlen: int | None = Field(None, ge=1)
    query_token_id: str | None = None
    doc_token_id: str | None = None
    mask_punctuation: bool | None = None
    attend_to_mask_tokens: bool | None = None
    interaction: str | None = None


class Conventions(NamedTuple):
    """How a checkpoint reads texts.

    Attributes:
        markers: tokens before a query and before a document.
        filler: token that queries are filled up with; None for the tokenizer's mask.
        unscored: tokens without a vector in queries and documents.
    """

    markers: tuple[str, str]
    filler: str | None
    unscored: tuple[str, ...]


def holds_projection(folder: Path) -> bool:
    """Return whether the weights beside config.json have a ColBERT projection among them."""
    return _projection_key(folder) is not None


def read_metadata(folder: Path) -> Metadata:
    """Return what artifact.metadata says, nothing where there is none.

    Raises:
        ConfigError: it is not such a file, or scores in a way that is no MaxSim.
    """
    path = folder / METADATA
    try:
        metadata = Metadata.model_validate_json(read_bytes(path))
    except FileNotFoundError:
        return Metadata()
    except ValidationError as error:
        first = error.errors()[0]
        reason = ": ".join([*map(str, first["loc"]), first["msg"]])
        raise ConfigError(
            f"{path} is not the metadata of a ColBERT checkpoint ({reason}); fetch the model again"
        ) from error
    if metadata.interaction not in (None, "colbert"):
        raise ConfigError(
            f"{path} asks for interaction={metadata.interaction!r}; colbench scores by MaxSim alone"
        )
    return metadata


def stanford_model(folder: str, **options: Any) -> Any:
    """Return a MultiVectorEncoder: backbone, projection, masks and unit rows.

    Args:
        folder: the checkpoint.
        options: those that classes of sentence-transformers take, see `load_quietly`.

    Raises:
        ConfigError: there is no projection, or it does not fit the backbone.
    """
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from torch import nn

    path = Path(folder)
    metadata = read_metadata(path)
    weight, bias = _projection(path)
    shared = {name: options[name] for name in ("trust_remote_code", "local_files_only")}
    transformer = Transformer(
        folder,
        model_kwargs={**shared, **options["model_kwargs"], "key_mapping": _renamings(path)},
        processor_kwargs=dict(shared),
        config_kwargs=dict(shared),
        document_length=metadata.doc_maxlen,
    )
    # What is saved from here on has the backbone's own names.
    transformer.model._weight_conversions = None
    tokenizer = transformer.tokenizer
    hidden = transformer.get_embedding_dimension()
    if weight.ndim != 2:
        raise ConfigError(
            f"{folder}: {_PROJECTION} has the shape {tuple(weight.shape)}, want dimensions x "
            f"{hidden}; fetch the model again"
        )
    if weight.shape[1] != hidden:
        raise ConfigError(
            f"{folder}: {_PROJECTION} projects {weight.shape[1]} dimensions and the backbone gives "
            f"{hidden}; the files are of different models"
        )
    conventions = _conventions(path, metadata, tokenizer)
    transformer.query_expansion = {
        "strategy": "fixed",
        "attend": bool(metadata.attend_to_mask_tokens),
        "length": metadata.query_maxlen or 32,
        "token": conventions.filler,
    }
    _keep_whole(tokenizer, conventions.markers)
    projection = Dense(
        in_features=weight.shape[1],
        out_features=weight.shape[0],
        bias=bias is not None,
        activation_function=nn.Identity(),
        init_weight=weight,
        init_bias=bias,
        module_input_name="token_embeddings",
    )
    filtered = _punctuation(tokenizer) if metadata.mask_punctuation is not False else []
    modules = [transformer, projection, MultiVectorMask(filtered)]
    if conventions.unscored:
        everywhere = ["query", "document"]
        modules.append(MultiVectorMask([*conventions.unscored], skiplist_tasks=everywhere))
    modules.append(Normalize(module_input_name="token_embeddings"))
    prompts = dict(
        zip(("query", "document"), (f"{marker} " for marker in conventions.markers), strict=True)
    )
    return MultiVectorEncoder(modules=modules, prompts=prompts, device=options["device"])


def _conventions(folder: Path, metadata: Metadata, tokenizer: Any) -> Conventions:
    """Return how queries and documents are marked, filled up and masked."""
    vocabulary = tokenizer.get_vocab()
    named = (metadata.query_token_id, metadata.doc_token_id)
    if named == (None, None):
        primeqa = _primeqa_markers(folder, tokenizer)
        if primeqa is not None:
            return Conventions(primeqa, tokenizer.pad_token, (tokenizer.bos_token,))
    markers = []
    for name, default in zip(named, _STANFORD, strict=True):
        marker = name or default
        if marker not in vocabulary:
            marker = tokenizer.unk_token
        if marker is None:
            raise ConfigError(
                f"{folder}: the tokenizer has neither the marker {name or default!r} nor an "
                "unknown token; set encoder.query_prompt and encoder.document_prompt"
            )
        markers.append(marker)
    return Conventions((markers[0], markers[1]), None, ())


def _primeqa_markers(folder: Path, tokenizer: Any) -> tuple[str, str] | None:
    """Return the markers that PrimeQA takes for a kind of model; None for another kind."""
    kind = read_json(folder / "config.json", {}).get("model_type")
    if kind == "xlm-roberta" and len(tokenizer) > max(_XLMR_IDS):
        query, document = tokenizer.convert_ids_to_tokens(list(_XLMR_IDS))
        return query, document
    if kind == "roberta" and set(_ROBERTA) <= set(tokenizer.get_vocab()):
        return _ROBERTA
    return None


def _keep_whole(tokenizer: Any, markers: tuple[str, str]) -> None:
    """Make the tokenizer read a marker in a text as the one token it is."""
    from transformers import AddedToken

    split = [marker for marker in markers if tokenizer.tokenize(marker) != [marker]]
    tokenizer.add_special_tokens(
        {
            "additional_special_tokens": [
                AddedToken(marker, normalized=False, special=True) for marker in split
            ]
        }
    )


def _punctuation(tokenizer: Any) -> list[str]:
    """Return the tokens that a punctuation mark is, by itself or after a word."""
    vocabulary = tokenizer.get_vocab()
    tokens = [symbol for symbol in string.punctuation if symbol in vocabulary]
    for symbol in string.punctuation:
        alone = tokenizer.tokenize(symbol)
        if len(alone) == 1 and alone[0] != tokenizer.unk_token and alone[0] not in tokens:
            tokens.append(alone[0])
    return tokens


def _projection(folder: Path) -> tuple[Any, Any | None]:
    """Return weight (dims, hidden) and bias, None where there is none.

    Raises:
        ConfigError: there is no such weight.
    """
    from safetensors import safe_open

    key = _projection_key(folder)
    if key is None:
        raise ConfigError(
            f"{folder} is a ColBERT checkpoint without its projection: no file beside config.json "
            f"holds {_PROJECTION}; fetch the model again"
        )
    held: dict[str, Any] = {}
    wanted = (key, f"{key.removesuffix('weight')}bias")
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            held |= {k: tensors.get_tensor(k).float() for k in tensors.keys() if k in wanted}  # noqa: SIM118
    return held[key], held.get(wanted[1])


def _projection_key(folder: Path) -> str | None:
    keys = set(_keys(folder))
    return next((f"{w}{_PROJECTION}" for w in _WRAPPERS if f"{w}{_PROJECTION}" in keys), None)


def _renamings(folder: Path) -> dict[str, str] | None:
    """Return what takes away the prefix of the backbone's weights, such as `bert.`."""
    for key in _keys(folder):
        prefix, found, _ = key.partition("embeddings.")
        if found and prefix.endswith("."):
            return {f"^{re.escape(prefix)}": ""}
    return None


def _keys(folder: Path) -> Iterator[str]:
    """Yield the names of the weights beside config.json; none of a file that cannot be read, which
    loading it will tell."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with suppress(Exception), safe_open(path, framework="np") as tensors:
            yield from tensors.keys()
