"""What an application's index was made with, kept beside it as `application.json`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from colbench.digests import json_digest
from colbench.encoder.settings import EncoderSettings
from colbench.errors import StorageError
from colbench.files import write_json
from colbench.index.colbert.settings import IndexSettings
from colbench.mapped import Missing, Unfit, plain_file
from colbench.records import Record
from colbench.retriever.analysis import AnalyserSettings

FILE_NAME = "application.json"

_LARGEST = 1 << 20


class About(Record):
    """What decides an index besides its documents."""

    format: int = Field(1, description="of the folder")
    encoder: EncoderSettings = Field(description="the model")
    given: bool = Field(description="whether it was an object, which only who made it can give")
    split: bool = Field(description="whether long texts are split into passages")
    index: IndexSettings = Field(description="build parameters of the vectors")
    analyser: AnalyserSettings = Field(description="from text to terms, for BM25")


def write_about(folder: Path, about: About) -> None:
    """Write it, with a checksum.

    Raises:
        StorageError: it cannot be written.
    """
    content = about.model_dump(mode="json")
    write_json(folder / FILE_NAME, {**content, "sha256": json_digest(content)})


def read_about(folder: Path) -> About:
    """Read it.

    Raises:
        StorageError: there is none, or it is damaged or of a newer version.
        StorageUnavailable: it cannot be read now.
    """
    file = folder / FILE_NAME
    try:
        with plain_file(file) as stream:
            content: dict[str, Any] = dict(json.loads(stream.read(_LARGEST).decode("utf-8")))
        digest = content.pop("sha256", None)
        if content.get("format") != 1:
            raise Unfit("it is of another version of colbench")
        if digest != json_digest(content):
            raise Unfit("its checksum is another one")
        return About.model_validate(content)
    except Missing:
        there = "is no index of an application" if os.path.lexists(folder) else "is not there"
        raise StorageError(
            f"{folder} {there}: make one with Colbert.from_pretrained(model).index(texts, folder)"
        ) from None
    except (Unfit, ValueError, TypeError, RecursionError, ValidationError) as error:
        reason = "it is no such file" if isinstance(error, ValidationError) else str(error)
        raise StorageError(
            f"{file} cannot be used ({reason}): restore it from a copy, or index again"
        ) from None
