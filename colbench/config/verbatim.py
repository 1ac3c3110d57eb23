"""Values of the command line that are meant as they stand: paths, and lists without brackets.

Hydra's grammar gives `=`, `,`, `#`, brackets and quotes a meaning and makes numbers of digits. What
the settings say is a path is put into quotes before Hydra reads it, and what they say is a list
into brackets; everything else is left to Hydra.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colbench.config.annotations import annotations_of, typed, verbatim_path
from colbench.config.folder import options, quoted
from colbench.config.models import MODEL_GROUPS
from colbench.config.settings import RunSettings
from colbench.features import entry_point, features


def hydra_override(text: str, extra: Sequence[Path] = (), *, sweep: bool = False) -> str:
    """Return an override as Hydra's grammar has it.

    Args:
        text: `KEY=VALUE` of the command line.
        extra: further configuration folders.
        sweep: whether commas separate the values of a sweep, as in a multirun; a path with commas
            that is there is one value even so.

    >>> hydra_override("dataset.path=my,folder=2#"), hydra_override("systems=bm25,colbert")
    ("dataset.path='my,folder=2#'", 'systems=[bm25,colbert]')
    >>> hydra_override("systems=bm25,colbert", sweep=True), hydra_override("k=10")
    ('systems=bm25,colbert', 'k=10')
    """
    name, equals, value = text.partition("=")
    key = name.lstrip("+/")
    if not equals or value == "null":
        return text
    if key in MODEL_GROUPS:
        if value in options(key, extra):
            return text
        return f"{name}={verbatim_path(value, sweep=sweep)}"
    if not value.isascii() and re.fullmatch(r"[^\s,$=(){}\[\]'\"]+", value):
        return f"{name}={quoted(value)}"  # Hydra's words are ASCII
    annotations = annotations_of(_roots(), key.split("."))
    return f"{name}={typed(value, annotations, sweep=sweep)}"


def _roots() -> list[Any]:
    own = {
        feature.name: entry_point(feature.settings)
        for feature in features()
        if feature.settings is not None
    }
    return [RunSettings, own]
