"""Results with everything a report can show."""

import pytest

from colbench.results.schema import (
    AttributionStage,
    DocumentInfo,
    QueryInfo,
    SweepInfo,
)

VALUES = {"bm25": [0.2, 1.0, 0.75], "colbert_exact": [0.9, 1.0, 0.2216]}
TOP = {"bm25": [[1, 0], [2], []], "colbert_exact": [[0, 1], [2], []]}


def _stages():
    stages = []
    for name, value in {"exact": 0.72, "compressed": 0.70, "final": 0.7072}.items():
        before = stages[-1].effectiveness["ndcg@10"] if stages else None
        stages.append(
            AttributionStage(
                stage=name,
                effectiveness={"ndcg@10": value, "mrr@10": value},
                change={"ndcg@10": value - before, "mrr@10": value - before} if stages else None,
                rbo=0.9,
                intersection={"10": 0.9},
            )
        )
    return stages


@pytest.fixture
def full_results(example_results):
    """`example_results` with values by query, documents, single latencies and stages."""
    systems = []
    for system in example_results.systems:
        if system.status == "ok":
            factor = 1 if system.name == "bm25" else 40
            search = system.latency_ms.search
            search = search.model_copy(
                update={key: value * factor for key, value in search.model_dump().items()}
            )
            system = system.model_copy(
                update={
                    "per_query": dict.fromkeys(example_results.measures, VALUES[system.name]),
                    "top": TOP[system.name],
                    "latency_ms": system.latency_ms.model_copy(
                        update={
                            "search": search,
                            "search_ms": [factor * value for value in (0.8, 1.0, 1.6)],
                            "encode_ms": [1.0, 1.1, 1.2],
                        }
                    ),
                    "index": system.index.model_copy(update={"bytes": 80 * factor}),
                    "attribution": _stages() if system.name == "colbert_exact" else None,
                }
            )
        systems.append(system)
    return example_results.model_copy(
        update={
            "systems": systems,
            "queries": [
                QueryInfo(id="q1", text="which animal sleeps", relevant=1, judged={"d1": 2}),
                QueryInfo(id="q2", text="how is bread made", relevant=2, judged={"d3": 1}),
                QueryInfo(id="q3", text="what moves the sea", relevant=1, judged=None),
            ],
            "documents": [
                DocumentInfo(id="d1", title="Cats", text="A cat sleeps most of the day."),
                DocumentInfo(id="d2", title="Dogs", text="A dog guards the house."),
                DocumentInfo(id="d3", title="", text="Bread is baked from flour."),
            ],
            "config": {"systems": {"bm25": {"kind": "bm25"}}},
        }
    )


@pytest.fixture
def sweep_results(full_results):
    """A sweep of 2 × 3 points beside its reference."""
    reference, model = full_results.systems[:2]
    points, systems = {}, [reference]
    for bits in (1, 2):
        for probes in (1, 4, 16):
            name = f"nbits={bits}, nprobe={probes}"
            points[name] = {"index.nbits": bits, "search.nprobe": probes}
            quality = 0.6 + 0.03 * bits + 0.002 * probes
            search = model.latency_ms.search.model_copy(update={"p50": 1.0 + probes * bits})
            systems.append(
                model.model_copy(
                    update={
                        "name": name,
                        "effectiveness": {"ndcg@10": quality, "mrr@10": quality},
                        "latency_ms": model.latency_ms.model_copy(update={"search": search}),
                        "index": model.index.model_copy(update={"bytes": 1000 * bits}),
                        "per_query": None,
                        "top": None,
                        "attribution": None,
                    }
                )
            )
    front = ["nbits=2, nprobe=1", "nbits=2, nprobe=4", "nbits=2, nprobe=16"]
    sweep = SweepInfo(
        system="colbert",
        axes={"index.nbits": [1, 2], "search.nprobe": [1, 4, 16]},
        variants=points,
        references=["bm25"],
        measure="ndcg@10",
        front_latency=["bm25", *front],
        front_bytes=["bm25", "nbits=1, nprobe=16", "nbits=2, nprobe=16"],
        advice=["nbits=2, nprobe=4 is enough."],
    )
    return full_results.model_copy(
        update={"systems": systems, "sweep": sweep, "queries": [], "documents": []}
    )
