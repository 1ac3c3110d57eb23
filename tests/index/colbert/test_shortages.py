"""Too many files, no memory, no permission: told as that, and many additions need few files."""

import errno
import itertools
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from synthetic import (
    ENCODER,
    EXHAUSTIVE,
    as_documents,
    build,
    contents,
    hits,
    random_documents,
    topical_documents,
    unit,
)

from colbench.errors import StorageError, StorageUnavailable
from colbench.index.colbert import index as index_module
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.manifest import read_manifest
from colbench.index.colbert.settings import SearchSettings
from colbench.index.colbert.writer import MOST_SEGMENTS, IndexWriter

DIMS = 16
PLAID = SearchSettings(nprobe=2, centroid_score_threshold=0.3, ndocs=16)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def answers_of(index):
    return hits(index, unit(np.random.default_rng(5), 3, DIMS), 30)


FEW_FILES = """
import resource, sys
from pathlib import Path
import numpy as np
from synthetic import ENCODER, as_documents, hits, unit
from colbench.errors import StorageUnavailable
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.writer import IndexWriter

folder, rng = Path(sys.argv[1]), np.random.default_rng(1)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
with IndexWriter.open(folder, encoder=ENCODER) as writer:
    for number in range(24):
        writer.add(as_documents({f"n{number:03d}": unit(rng, 2, 16)}, 16))
readers = [ColbertIndex.open(folder, encoder=ENCODER) for _ in range(10)]
assert all(len(reader.numbers) == 29 for reader in readers)
assert len(hits(readers[-1], unit(rng, 2, 16), 100)) == 29
held = []
try:
    while True:
        held.append(open(folder / "index.json"))
except OSError:
    pass
for free in range(3):
    try:
        ColbertIndex.open(folder, encoder=ENCODER)
        print("opened")
    except StorageUnavailable as error:
        print(error)
    held.pop().close()
"""


def test_many_additions_and_readers_get_by_with_few_open_files(tmp_path, rng):
    folder = tmp_path / "index"
    build(folder, {f"d{n}": unit(rng, 9, DIMS) for n in range(5)}, DIMS)
    program = [sys.executable, "-c", textwrap.dedent(FEW_FILES), str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"cannot read {folder}") and "ulimit -n" in lines[0]
    assert "Too many open files" in lines[0] and "damage" not in done.stdout
    assert lines[-1] == "opened"
    assert len(ColbertIndex.open(folder).numbers) == 29


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "close some programs"),
        (errno.ENOMEM, "memory"),
        (errno.EACCES, "permissions"),
        (errno.EPERM, "permissions"),
        (errno.EIO, "check the disk"),
        (errno.ENOSPC, "free some space"),
        (errno.ESTALE, "try again"),
    ],
)
def test_what_the_system_refuses_is_not_damage(code, remedy, tmp_path, rng, monkeypatch):
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS)
    before, seen = contents(tmp_path), set()
    real = os.open

    for file in before:

        def refusing(path, *arguments, file=file, **options):
            if Path(os.fsdecode(path)) == tmp_path / file:
                raise OSError(code, os.strerror(code), path)
            return real(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refusing)
            with pytest.raises(StorageUnavailable) as caught:
                ColbertIndex.open(tmp_path)
        message = str(caught.value)
        seen.add(message)
        assert str(tmp_path / file) in message and remedy in message
        assert "damaged" not in message and "build" not in message
    assert len(seen) == len(before) and contents(tmp_path) == before


def test_no_memory_for_a_map_is_not_damage(tmp_path, rng, monkeypatch):
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS)

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("colbench.mapped._map", full)
    with pytest.raises(StorageUnavailable, match="free some memory"):
        ColbertIndex.open(tmp_path)


@pytest.mark.parametrize("committed", [False, True])
def test_a_writer_goes_on_from_what_was_committed_where_that_cannot_be_opened(
    committed, tmp_path, rng, monkeypatch
):
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS)
    with IndexWriter.open(tmp_path) as writer:
        with monkeypatch.context() as patch:
            real = os.open

            def refusing(path, *arguments, **options):
                new = "segment-000002" in os.fsdecode(path) and not arguments[0] & os.O_CREAT
                if new and (not committed or read_manifest(tmp_path).change == 2):
                    raise OSError(errno.EMFILE, "Too many open files")
                return real(path, *arguments, **options)

            patch.setattr(os, "open", refusing)
            with pytest.raises(StorageUnavailable):
                writer.add(as_documents({"one": unit(rng, 2, DIMS)}, DIMS))
        writer.add(as_documents({"two": unit(rng, 2, DIMS)}, DIMS))
    assert "two" in writer.index.numbers and ("one" in writer.index.numbers) == committed
    assert answers_of(ColbertIndex.open(tmp_path)) == answers_of(writer.index)


def test_an_open_index_holds_no_descriptor(tmp_path, rng):
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS)
    before = len(list(Path("/proc/self/fd").iterdir()))
    index = ColbertIndex.open(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert hits(index, unit(rng, 2, DIMS))


# Many small additions


@pytest.mark.parametrize("changes", [{}, {"nbits": 16}], ids=str)
def test_many_small_additions_answer_as_one_build_bit_for_bit(changes, tmp_path, rng):
    documents = topical_documents(rng, 38, DIMS)
    first = dict(list(documents.items())[:15])
    build(tmp_path / "grown", first, DIMS, **changes)
    gone, most = set(), 0
    with IndexWriter.open(tmp_path / "grown") as writer:
        trained = writer.index.trained
        for number, (doc, rows) in enumerate(documents.items()):
            if doc in first:
                continue
            before = writer.index.numbers
            writer.add(as_documents({doc: rows}, DIMS))
            assert before.items() <= writer.index.numbers.items()  # each keeps its number
            if number % 7 == 0:
                writer.delete([doc])
                gone.add(doc)
            elif number % 7 == 1:
                writer.update(as_documents({doc: documents[doc]}, DIMS))
            most = max(most, len(writer.index.segments))
    index = ColbertIndex.open(tmp_path / "grown", encoder=ENCODER)
    assert most == MOST_SEGMENTS and len(index.segments) <= MOST_SEGMENTS
    live = {doc: rows for doc, rows in documents.items() if doc not in gone}
    whole = build(tmp_path / "whole", live, DIMS, trained.settings, trained=trained)
    for doc in list(documents)[::6]:
        for settings in (EXHAUSTIVE, PLAID):
            found = hits(index, documents[doc], 20, settings)
            assert found == hits(whole, documents[doc], 20, settings)


def test_the_same_additions_give_the_same_bytes(tmp_path, rng):
    documents = random_documents(rng, 60, DIMS)
    for name in ("one", "two"):
        build(tmp_path / name, documents, DIMS, centroids=8)
        new = np.random.default_rng(3)
        with IndexWriter.open(tmp_path / name) as writer:
            for number in range(18):
                writer.add(as_documents({f"n{number}": unit(new, number % 5, DIMS)}, DIMS))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_index_with_too_many_segments_is_read_and_joins_them(tmp_path, rng, monkeypatch):
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS)
    with IndexWriter.open(tmp_path) as writer:
        with monkeypatch.context() as patch:
            patch.setattr("colbench.index.colbert.writer.MOST_SEGMENTS", 1000)
            for number in range(30):
                writer.add(as_documents({f"n{number}": unit(rng, 2, DIMS)}, DIMS))
        assert len(ColbertIndex.open(tmp_path).segments) == 31
        writer.add(as_documents({"last": unit(rng, 2, DIMS)}, DIMS))
        assert len(writer.index.segments) <= MOST_SEGMENTS
        assert len(writer.index.numbers) == 51


# A reader beside a busy writer


def _beside_a_writer(folder, rounds):
    """Open an index while another thread changes it all the time; return how often."""
    failed, done = [], threading.Event()

    def write():
        rng = np.random.default_rng(2)
        try:
            with IndexWriter.open(folder) as writer:
                for number in range(rounds):
                    doc = f"n{number}"
                    writer.add(as_documents({doc: unit(rng, 2, DIMS)}, DIMS))
                    writer.delete([doc])
                    writer.compact()
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=write)
    thread.start()
    opened = 0
    while not done.is_set():
        index = ColbertIndex.open(folder)
        assert set(index.numbers) - {f"n{n}" for n in range(rounds)} == {"a", "b"}
        opened += 1
    thread.join()
    assert not failed, failed
    return opened


@pytest.fixture
def small(tmp_path, rng):
    build(tmp_path / "index", {"a": unit(rng, 3, DIMS), "b": unit(rng, 3, DIMS)}, DIMS)
    return tmp_path / "index"


def test_a_reader_beside_a_busy_writer_never_sees_damage(small):
    assert _beside_a_writer(small, 8) > 3


@pytest.mark.nightly
def test_a_reader_beside_a_busy_writer_for_long(small):
    assert _beside_a_writer(small, 2000) > 1000


def test_an_index_that_changes_each_time_it_is_opened_is_told_so(small, monkeypatch):
    changes = itertools.count()
    real = index_module.read_manifest

    def changing(folder):
        return real(folder).model_copy(update={"checksum": str(next(changes))})

    def gone(*_, **__):
        raise StorageError("a file is missing")

    monkeypatch.setattr(index_module, "read_manifest", changing)
    monkeypatch.setattr(index_module.Trained, "load", gone)
    with pytest.raises(StorageUnavailable, match="was changed 40 times while it was opened"):
        ColbertIndex.open(small)
    assert next(changes) == 80


def test_an_index_that_was_changed_once_while_it_was_opened_is_opened_again(small, monkeypatch):
    real = index_module.Trained.load
    calls = itertools.count()

    def changed_meanwhile(folder, manifest, **options):
        if not next(calls):
            with IndexWriter.open(folder) as writer:
                writer.compact()
        return real(folder, manifest, **options)

    monkeypatch.setattr(index_module.Trained, "load", changed_meanwhile)
    assert ColbertIndex.open(small).manifest.change == 2
