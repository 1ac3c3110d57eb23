"""Add, delete, update, compact: the same results as a fresh build, whatever happened before."""

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import crashing
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from synthetic import (
    ENCODER,
    EXHAUSTIVE,
    as_documents,
    build,
    contents,
    hits,
    normalised,
    random_documents,
    unit,
)

from colbench.errors import DataError, StorageError
from colbench.index.colbert import writer as writer_module
from colbench.index.colbert.documents import Block
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.manifest import FILE_NAME
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.writer import IndexWriter

DIMS = 16
SEARCHES = [
    EXHAUSTIVE,
    SearchSettings(exhaustive=True, arithmetic="fp32"),
    SearchSettings(nprobe=1, centroid_score_threshold=0.3, ndocs=8),
    SearchSettings(nprobe=3, centroid_score_threshold=None, ndocs=16),
    SearchSettings(nprobe=2, centroid_score_threshold=0.9, ndocs=4, arithmetic="fp32"),
]
INDEXES = st.builds(
    IndexSettings,
    nbits=st.sampled_from([0, 1, 2, 4, 8, 16]),
    centroids=st.sampled_from([None, 3, 12]),
    dims=st.sampled_from([None, 8]),
    pooling=st.sampled_from([1, 1, 1, 2]),
    iterations=st.just(2),
)
SEEDS = st.integers(0, 2**32 - 1)


def answers(index, seed=0):
    """What an index says to a few queries: lists of (document id, score)."""
    rng = np.random.default_rng(seed)
    return [hits(index, unit(rng, n, DIMS), 6, s) for n in (1, 4) for s in SEARCHES]


def answers_of_a_fresh_build(live, trained, seed=0):
    """The same of an index that was built from these documents alone."""
    if not sum(len(vectors) for vectors in live.values()):
        return [[]] * 2 * len(SEARCHES)
    with tempfile.TemporaryDirectory() as folder:
        fresh = build(Path(folder), live, DIMS, trained.settings, trained=trained)
        return answers(fresh, seed)


class Changes(RuleBasedStateMachine):
    """Any sequence of changes beside a dict that is changed in the same way."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stack = ExitStack()
        self.live = {}
        self.readers = []
        self.added = 0

    @initialize(settings=INDEXES, seed=SEEDS)
    def start(self, settings, seed):
        self.live = random_documents(np.random.default_rng(seed), 12, DIMS)
        self.live["middle"] = unit(np.random.default_rng(seed), 2, DIMS)
        self.trained = build(self.folder, self.live, DIMS, settings).trained
        self.open()

    def open(self):
        self.writer = self.stack.enter_context(IndexWriter.open(self.folder, encoder=ENCODER))

    def new_vectors(self, rng):
        """A document of its own, one without tokens, or a copy of one that is there."""
        kind = rng.integers(4)
        if kind == 0 and self.live:
            return self.live[sorted(self.live)[rng.integers(len(self.live))]]
        return unit(rng, 0 if kind == 1 else int(rng.integers(1, 9)), DIMS)

    def some(self, rng):
        known = sorted(self.live)
        return [str(doc) for doc in rng.permutation(known)[: rng.integers(1, 4)]]

    @rule(seed=SEEDS, count=st.integers(0, 3))
    def add(self, seed, count):
        rng = np.random.default_rng(seed)
        # Ids before and after those that are there, so that ties are decided both ways.
        new = {
            f"{'az'[rng.integers(2)]}{self.added + n}": self.new_vectors(rng) for n in range(count)
        }
        self.added += count
        self.writer.add(as_documents(new, DIMS))
        self.live |= new

    @precondition(lambda self: self.live)
    @rule(seed=SEEDS)
    def delete(self, seed):
        gone = self.some(np.random.default_rng(seed))
        self.writer.delete(gone)
        for doc in gone:
            del self.live[doc]

    @precondition(lambda self: self.live)
    @rule(seed=SEEDS)
    def delete_and_add_again(self, seed):
        rng = np.random.default_rng(seed)
        again = {doc: self.new_vectors(rng) for doc in self.some(rng)}
        self.writer.delete(list(again))
        self.writer.add(as_documents(again, DIMS))
        self.live |= again

    @precondition(lambda self: self.live)
    @rule(seed=SEEDS)
    def update(self, seed):
        rng = np.random.default_rng(seed)
        changed = {doc: self.new_vectors(rng) for doc in self.some(rng)}
        self.writer.update(as_documents(changed, DIMS))
        self.live |= changed

    @rule()
    def compact(self):
        self.writer.compact()
        assert self.writer.index.documents == len(self.live)

    @rule()
    def reopen(self):
        self.stack.close()
        self.open()

    @precondition(lambda self: len(self.readers) < 2)
    @rule()
    def open_a_reader(self):
        self.readers.append((ColbertIndex.open(self.folder), set(self.live), dict(self.live)))

    @rule(seed=SEEDS)
    def answers_equal_those_of_a_fresh_build(self, seed):
        want = answers_of_a_fresh_build(self.live, self.trained, seed)
        assert answers(self.writer.index, seed) == want
        assert answers(ColbertIndex.open(self.folder), seed) == want

    @invariant()
    def exactly_the_live_documents_are_seen(self):
        if not hasattr(self, "writer"):
            return
        index = self.writer.index
        assert index.numbers.keys() == self.live.keys()
        assert index.live_documents == len(self.live)
        for doc, number in index.numbers.items():
            assert index.doc_id(number) == doc
        found = hits(index, unit(np.random.default_rng(0), 2, DIMS), 1000)
        assert {doc for doc, _ in found} == {doc for doc in self.live if len(self.live[doc])}

    def teardown(self):
        try:
            if hasattr(self, "writer"):
                self.answers_equal_those_of_a_fresh_build(seed=1)
                for reader, ids, live in self.readers:
                    assert reader.numbers.keys() == ids
                    assert answers(reader) == answers_of_a_fresh_build(live, self.trained)
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)


def test_after_any_changes_the_answers_are_those_of_a_fresh_build_and_readers_keep_their_state():
    run_state_machine_as_test(Changes, settings=settings(stateful_step_count=12))


@pytest.mark.parametrize("dims", [None, 20])
def test_a_token_between_two_centroids_gets_the_same_code_alone_and_among_others(dims, tmp_path):
    """Their products with it differ by rounding alone, and so must not depend on the company."""
    rng = np.random.default_rng(3)
    settings = IndexSettings(nbits=2, centroids=64, dims=dims)
    trained = build(tmp_path, random_documents(rng, 40, 48), 48, settings).trained
    centres = trained.codec.centroids.astype(np.float64)
    one, two = (centres[rng.integers(0, len(centres), 400)] for _ in range(2))
    both = (one * two).sum(axis=1, keepdims=True)
    weights = [(rows**2).sum(axis=1, keepdims=True) - both + 1e-9 for rows in (one, two)]
    between = one / weights[0] + two / weights[1]
    if dims:
        between = between @ trained.reduction.projection.T
    vectors = normalised(between)

    def coded(size):
        starts = range(0, len(vectors), size)
        parts = [vectors[start : start + size] for start in starts]
        blocks = [Block(["d"] * len(part), np.ones(len(part), np.int64), part) for part in parts]
        found = list(trained.code(iter(blocks)))
        return [
            np.concatenate([getattr(part, n) for part in found]) for n in ("codes", "residuals")
        ]

    codes, residuals = coded(400)
    for size in (1, 2, 5, 11, 37):
        np.testing.assert_array_equal(coded(size)[0], codes)
        np.testing.assert_array_equal(coded(size)[1], residuals)


@pytest.fixture
def folder(tmp_path):
    """An index of five documents, a segment more and one deleted document."""
    crashing.first_build(tmp_path / "index")
    crashing.earlier_changes(tmp_path / "index")
    return tmp_path / "index"


def test_a_reader_that_has_not_searched_yet_survives_a_compaction(folder):
    want = answers(ColbertIndex.open(folder))
    numbers = ColbertIndex.open(folder).numbers
    reader, other = ColbertIndex.open(folder), ColbertIndex.open(folder)
    with IndexWriter.open(folder) as writer:
        writer.delete(["a"])
        writer.compact()
    assert answers(reader) == want
    assert other.numbers == numbers
    assert answers(ColbertIndex.open(folder)) != want


def test_compaction_leaves_the_bytes_of_a_fresh_build(folder, tmp_path):
    with IndexWriter.open(folder) as writer:
        writer.compact()
        index = writer.index
    vectors = crashing.documents(1, ["a", "bb", "ccc", "dddd", "e"])
    vectors |= crashing.documents(2, ["f", "gg"])
    del vectors["ccc"]
    fresh = build(tmp_path / "fresh", vectors, DIMS, index.manifest.settings, trained=index.trained)
    assert [s.name for s in index.manifest.segments] != [s.name for s in fresh.manifest.segments]
    assert contents(index.segments[0].folder) == contents(fresh.segments[0].folder)


def test_compaction_gives_the_space_of_deleted_documents_back(folder):
    before = ColbertIndex.open(folder).size().bytes
    with IndexWriter.open(folder) as writer:
        writer.delete(["a", "bb", "dddd"])
        writer.compact()
        after = writer.index.size()
    on_disk = sum(len(content) for content in contents(folder).values())
    assert after.bytes == on_disk < before


@pytest.mark.parametrize("name", ["add", "delete", "update", "compact"])
def test_a_change_that_fails_leaves_the_index_as_it_was_and_the_writer_usable(
    folder, name, monkeypatch
):
    before, files = answers(ColbertIndex.open(folder)), contents(folder)

    def fail(*_):
        raise OSError(28, "No space left on device")

    change = {
        "add": lambda w: w.add(as_documents({"new": unit(np.random.default_rng(0), 2, 16)}, 16)),
        "update": lambda w: w.update(
            as_documents({"a": unit(np.random.default_rng(0), 2, 16)}, 16)
        ),
        "delete": lambda w: w.delete(["a"]),
        "compact": lambda w: w.compact(),
    }[name]
    with IndexWriter.open(folder) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(writer_module, "write_manifest", fail)
            with pytest.raises(OSError, match="No space"):
                change(writer)
        assert answers(writer.index) == before
        assert answers(ColbertIndex.open(folder)) == before
        change(writer)
        assert answers(writer.index) != before or name == "compact"
    assert contents(folder) != files


OPEN_TO_WRITE = f"""
import sys
from pathlib import Path
from colbench.errors import StorageError
from colbench.index.colbert.writer import IndexWriter
try:
    with IndexWriter.open(Path(sys.argv[1]), encoder={ENCODER!r}) as writer:
        writer.delete(["e"])
except StorageError as error:
    sys.exit(f"refused: {{error}}")
"""


def open_to_write_in_another_process(folder):
    return subprocess.run(
        [sys.executable, "-c", OPEN_TO_WRITE, str(folder)], capture_output=True, text=True
    )


def test_a_second_process_that_wants_to_write_is_refused_until_the_first_is_done(folder):
    with IndexWriter.open(folder) as writer:
        second = open_to_write_in_another_process(folder)
        assert second.returncode == 1
        assert second.stderr.startswith("refused: another process is writing to the index in ")
        assert str(folder) in second.stderr and second.stderr.count("\n") == 1
        writer.delete(["a"])
    assert open_to_write_in_another_process(folder).returncode == 0
    assert ColbertIndex.open(folder).numbers.keys() == {"bb", "dddd", "f", "gg"}


def test_a_second_writer_and_a_build_in_the_same_process_are_refused_too(folder):
    with IndexWriter.open(folder):
        with pytest.raises(StorageError, match="another process is writing"):
            IndexWriter.open(folder).__enter__()
        with pytest.raises(StorageError, match="already holds an index"):
            crashing.first_build(folder)
        assert len(ColbertIndex.open(folder).numbers) == 6


def test_a_reader_needs_no_lock(folder):
    with IndexWriter.open(folder) as writer:
        assert answers(ColbertIndex.open(folder)) == answers(writer.index)


@pytest.mark.parametrize("change", ["add", "update"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0])
def test_an_invalid_vector_late_in_an_addition_changes_nothing(folder, change, value):
    before, files = answers(ColbertIndex.open(folder)), contents(folder)
    rows = unit(np.random.default_rng(0), 300, DIMS)
    ids = ["a", "bb"] if change == "update" else ["new", "newer"]
    rows[-1, 3] = value
    with IndexWriter.open(folder) as writer:
        with pytest.raises(DataError, match=f"document '{ids[1]}': a token vector"):
            getattr(writer, change)(as_documents({ids[0]: rows[:290], ids[1]: rows[290:]}, DIMS))
        assert answers(writer.index) == before
    assert contents(folder) == files


@pytest.fixture(scope="module")
def crasher():
    program = crashing.Crasher()
    yield program
    program.close()


def named_files(index):
    return {FILE_NAME, *(entry.path for entry in index.manifest.files())}


@pytest.mark.parametrize("name", ["add", "delete", "update", "compact"])
def test_a_crash_at_any_point_of_a_change_leaves_the_state_before_or_after_it(
    name, folder, tmp_path, crasher
):
    done = tmp_path / "done"
    shutil.copytree(folder, done)
    crashing.change(done, name)
    before, after = ColbertIndex.open(folder), ColbertIndex.open(done)
    states = {1 + earlier: answers(index) for earlier, index in enumerate((before, after))}
    seen = []
    for stop in range(1, 200):
        crashed = tmp_path / f"crashed-{stop}"
        shutil.copytree(folder, crashed)
        killed = crasher.run(crashed, name, stop)
        index = ColbertIndex.open(crashed, encoder=ENCODER)
        committed = index.manifest.change - before.manifest.change
        seen.append(committed)
        assert answers(index) == states[1 + committed]
        if not killed:
            break
        with IndexWriter.open(crashed) as writer:
            assert set(contents(crashed)) == named_files(writer.index), "leftovers"
        if not committed:
            crashing.change(crashed, name)
        assert contents(crashed) == contents(done)
    # The crashes came before the commit, then after it, and at last there was none.
    assert not killed and seen == sorted(seen) and seen[0] == 0 and seen[-2:] == [1, 1]


def test_a_crash_at_any_point_of_a_build_leaves_what_is_no_index_and_can_be_built_again(
    tmp_path, crasher
):
    done = tmp_path / "done"
    crashing.change(done, "build")
    crashes = 0
    for stop in range(1, 200):
        crashed = tmp_path / f"crashed-{stop}"
        if not crasher.run(crashed, "build", stop):
            break
        crashes += 1
        if not (crashed / FILE_NAME).exists():
            with pytest.raises(StorageError, match=r"did not finish|build one first"):
                ColbertIndex.open(crashed)
            crashing.change(crashed, "build")
        assert contents(crashed) == contents(done)
    assert 15 < crashes < 199
