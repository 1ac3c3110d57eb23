"""A made-up record of a training, for the tests of what shows it."""

from __future__ import annotations

from colbench.results.origin import CollectionInfo, Environment
from colbench.train.record import (
    CurvePoint,
    Development,
    MiningReport,
    Parameters,
    Protected,
    SourceReport,
    TeacherReport,
    Train,
)

RECIPE = {
    "kind": "colbert",
    "sources": {
        "judged": {"pairs": "judged", "dataset": None, "overrides": []},
        "own": {"pairs": "file", "path": "pairs.jsonl", "limit": None},
    },
    "teacher": {"kind": "cross_encoder", "model": "owner/teacher"},
    "loss": "kl",
    "learning_rate": 2e-05,
}


def train_record(**changed) -> Train:
    """Return the record of a ColBERT with two sources, the best of three checkpoints the second."""
    values = {
        "colbench_version": "0.1.0",
        "command": "colbench train train=colbert dataset=beir/scifact output_dir=out",
        "created": "2026-01-01T00:00:00+00:00",
        "environment": Environment(
            platform="Linux",
            python="3.11.0",
            cpu="a processor",
            cores=2,
            threads=2,
            memory_bytes=1 << 34,
            accelerator=None,
            packages={"torch": "2.13.0", "sentence-transformers": "6.2.0"},
            git_commit=None,
            git_dirty=None,
            seed=7,
        ),
        "config": {"train": RECIPE, "encoder": {"model": "embedded:all-MiniLM-L6-v2"}},
        "kind": "colbert",
        "base": "minilm",
        "collection": CollectionInfo(
            name="made/up",
            docs=5183,
            queries=300,
            judgments=339,
            fingerprint="f" * 64,
            sampled=False,
        ),
        "sources": [
            SourceReport(
                name="judged",
                pairs="judged",
                collection="made/up/train",
                fingerprint="a" * 64,
                found=9190,
                duplicates=21,
                protected_queries=32,
                protected_documents=43,
                protected_negatives=5,
                held_out=1001,
                drawn=8093,
            ),
            SourceReport(name="own", pairs="file", collection="pairs.jsonl", found=810, drawn=810),
        ],
        "protected": [
            Protected(name="made/up/test", fingerprint="b" * 64, queries=300, documents=283)
        ],
        "mining": MiningReport(
            system="bm25", examples=8903, negatives=35611, left_out=417, short=6, seconds=12.3
        ),
        "teacher": TeacherReport(
            kind="cross_encoder", model="owner/teacher", pairs=44514, agreement=0.876, seconds=99.0
        ),
        "development": Development(
            source="judged",
            collection="made/up/train",
            measure="ndcg@10",
            queries=100,
            documents=2000,
        ),
        "parameters": Parameters(update="full", trained=22_713_216, total=22_762_368, dims=128),
        "examples": 8903,
        "steps": 300,
        "curve": [
            CurvePoint(step=0, epoch=0.0, seconds=3.0, value=0.6512),
            CurvePoint(step=50, epoch=0.17, seconds=30.0, loss=1.5, learning_rate=1e-5),
            CurvePoint(
                step=100, epoch=0.33, seconds=61.0, loss=1.25, learning_rate=2e-5, value=0.7001
            ),
            CurvePoint(
                step=200, epoch=0.67, seconds=120.0, loss=0.75, learning_rate=1e-5, value=0.7234
            ),
            CurvePoint(
                step=300, epoch=1.0, seconds=180.0, loss=0.5, learning_rate=0.0, value=0.7198
            ),
        ],
        "best_step": 200,
        "best_value": 0.7234,
        "start_value": 0.6512,
        "seconds": 181.5,
        "model_sha256": {"model.safetensors": "c" * 64},
    }
    return Train(**{**values, **changed})
