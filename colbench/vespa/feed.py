"""The feed: a line of JSON for each document, as `vespa feed` takes it."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from colbench.application.colbert import Colbert
from colbench.application.metadata import keys_of
from colbench.application.results import Document
from colbench.vectors import Vectors
from colbench.vespa.package import SCHEMA, field_names

NAMESPACE = "colbench"

_SAFE = "!#$&'()*+,/:;=?@[]~ "
"""Printable ASCII that an id keeps; the rest is percent-encoded, so that none is refused."""

_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ufdd0-\ufddf"
    + "".join(
        f"{chr((plane << 16) | 0xFFFE)}{chr((plane << 16) | 0xFFFF)}" for plane in range(1, 17)
    )
    + "]"
)
"""Characters that Vespa takes in no text, after `isTextCharacter` of its class `Text`."""


def document_id(doc_id: str) -> str:
    """Return the id of a document in Vespa; `doc_id` keeps the one of the index.

    >>> document_id("a b"), document_id("50%\\n")
    ('id:colbench:doc::a b', 'id:colbench:doc::50%25%0A')
    """
    return f"id:{NAMESPACE}:{SCHEMA}::{quote(doc_id, safe=_SAFE)}"


def text_of(text: str) -> str:
    """Return a text without the characters that Vespa refuses; a space stands for each."""
    return _REFUSED.sub(" ", text)


def lines(
    index: Colbert, variants: Sequence[str], limit: int | None = None
) -> Iterator[tuple[str, bool]]:
    """Yield a line for each document, and whether characters of it had to be replaced.

    Args:
        index: that is open.
        variants: of the token vectors.
        limit: documents at most.
    """
    names = field_names(index.opened.fields)
    for number, document in enumerate(index.documents()):
        if number == limit:
            return
        fields: dict[str, Any] = {"doc_id": document.id, "text": document.text}
        for field, value in document.metadata.items():
            if value is not None:
                fields[names[field]] = _value(value)
        plain = {name: _plain(value) for name, value in fields.items()}
        put = {
            "put": document_id(document.id),
            "fields": plain | _tensors(index, document, variants),
        }
        yield json.dumps(put, allow_nan=False), plain != fields


def _value(value: Any) -> Any:
    if isinstance(value, datetime.date):
        (microseconds,) = keys_of(value, "date")
        return int(microseconds) // 1000
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [text_of(one) for one in value]
    return text_of(value) if isinstance(value, str) else value


def _tensors(index: Colbert, document: Document, variants: Sequence[str]) -> dict[str, Any]:
    matrices = index.vectors(document.id)
    found: dict[str, Any] = {}
    if "float" in variants:
        found["vectors"] = _blocks([matrix.astype(">f4") for matrix in matrices])
    if "bits" in variants:
        found["bits"] = _blocks([signs(matrix) for matrix in matrices])
    return found


def _blocks(matrices: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """Return a tensor as Vespa reads it, its values in hexadecimal, the highest byte first.

    Numbers in full would be three times as long.
    """
    return {
        "blocks": [
            {
                "address": {"passage": str(passage), "token": str(token)},
                "values": row.tobytes().hex(),
            }
            for passage, matrix in enumerate(matrices, start=1)
            for token, row in enumerate(matrix)
        ]
    }


def signs(matrix: Vectors) -> NDArray[np.int8]:
    """Return the signs of vectors, eight to a byte, int8 (tokens, dims / 8).

    The first dimension is the highest bit, as `unpack_bits` of Vespa reads it; 1 is for a value
    above 0.

    >>> signs(np.array([[1, -1, 1, 1, -1, -1, -1, 1]], dtype=np.float32)).tolist()
    [[-79]]
    """
    packed: NDArray[np.int8] = np.packbits(matrix > 0, axis=1).view(np.int8)
    return packed
