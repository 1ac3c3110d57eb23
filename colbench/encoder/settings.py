"""What an encoder is made of; `conf/encoder/*.yaml` holds ready ones."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from colbench.settings import Settings


class Form(StrEnum):
    """What an encoder returns for a text."""

    TOKENS = "tokens"
    """One L2-normalised vector per token (late interaction)."""
    DENSE = "dense"
    """One vector per text (bi-encoder)."""


class EncoderSettings(Settings):
    """A model and how texts go through it."""

    name: str = Field(description="short name used in tables")
    model: str = Field(
        description="'embedded:all-MiniLM-L6-v2', a hub name, or a local folder in Stanford "
        "ColBERT, PyLate or sentence-transformers format"
    )
    revision: str | None = Field(None, description="hub revision (commit or tag)")
    query_length: int | None = Field(
        None,
        ge=2,
        description="longest query in tokens; null takes the collection's published length, "
        "then the checkpoint's own",
    )
    document_length: int | None = Field(
        None, ge=2, description="longest document in tokens; null takes the checkpoint's own"
    )
    query_prompt: str | None = Field(
        None,
        description="text put before every query in place of the checkpoint's own prompt or "
        "marker; null keeps the checkpoint's own",
    )
    document_prompt: str | None = Field(
        None,
        description="text put before every document in place of the checkpoint's own prompt or "
        "marker; null keeps the checkpoint's own",
    )
    pooling: Literal["checkpoint", "mean", "cls"] = Field(
        "checkpoint", description="how a bi-encoder makes one vector from the token vectors"
    )
    normalize: bool = Field(True, description="L2-normalise the vector of a text")
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        "fp32",
        description="arithmetic of the forward pass; fp32 reproduces published numbers on every "
        "machine, auto is faster and nearly as exact: int8 or bf16 on a CPU made for it, bf16 on a "
        "GPU",
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="what runs the forward pass; openvino needs the extra of that name"
    )
    batch_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens in one forward pass, padding among them, and at least one text; null "
        "takes 4,096 on a CPU and 131,072 on a GPU",
    )
    device: str = Field("auto", description="torch device; auto takes a GPU where there is one")
    devices: list[str] | None = Field(
        None,
        min_length=1,
        description="GPUs that share the documents, a process each, such as [cuda:0, cuda:1]; "
        "queries go to the first; null takes device alone",
    )
    long_documents: Literal["truncate", "chunk"] = Field(
        "truncate",
        description="what becomes of documents longer than document_length: truncate drops the "
        "rest and counts it in the results, chunk splits them and a document scores as its best "
        "chunk",
    )
    chunk_overlap: int = Field(
        32, ge=0, description="tokens that a chunk shares with the one before it"
    )
    trained_on: str | None = Field(
        None,
        description="data it was trained on, where a reader of its numbers must know; reports say "
        "it",
    )
    trust_remote_code: bool = Field(False, description="run code shipped with a hub model")


class CrossEncoderSettings(Settings):
    """A model that reads a query and a document together and returns one score."""

    name: str = Field(description="short name used in tables")
    model: str = Field(
        "cross-encoder/ms-marco-MiniLM-L6-v2", description="a hub name or a local folder"
    )
    revision: str | None = Field(None, description="hub revision (commit or tag)")
    max_length: int = Field(
        512, ge=8, description="longest query and document together in tokens; the rest is cut off"
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="arithmetic of the forward pass; fp32 reproduces published numbers"
    )
    batch_size: int = Field(32, ge=1, description="pairs in one forward pass")
    device: str = Field("auto", description="torch device; auto takes a GPU where there is one")
    trained_on: str | None = Field(
        None,
        description="data it was trained on, where a reader of its numbers must know; reports say "
        "it",
    )
    trust_remote_code: bool = Field(False, description="run code shipped with a hub model")
