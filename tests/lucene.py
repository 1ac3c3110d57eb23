"""Skipping what needs Java and Anserini, and the terms of Lucene's analysers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from colbench.errors import PackagesUnavailable
from colbench.retriever.anserini import look_for_anserini, start_java

HEAP = 1 << 30


def missing() -> str | None:
    """Say what is not installed; None where all is."""
    try:
        look_for_anserini()
    except PackagesUnavailable as error:
        return str(error)
    return None


needs_lucene = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def lucene_terms(
    analyser: str,
    texts: Iterable[str],
    *,
    stop_words: Iterable[str] | None = None,
    not_stemmed: Iterable[str] = (),
) -> list[list[str]]:
    """Return the terms of each text.

    Args:
        analyser: class below `org.apache.lucene.analysis`.
        texts: what is analysed.
        stop_words: in place of the analyser's own.
        not_stemmed: words that its stemmer leaves alone.
    """
    java = start_java(HEAP).JClass
    analyse = java("io.anserini.analysis.AnalyzerUtils").analyze
    join = java("java.lang.String").join  # a string at a time is slow
    lists = [] if stop_words is None else [_set(java, stop_words)]
    lists += [_set(java, not_stemmed)] if not_stemmed else []
    instance = java(f"org.apache.lucene.analysis.{analyser}")(*lists)
    joined = (str(join("\n", analyse(instance, text))) for text in texts)
    return [terms.split("\n") if terms else [] for terms in joined]


def _set(java: Any, words: Iterable[str]) -> Any:
    collected = java("java.util.ArrayList")()
    for word in words:
        collected.add(word)
    return java("org.apache.lucene.analysis.CharArraySet")(collected, False)
