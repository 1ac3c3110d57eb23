"""Several clients, from the task of a worker to the row of the results, for systems of any kind."""

import sys

import pytest

from colbench.collection.model import Collection, Document, Query
from colbench.config.settings import LatencySettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.experiment.bench import SystemReply, SystemTask
from colbench.experiment.measurement import load_notes, measure_system
from colbench.measures.load import LoadLevel
from colbench.results.schema import SystemResult
from colbench.retriever.base import Workbench
from colbench.retriever.registry import system_settings

KIND = '''
import threading

import numpy as np

from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings


class LoadedSettings(SystemSettings):
    safe: bool = False
    fails: bool = False
    forgets: bool = False


class Loaded(Retriever):
    """Says in which threads it was searched; under load it fails, or finds something else."""

    Settings = LoadedSettings
    closed = False

    @property
    def concurrent(self):
        return self.settings.safe

    def build(self):
        self.thread, self.others = threading.get_ident(), set()

    def encode(self, queries):
        return list(queries)

    def search(self, queries, k):
        assert not self.closed
        here = threading.get_ident()
        if here != self.thread:
            self.others.add(here)
            if self.settings.fails:
                raise ValueError("cannot be shared")
        docs = np.arange(2, dtype=np.int64)
        if here != self.thread and self.settings.forgets:
            docs = docs[::-1].copy()
        return [Hits(docs, np.array([2, 1], dtype=np.float32)) for _ in queries]

    def size(self):
        return IndexSize()

    def metadata(self):
        return {"threads": len(self.others)}

    def close(self):
        self.closed = True


SYSTEM = Loaded
'''


@pytest.fixture(scope="module", autouse=True)
def kind_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kind")
    (folder / "loaded_kind.py").write_text(KIND, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
    sys.modules.pop("loaded_kind", None)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    monkeypatch.setattr("colbench.experiment.measurement.calibrate", lambda: None)  # takes seconds

    def measure(clients=(), **settings) -> SystemReply:
        collection = Collection(
            name="made up",
            documents=[Document(f"d{number}", "", f"text {number}") for number in range(3)],
            queries=[Query(f"q{number}", f"query {number}") for number in range(5)],
            qrels={"q1": {"d0": 1}},
        )
        bench = Workbench(
            collection=collection,
            folder=tmp_path / "indexes",
            cache=EmbeddingCache(tmp_path / "cache"),
            systems={"mine": system_settings("mine", {"kind": "loaded_kind", **settings})},
            memory_bytes=1 << 20,
        )
        latency = LatencySettings(queries=2, warmup=1, clients=list(clients), load_seconds=0.05)
        task = SystemTask(name="mine", depth=2, latency=latency, run_file=tmp_path / "run.trec")
        return measure_system(task, bench)

    return measure


def test_nothing_is_measured_under_load_unless_it_is_asked_for(measured):
    reply = measured(safe=True)
    assert reply.load is None and reply.metadata["threads"] == 0
    assert not any("load" in note for note in reply.notes)


def test_every_number_of_clients_is_a_level_of_the_row(measured):
    reply = measured([1, 3], safe=True)
    assert [level.clients for level in reply.load] == [1, 3]
    for level in reply.load:
        assert level.error is None and not level.one_at_a_time
        assert level.queries >= level.clients and level.qps > 0
        assert level.checked == level.queries and level.differing == 0
        assert 0 <= level.other_cpu_share <= 1
    assert 1 <= reply.metadata["threads"] <= 4
    row = SystemResult.of("mine", {}, reply)
    assert row.load == reply.load and row.latency_ms.queries == 2
    assert SystemReply.model_validate_json(reply.model_dump_json()) == reply


def test_what_is_not_known_to_be_safe_is_searched_in_its_own_thread_and_that_is_told(measured):
    reply = measured([2])
    assert reply.metadata["threads"] == 0
    (level,) = reply.load
    assert level.one_at_a_time and level.queries >= 2
    assert sum("answered one at a time" in note for note in reply.notes) == 1


def test_an_error_under_load_is_told_and_the_rest_is_measured(measured):
    reply = measured([1, 2], safe=True, fails=True)
    assert [level.error for level in reply.load] == ["ValueError: cannot be shared"] * 2
    told = "mine: no figures under the load of 2 clients: ValueError: cannot be shared"
    assert told in reply.notes
    assert reply.latency_ms is not None and reply.throughput_qps > 0
    assert measured([1, 2], fails=True).load[0].error is None  # there, no other thread searches


def test_other_rankings_under_load_are_told(measured):
    reply = measured([2], safe=True, forgets=True)
    (level,) = reply.load
    assert level.differing == level.checked == level.queries
    (told,) = [note for note in reply.notes if "ranked other documents" in note]
    assert told.startswith(f"mine: {level.queries} of {level.queries} answers under the load of 2")


def test_figures_beside_a_busy_process_are_told():
    level = LoadLevel(clients=1, queries=1, seconds=1, other_cpu_share=0.4)
    (told,) = load_notes("mine", [level])
    assert told.startswith("mine: other processes used up to 40% of the cores")
