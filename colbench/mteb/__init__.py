"""MTEB, both ways: a system as a model of MTEB, results as its files, its files as rows.

    search_model    `SearchModel`, what `mteb.evaluate` takes
    texts           documents and queries of a task, as MTEB itself reads them
    meta            what MTEB is told of a model
    export          results as TaskResult files
    command         `colbench mteb`

MTEB itself is imported where a model of it is asked for, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colbench.mteb.search_model import SearchModel as SearchModel

__all__ = ["SearchModel"]


def __getattr__(name: str) -> object:
    """Import `SearchModel` when it is first asked for."""
    if name != "SearchModel":
        raise AttributeError(f"module 'colbench.mteb' has no attribute {name!r}")
    from colbench.mteb.search_model import SearchModel

    return SearchModel
