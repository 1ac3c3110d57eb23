"""An application's index in frameworks of others, each in a module that is imported by itself.

langchain     retriever and document compressor, on langchain-core
llama_index   retriever and node postprocessor, on llama-index-core
haystack      retriever and ranker, on haystack-ai
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from colbench.application.results import Result


def described(result: Result) -> dict[str, Any]:
    """Return the metadata of a result, with what the search says of it under keys of its own.

    Keys `id`, `score`, `rank` and `passage` are those of the search; fields of these names are
    hidden. `passage` has `number`, `count`, `start`, `end` and `text`.
    """
    passage = result.passage
    found: dict[str, Any] = {name: plain(value) for name, value in result.metadata.items()}
    found |= {
        "id": result.id,
        "score": result.score,
        "rank": result.rank,
        "passage": {
            "number": passage.number,
            "count": passage.count,
            "start": passage.start,
            "end": passage.end,
            "text": passage.text,
        },
    }
    return found if result.index is None else {**found, "index": result.index}


def plain(value: Any) -> Any:
    """Return a value that JSON has: dates as ISO 8601.

    >>> plain(datetime.date(2026, 11, 30)), plain(2)
    ('2026-11-30', 2)
    """
    return value.isoformat() if isinstance(value, datetime.date) else value


def searched(
    index: Any, query: str, k: int, filter: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> list[Result]:
    """Search an index, or several that are one."""
    found: list[Result] = index.search(query, k, filter=filter, **options)
    return found
