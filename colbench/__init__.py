"""colbench: an evaluation and benchmarking harness for late-interaction (ColBERT) retrieval.

What is public in Python, each imported when it is first asked for:

    load_collection, Collection, Document, Query     what is searched
    write_vectors                                    a folder of given token vectors
    run, load_results, Results                       systems measured on it
    evaluate, Scores                                 a run of any system, judged
    compare, Comparison; gate, Verdict               two results side by side; did search get worse?
    Colbert                                          texts and metadata, indexed and searched
    ColbertIndex                                     the index on its own
    ColbenchError and its kinds                      what can go wrong, in one line each

The core flows one way; a folder imports only those before it:

    collection → encoder → index → run → measures → retriever → results → report
    → config → experiment

Features stand on the core side by side, each a folder with everything of it: `compare`, `gate`,
`sweep`, `reproduce`, `explain`, `train`. `cli` is the command above them all, and `api` what is
called from Python.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colbench.api.evaluate import Scores as Scores
    from colbench.api.evaluate import evaluate as evaluate
    from colbench.api.index import ColbertIndex as ColbertIndex
    from colbench.api.load import load_collection as load_collection
    from colbench.api.results import Results as Results
    from colbench.api.results import load_results as load_results
    from colbench.api.run import run as run
    from colbench.api.verdicts import Comparison as Comparison
    from colbench.api.verdicts import Verdict as Verdict
    from colbench.api.verdicts import compare as compare
    from colbench.api.verdicts import gate as gate
    from colbench.application.colbert import Colbert as Colbert
    from colbench.collection.model import Collection as Collection
    from colbench.collection.model import Document as Document
    from colbench.collection.model import Query as Query
    from colbench.collection.vectors.write import write_vectors as write_vectors
    from colbench.errors import ColbenchError as ColbenchError
    from colbench.errors import ConfigError as ConfigError
    from colbench.errors import DataError as DataError
    from colbench.errors import PackagesUnavailable as PackagesUnavailable
    from colbench.errors import StorageError as StorageError
    from colbench.errors import WeightsUnavailable as WeightsUnavailable

__version__ = "0.1.0"

_PLACES = {
    "colbench.api.evaluate": ("Scores", "evaluate"),
    "colbench.api.index": ("ColbertIndex",),
    "colbench.api.load": ("load_collection",),
    "colbench.api.results": ("Results", "load_results"),
    "colbench.api.run": ("run",),
    "colbench.api.verdicts": ("Comparison", "Verdict", "compare", "gate"),
    "colbench.application.colbert": ("Colbert",),
    "colbench.collection.model": ("Collection", "Document", "Query"),
    "colbench.collection.vectors.write": ("write_vectors",),
    "colbench.errors": (
        *("ColbenchError", "ConfigError", "DataError", "PackagesUnavailable", "StorageError"),
        "WeightsUnavailable",
    ),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [*_MODULES, "__version__"]


class _Package(ModuleType):
    """The package: `colbench.run` is the function, once the folder of that name is imported too."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, but for that of a folder whose name a function has."""
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    """Import what is public when it is first asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module 'colbench' has no attribute {name!r}")
    return globals().setdefault(name, getattr(importlib.import_module(_MODULES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
