"""A system that can be searched stage by stage: what each stage loses, from search to report."""

import json
import math
import sys

import pytest

from colbench.collection.model import Collection, Document, Query
from colbench.config.compose import compose_run
from colbench.config.settings import LatencySettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.errors import StorageError
from colbench.experiment.bench import SystemTask
from colbench.experiment.evaluation import Outcome, evaluate_systems
from colbench.experiment.measurement import measure_system
from colbench.experiment.output import OutputFolder, check_output
from colbench.measures.overlap import rbo
from colbench.paths import plain_name
from colbench.results.store import read_results
from colbench.retriever.base import Workbench
from colbench.retriever.registry import system_settings
from colbench.run.trec import read_trec

KIND = '''
import numpy as np

from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings
from colbench.hits import Hits


class StagedSettings(SystemSettings):
    ballast: int = 0


class Staged(Retriever):
    """Document 0 is best; compression puts it second, and the choice of candidates loses it."""

    Settings = StagedSettings
    taken_apart = False

    def build(self):
        self._docs = range(len(self.bench.collection.documents))

    def encode(self, queries):
        return list(queries)

    def search(self, queries, k):
        assert not self.taken_apart, "everything is measured before the stages are searched"
        return self._ranked([*self._docs[1:]], queries, k, lost="unreachable")

    def stages(self, queries, k):
        self.taken_apart = True
        assert np.ones(self.settings.ballast, dtype=np.uint8).all()
        first, second, *others = self._docs
        return {
            "exact": self._ranked([first, second, *others], queries, k),
            "compressed": self._ranked([second, first, *others], queries, k),
            "candidates": self._ranked([second, *others], queries, k, lost="unreachable"),
            "final": self._ranked([second, *others], queries, k, lost="unreachable"),
        }

    def _ranked(self, docs, queries, k, lost=None):
        hits = []
        for query in queries:
            found = [] if query in ("nothing", lost) else docs[:k]
            scores = np.arange(len(found), 0, -1, dtype=np.float32)
            hits.append(Hits(np.array(found, dtype=np.int64), scores))
        return hits

    def size(self):
        return IndexSize()


SYSTEM = Staged
'''
DOC_IDS = [f"d{number}" for number in range(120)]
QUERIES = {"q1": "anything", "q2": "unreachable", "d3": "a document's own id", "q4": "nothing"}
STAGES = ["exact", "compressed", "candidates", "final"]


@pytest.fixture(scope="module", autouse=True)
def kind_folder(tmp_path_factory):
    """The folder of the kind `staged_kind.staged`, on the path of this process."""
    folder = tmp_path_factory.mktemp("kind")
    (folder / "staged_kind").mkdir()
    (folder / "staged_kind" / "staged.py").write_text(KIND, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    for name in [name for name in sys.modules if name.startswith("staged_kind")]:
        del sys.modules[name]


@pytest.fixture
def collection():
    return Collection(
        name="made up",
        documents=[Document(doc_id, "", f"text of {doc_id}") for doc_id in DOC_IDS],
        queries=[Query(query_id, text) for query_id, text in QUERIES.items()],
        qrels={query_id: {"d0": 1} for query_id in QUERIES},
    )


def measure(collection, folder, depth, *, kind="staged_kind.staged", attribution=True):
    """Measure one system called `a system` in this process and evaluate it."""
    name, output = "a system", OutputFolder(folder)
    settings = system_settings(name, {"kind": kind})
    bench = Workbench(
        collection=collection,
        folder=folder / "indexes",
        cache=EmbeddingCache(folder / "cache"),
        systems={name: settings},
        memory_bytes=1 << 20,
    )
    task = SystemTask(
        name=name,
        depth=depth,
        latency=LatencySettings(queries=2, warmup=1),
        run_file=output.run_file(name),
        stages_folder=output.stages_folder(name) if attribution else None,
    )
    reply = measure_system(task, bench)
    evaluated = evaluate_systems(
        [Outcome(name, settings, reply, 0)],
        collection,
        ["ndcg@10", "recall@100"],
        output,
        depth=depth,
        settings=compose_run([]),
    )
    (row,) = evaluated.rows
    return reply, row, output


def test_each_stage_is_scored_and_held_against_the_one_before(collection, tmp_path):
    reply, row, _ = measure(collection, tmp_path, 10)
    assert reply.stages == [stage.stage for stage in row.attribution] == STAGES
    second = 1 / math.log2(3)
    expected = [3 / 4, 3 * second / 4, 0, 0]  # the last of four queries never finds anything
    found = [stage.effectiveness["ndcg@10"] for stage in row.attribution]
    assert found == pytest.approx(expected)
    assert row.attribution[0].change is None
    changes = [stage.change["ndcg@10"] for stage in row.attribution[1:]]
    assert changes == pytest.approx([expected[1] - 3 / 4, -expected[1], 0])
    assert row.effectiveness == row.attribution[-1].effectiveness


def test_overlap_is_with_the_first_stage(collection, tmp_path):
    _, row, _ = measure(collection, tmp_path, 10)
    # The query that finds nothing anywhere agrees; the unreachable one is lost with the candidates.
    assert [stage.intersection["10"] for stage in row.attribution] == pytest.approx(
        [1, 1, (0.9 + 0 + 0.9 + 1) / 4, (0.9 + 0 + 0.9 + 1) / 4]
    )
    own = [doc_id for doc_id in DOC_IDS[:11] if doc_id != "d3"]
    missed = [doc_id for doc_id in DOC_IDS[1:12] if doc_id != "d3"]
    lost = (rbo(DOC_IDS[1:11], DOC_IDS[:10]) + 0 + rbo(missed, own) + 1) / 4
    assert row.attribution[0].rbo == pytest.approx(1)
    assert 0.9 < row.attribution[1].rbo < 1
    assert row.attribution[2].rbo == pytest.approx(lost)


@pytest.mark.parametrize(
    ("depth", "cutoffs"),
    [
        (5, ["5"]),
        (10, ["10"]),
        (50, ["10", "50"]),
        (100, ["10", "100"]),
        (110, ["10", "100", "110"]),
    ],
)
def test_overlap_looks_no_deeper_than_the_run(collection, tmp_path, depth, cutoffs):
    _, row, _ = measure(collection, tmp_path, depth)
    assert all(list(stage.intersection) == cutoffs for stage in row.attribution)


def test_a_stages_run_is_cut_like_the_systems_own(collection, tmp_path):
    _, _, output = measure(collection, tmp_path, 10)
    exact = read_trec(output.stage_file("a system", "exact"))
    assert exact.rankings["q1"].doc_ids == tuple(DOC_IDS[:10])
    # The document with the query's own id is dropped, and the next one takes the place.
    assert exact.rankings["d3"].doc_ids == tuple(d for d in DOC_IDS[:11] if d != "d3")
    final = read_trec(output.stage_file("a system", "final"))
    assert final.rankings == read_trec(output.run_file("a system")).rankings
    staged = sorted(
        path.relative_to(output.staging).as_posix() for path in output.staging.rglob("*.trec")
    )
    assert staged == [
        f"runs/{plain_name('a system')}.trec",
        *(f"stages/{plain_name('a system')}/{stage}.trec" for stage in sorted(STAGES)),
    ]


@pytest.mark.parametrize("unlike", [{"attribution": False}, {"kind": "bm25"}])
def test_without_the_wish_or_without_stages_there_is_none(collection, tmp_path, unlike):
    reply, row, output = measure(collection, tmp_path, 10, **unlike)
    assert reply.stages == [] and row.attribution is None
    assert not output.stages_folder("a system").exists()


BALLAST = 1_500_000_000  # more than a fork of the server begins with


@pytest.fixture
def conductor(fork_server, kind_folder, tmp_path):
    """A function that runs `bm25` and `staged`, with settings of one's own, as `colbench run`."""
    data, conf = tmp_path / "data", tmp_path / "conf" / "system"
    (data / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": i, "title": "", "text": f"text of {i}"}) for i in DOC_IDS]
    (data / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lines = [json.dumps({"_id": i, "text": text}) for i, text in QUERIES.items()]
    (data / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *(f"{query_id}\td0\t1" for query_id in QUERIES)]
    (data / "qrels" / "test.tsv").write_text("\n".join(lines), encoding="utf-8")
    conf.mkdir(parents=True)
    (conf / "staged.yaml").write_text(
        f"kind: staged_kind.staged\nballast: {BALLAST}\n", encoding="utf-8"
    )
    words = [
        *("dataset=beir_dir", f"dataset.path={data}", "systems=[bm25,staged]", "k=20"),
        *(
            f"output_dir={tmp_path / 'output'}",
            f"cache_dir={tmp_path / 'cache'}",
            "encoder.precision=fp32",
        ),
    ]

    def run(*more):
        done = fork_server.run(
            *("run", "--quiet", "--config-dir", conf.parent, *words, *more), path=[kind_folder]
        )
        assert done.returncode == 0, done.stderr
        return read_results(tmp_path / "output"), tmp_path / "output"

    return run


def test_a_run_publishes_stages_and_a_later_one_without_them_removes_them(conductor):
    results, folder = conductor()
    bm25, staged = results.systems
    assert bm25.attribution is None
    assert [stage.stage for stage in staged.attribution] == STAGES
    assert sorted(path.name for path in (folder / "stages").iterdir()) == ["staged"]
    assert read_trec(folder / "stages" / "staged" / "exact.trec").rankings["q1"].doc_ids[0] == "d0"
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "## Where quality is lost" in report
    assert "staged: most is lost in the choice of candidates (candidates): " in report
    # The memory of the stages' search is none of the system's own.
    assert staged.peak_rss_bytes < BALLAST

    results, folder = conductor("attribution=false")
    assert [system.attribution for system in results.systems] == [None, None]
    assert not (folder / "stages").exists() and (folder / "runs").exists()
    assert "Where quality is lost" not in (folder / "report.md").read_text(encoding="utf-8")


def test_a_folder_with_somebody_elses_steps_is_left_alone(tmp_path):
    (tmp_path / "stages").mkdir()
    with pytest.raises(StorageError, match="holds stages but no results of this colbench"):
        check_output(tmp_path)
