"""Skipping what needs Java and Anserini, and the terms of Lucene's analysers."""

from __future__ import annotations

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


def lucene_terms(analyser: str, texts: list[str]) -> list[list[str]]:
    """Return the terms of each text.

    Args:
        analyser: class below `org.apache.lucene.analysis`.
        texts: what is analysed.
    """
    java = start_java(HEAP).JClass
    analyse = java("io.anserini.analysis.AnalyzerUtils").analyze
    join = java("java.lang.String").join  # a string at a time is slow
    instance = java(f"org.apache.lucene.analysis.{analyser}")()
    joined = (str(join("\n", analyse(instance, text))) for text in texts)
    return [terms.split("\n") if terms else [] for terms in joined]
