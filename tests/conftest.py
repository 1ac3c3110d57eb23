"""Fixtures that several areas share."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from forking import ForkServer
from hypothesis import settings

from colbench.collection.model import Collection, Document, Query
from colbench.results.schema import (
    SCHEMA_VERSION,
    CollectionInfo,
    Distribution,
    Environment,
    IndexInfo,
    Latency,
    Results,
    Significance,
    SystemResult,
)

# Timing is never asserted: a busy machine would fail a property that holds. The same examples every
# time: a change is judged by what it did, not by a draw. --hypothesis-profile=random draws others.
for _name, _examples in {"default": 25, "nightly": 200}.items():
    settings.register_profile(_name, max_examples=_examples, deadline=None, derandomize=True)
settings.register_profile("random", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("COLBENCH_HYPOTHESIS", "default"))

_SHARED = Path(__file__).resolve().parents[2] / "shared"


_LONGEST = ("test_run", "test_sweep", "test_train_model", "test_wheel", "test_plugin")
"""Modules that are begun first, so that none of them is what all others have ended before."""


_NIGHTLY = ("faults", "fidelity", "fuzz")
"""Folders of which every test has the marker `nightly`."""


def pytest_configure(config):
    # Set here and not in a fixture: ir_datasets reads the variable when it is imported, and ranx
    # imports ir_datasets, so a test module may do so while pytest still collects.
    config.irds_home = Path(tempfile.mkdtemp(prefix="colbench-ir-datasets-"))
    os.environ["IR_DATASETS_HOME"] = str(config.irds_home)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
    for item in items:
        if item.path.parent.name in _NIGHTLY:
            item.add_marker("nightly")


def pytest_unconfigure(config):
    shutil.rmtree(config.irds_home, ignore_errors=True)


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory):
    """Processes of `colbench` that are there at once; see `forking`."""
    server = ForkServer(tmp_path_factory.mktemp("forks"))
    yield server
    server.close()


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory):
    """Folder of models that are made once a session: converted to int8, or with an update applied.

    Set as COLBENCH_CACHE, so that everything which names no cache of its own finds them there; the
    workers of pytest-xdist share it.
    """
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `shared` beside the repository, with collections too large to be part of it."""
    if not _SHARED.is_dir():
        pytest.skip("needs the folder 'shared' beside the repository, which is not there")
    return _SHARED


@pytest.fixture(scope="session")
def irds_home(shared_data: Path, pytestconfig: pytest.Config) -> Path:
    """IR_DATASETS_HOME, seeded with the downloads of beir/scifact, cranfield and vaswani."""
    seed = shared_data / "ir_datasets"
    if not seed.is_dir():
        pytest.skip("needs 'shared/ir_datasets' beside the repository, which is not there")
    for source in seed.rglob("*"):
        if source.is_file():
            target = pytestconfig.irds_home / source.relative_to(seed)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)  # not its mode: the seed may be read-only
    return pytestconfig.irds_home


@pytest.fixture
def tiny_collection() -> Collection:
    """Six documents and three queries; q3 has only a judged non-relevant document."""
    return Collection(
        name="tiny",
        documents=[
            Document("d1", "Cats", "A cat sleeps most of the day."),
            Document("d2", "Dogs", "A dog guards the house and barks at night."),
            Document("d3", "", "Bread is baked from flour, water and yeast."),
            Document("d4", "Tides", "The moon pulls the sea and makes the tides."),
            Document("d5", "Bakery", "The bakery sells bread and cake."),
            Document("d6", "", ""),
        ],
        queries=[
            Query("q1", "which animal sleeps all day"),
            Query("q2", "how is bread made"),
            Query("q3", "what causes the tides"),
        ],
        qrels={"q1": {"d1": 1, "d2": 0}, "q2": {"d3": 2, "d5": 1}, "q3": {"d5": 0}},
    )


@pytest.fixture
def example_results() -> Results:
    """Three systems on a made-up collection: the reference, a better one, a skipped one."""
    times = Distribution(p50=1.0, p95=2.0, p99=3.0, mean=1.2)
    measured = {
        "status": "ok",
        "config": {"kind": "bm25"},
        "latency_ms": Latency(encode=times, search=times, queries=3, trials=3),
        "throughput_qps": 900.0,
        "build_seconds": 0.5,
        "index": IndexInfo(
            vectors=0, dims=0, bytes=80, bytes_per_doc=8.0, bytes_per_vector=None, files={"a": 80}
        ),
        "peak_rss_bytes": 300_000_000,
        "depth": 10,
    }
    better = {"difference": 0.0572, "p_value": 0.001, "p_holm": 0.002, "significant": True}
    return Results(
        schema_version=SCHEMA_VERSION,
        colbench_version="0.1.0",
        experiment="example",
        command="colbench run",
        created="2026-01-01T00:00:00+00:00",
        collection=CollectionInfo(
            name="made/up", docs=10, queries=3, judgments=4, fingerprint="f" * 64, sampled=False
        ),
        environment=Environment(
            platform="Linux",
            python="3.11.0",
            cpu="a processor",
            cores=2,
            threads=2,
            memory_bytes=1 << 34,
            accelerator=None,
            packages={"torch": "2.13.0"},
            git_commit=None,
            git_dirty=None,
            seed=0,
        ),
        config={},
        measures=["ndcg@10", "mrr@10"],
        reference="bm25",
        alpha=0.05,
        test="student",
        systems=[
            SystemResult(name="bm25", effectiveness={"ndcg@10": 0.65, "mrr@10": 0.61}, **measured),
            SystemResult(
                name="colbert_exact",
                effectiveness={"ndcg@10": 0.7072, "mrr@10": 0.67},
                significance={
                    "ndcg@10": Significance(**better, wins=2, ties=1, losses=0),
                    "mrr@10": Significance(
                        difference=0.06,
                        p_value=0.2,
                        p_holm=0.2,
                        significant=False,
                        wins=1,
                        ties=1,
                        losses=1,
                    ),
                },
                **measured,
            ),
            SystemResult(
                name="bm25_cross_encoder",
                status="skipped",
                reason="weights are not here",
                config={"kind": "rerank_cross_encoder"},
            ),
        ],
    )
