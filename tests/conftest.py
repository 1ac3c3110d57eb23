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
    AttributionStage,
    CollectionInfo,
    Distribution,
    DocumentInfo,
    Environment,
    IndexInfo,
    Latency,
    QueryInfo,
    Results,
    Significance,
    SweepInfo,
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
    os.environ.pop("COLUMNS", None)  # of the terminal that tests are started in


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


# An application's index; what is heavy is imported where a test asks for it.


@pytest.fixture(scope="session")
def encoder():
    """An encoder of words, which costs nothing."""
    from words import WordEncoder

    return WordEncoder()


@pytest.fixture(scope="session")
def model():
    """The embedded model."""
    from colbench import Colbert

    return Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")


@pytest.fixture
def words(encoder, tmp_path):
    """Make an index of texts by words, each under a new name: `words(texts, ids=…, …)`."""
    from colbench import Colbert

    made = iter(f"index{number}" for number in range(1000))

    def make(texts, **options):
        name = options.pop("name", None) or next(made)
        model = Colbert.from_pretrained(options.pop("encoder", encoder))
        return model.index(texts, tmp_path / name, verbose=False, **options)

    return make
