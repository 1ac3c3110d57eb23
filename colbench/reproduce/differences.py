"""The settings in which a published figure and a measured system differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colbench.reproduce.matching import whole_config
from colbench.reproduce.published import Entry
from colbench.reproduce.record import SettingDifference
from colbench.results.schema import Results, SystemResult

_ENGINE_OF_KIND = {
    "bi_encoder": "colbench (faiss)",
    "colbert": "colbench (PLAID)",
    "colbert_exact": "colbench (MaxSim)",
}
_FIRST_STAGE = {"bi_encoder": "faiss", "bm25": "BM25"}


def setting_differences(
    entry: Entry, system: SystemResult, results: Results
) -> tuple[list[SettingDifference], list[str]]:
    """Compare what an entry says with what was measured.

    Returns:
        (settings that differ, settings that the source does not give). A published setting that
        has no counterpart here differs from None.
    """
    published = _published(entry)
    measured = measured_settings(system, results)
    unknown = [key for key, value in published.items() if value is None]
    differing = [
        SettingDifference(setting=key, published=value, measured=measured.get(key))
        for key, value in published.items()
        if value is not None and not _same(value, measured.get(key))
    ]
    return differing, unknown


def _published(entry: Entry) -> dict[str, Any]:
    """Return the published settings by the names that `measured_settings` uses."""
    settings: dict[str, Any] = {"ignore_identical_ids": entry.ignore_identical_ids}
    if entry.encoder is not None:
        settings |= {
            "revision": entry.revision,
            "query_length": entry.query_length,
            "document_length": entry.document_length,
        }
    return settings | entry.engine


def measured_settings(system: SystemResult, results: Results) -> dict[str, Any]:
    """Return what a system was measured with, by the names that entries use."""
    config = whole_config(system, results)
    first = config["first_stage"] if isinstance(config.get("first_stage"), dict) else {}
    lexical = config if config.get("kind") == "bm25" else first
    settings: dict[str, Any] = {
        "ignore_identical_ids": ignores_identical_ids(results),
        "k": system.depth,
    }
    settings |= _of_encoder(config.get("encoder"), results)
    settings["engine"] = _engine(config, system.metadata, first)
    if lexical.get("kind") == "bm25":
        settings |= {"k1": lexical["k1"], "b": lexical["b"]}
        settings |= {"fields": "title and text joined", "tokens": _tokens(lexical)}
    if config.get("kind") == "colbert_exact":
        settings |= {"precision": config.get("precision", "fp16"), "query_precision": "fp32"}
    if config.get("kind") == "rerank_maxsim":
        settings["precision"] = "fp16"
    settings["depth"] = config.get("depth")
    settings["search"] = _search(config, first)
    if isinstance(config.get("index"), dict):
        settings["nbits"] = config["index"].get("nbits")
    if isinstance(config.get("search"), dict):
        settings |= {
            key: config["search"].get(key) for key in ("nprobe", "centroid_score_threshold")
        }
        settings["ndocs"] = config["search"].get("ndocs") or max(4 * (system.depth or 0), 4096)
    return settings


def ignores_identical_ids(results: Results) -> bool:
    """Return whether documents with the query's own id were left out."""
    dataset = results.config["dataset"]
    chosen = dataset.get("ignore_identical_ids")
    by_source = str(dataset.get("id")).startswith("beir/")
    return by_source if chosen is None else bool(chosen)


def _of_encoder(encoder: Any, results: Results) -> dict[str, Any]:
    if not isinstance(encoder, dict):
        return {}
    # Where the encoder has no length of its own, the collection's published one is taken.
    query_length = encoder.get("query_length") or results.config["dataset"].get("query_length")
    return {
        "revision": encoder.get("revision"),
        "query_length": query_length,
        "document_length": encoder.get("document_length"),
    }


def _engine(config: Mapping[str, Any], facts: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    kind = str(config.get("kind"))
    if kind == "bm25":
        return str(facts.get("engine") or config.get("engine"))
    if first:
        scorer = "MaxSim" if kind == "rerank_maxsim" else "cross-encoder"
        return f"colbench ({_FIRST_STAGE.get(str(first.get('kind')), 'first stage')}, {scorer})"
    return _ENGINE_OF_KIND.get(kind, f"colbench ({kind})")


def _tokens(bm25: Mapping[str, Any]) -> str:
    return "stemmed words" if bm25.get("analyser", {}).get("stemmer") else "words"


def _search(config: Mapping[str, Any], first: Mapping[str, Any]) -> str | None:
    index = (first or config).get("index")
    search = config.get("search")
    if isinstance(search, dict):
        return "exhaustive" if search.get("exhaustive") else "PLAID"
    if config.get("kind") == "colbert_exact":
        return "exact"
    return {"flat": "exact", "hnsw": "hnsw"}.get(index) if isinstance(index, str) else None


def _same(published: Any, measured: Any) -> bool:
    if isinstance(published, str) and isinstance(measured, str):
        return published.lower() == measured.lower()
    return bool(published == measured)
