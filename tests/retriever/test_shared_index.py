"""An index that several runs share is searched as long as it is the one that was built, no longer.

Whatever else lies in its place stays as it is, and the run builds its own.
"""

import builtins
import dataclasses
import errno
import io
import os
import shutil

import numpy as np
import pytest
from test_colbert_system import WordEncoder, bench, built, searched  # noqa: F401 (a fixture)

from colbench.errors import ConfigError, StorageUnavailable
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.writer import IndexWriter
from colbench.retriever.exhaustive import read_hits


@pytest.fixture
def shared(bench, tmp_path):  # noqa: F811
    """The bench of a run with an `index_dir`, in which an earlier run has built its index."""
    bench.shared_folder = tmp_path / "kept"
    built(bench, "pruned")
    return dataclasses.replace(bench, folder=tmp_path / "run")


def index_of(bench):  # noqa: F811
    (folder,) = (path for path in bench.shared_folder.glob("colbert-*") if path.is_dir())
    return folder


def tree(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def documents(ids, seed=7):
    rng = np.random.default_rng(seed)
    made = [rng.standard_normal((5, 32)) for _ in ids]
    return Documents.of(ids, [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in made], 32)


def of_fewer(bench, tmp_path):  # noqa: F811
    """The bench of another run, on a sample, with an `index_dir` of its own."""
    fewer = dataclasses.replace(bench.collection, documents=bench.collection.documents[:50])
    folders = {"shared_folder": tmp_path / "other", "folder": tmp_path / "third"}
    return dataclasses.replace(bench, collection=fewer, _chunks={}, **folders)


def half_deleted(writer, ids):
    writer.delete(ids[:40])


def one_added(writer, ids):
    writer.add(documents(["new"]))


def other_vectors(writer, ids):
    writer.update(documents(ids[:3]))


def one_replaced(writer, ids):
    writer.delete(ids[:1])
    writer.add(documents(["new"]))


def deleted_and_put_back(writer, ids):
    writer.delete(ids[-1:])
    writer.add(documents(ids[-1:]))
    writer.compact()


def compacted(writer, ids):
    writer.compact()


def relearnt(writer, ids):
    writer.compact(relearn=True)


CHANGES = (
    *(half_deleted, one_added, other_vectors, one_replaced),
    *(deleted_and_put_back, compacted, relearnt),
)


def check_left_alone(bench, told):  # noqa: F811
    """The run finds what it finds without an index_dir, says why, and changes nothing there."""
    before = tree(bench.shared_folder)
    system = built(bench, "pruned")
    queries = system.encode([query.text for query in bench.collection.queries])
    alone = dataclasses.replace(bench, shared_folder=None, folder=bench.folder / "alone")
    for found, want in zip(system.search(queries, 20), searched(alone, "pruned"), strict=True):
        assert found.docs.tolist() == want.docs.tolist()
        assert found.scores.tolist() == want.scores.tolist()
    (note,) = system.notes([])
    assert note.startswith("pruned: the run has built and searched an index of its own: ")
    assert told in note and "stays as it is" in note
    assert system.metadata()["index_shared"] is False and system.counted_build_seconds > 0
    assert tree(bench.shared_folder) == before
    assert built(bench, "all").metadata()["index_shared"], "the run's own is not shared in the run"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_an_index_that_was_changed_is_neither_searched_nor_removed(shared, change):
    with IndexWriter.open(index_of(shared)) as writer:
        change(writer, shared.collection.doc_ids)
    told = {half_deleted: "holds 40 documents that are not the 80 of the collection"}
    check_left_alone(shared, told.get(change, str(index_of(shared))))


@pytest.mark.parametrize("ids", ["same", "others"])
def test_an_index_that_was_put_in_its_place_is_neither_searched_nor_removed(shared, ids):
    folder = index_of(shared)
    settings = ColbertIndex.open(folder).manifest.settings
    shutil.rmtree(folder)
    names = shared.collection.doc_ids
    names = names if ids == "same" else [f"x{name}" for name in names]
    build_index(folder, documents(names), settings, encoder="words")
    check_left_alone(shared, "is another one" if ids == "same" else "are not the 80 of the")


@pytest.mark.parametrize("record", [True, False])
def test_the_index_of_another_sample_under_its_name_is_not_searched(shared, record, tmp_path):
    other = of_fewer(shared, tmp_path)
    built(other, "pruned")
    mine, theirs = index_of(shared), index_of(other)
    shutil.rmtree(mine)
    shutil.copytree(theirs, mine)
    if record:
        shutil.copy(f"{theirs}.json", f"{mine}.json")
    check_left_alone(shared, "holds 50 documents that are not the 80 of the collection")


def test_an_index_of_another_encoder_is_not_searched(shared):
    folder = index_of(shared)
    settings = ColbertIndex.open(folder).manifest.settings
    shutil.rmtree(folder)
    build_index(folder, documents(shared.collection.doc_ids), settings, encoder="another")
    check_left_alone(shared, "is another one")


def test_an_index_behind_a_link_that_cannot_be_used_stays(shared, tmp_path):
    folder = index_of(shared)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert built(shared, "pruned").metadata()["index_shared"]
    (tmp_path / "elsewhere" / "index.json").unlink()
    check_left_alone(shared, "cannot be searched or replaced")


def test_a_record_that_is_gone_is_written_anew_where_the_index_is_the_one_it_was(shared):
    folder = index_of(shared)
    record = folder.with_name(f"{folder.name}.json")
    content = tree(folder)
    record.unlink()
    first = built(shared, "pruned")
    assert not first.metadata()["index_shared"] and first.notes([]) == []
    assert built(shared, "pruned").metadata()["index_shared"] and tree(folder) == content


def test_what_is_damaged_is_built_again_in_its_place(shared):
    folder = index_of(shared)
    content = tree(folder)
    codes = folder / "segment-000001" / "codes.npy"
    codes.write_bytes(codes.read_bytes()[:-1] + b"x")
    assert built(shared, "pruned").notes([]) == []
    assert tree(folder) == content


def test_merged_tokens_of_other_documents_are_not_used(shared, tmp_path):
    index = shared.systems["all"].index.model_copy(update={"pooling": 2})
    shared.systems["pooled"] = shared.systems["all"].model_copy(update={"index": index})
    other = of_fewer(shared, tmp_path)
    want = searched(shared, "pooled")
    built(other, "pooled")
    (mine,) = (path for path in shared.shared_folder.glob("pooled-*") if path.is_dir())
    (theirs,) = (path for path in other.shared_folder.glob("pooled-*") if path.is_dir())
    shutil.rmtree(mine)
    shutil.copytree(theirs, mine)
    shutil.copy(f"{theirs}.json", f"{mine}.json")
    for path in shared.shared_folder.glob("colbert-*"):
        shutil.rmtree(path, ignore_errors=True)
    before = tree(mine)
    for found, one in zip(searched(shared, "pooled"), want, strict=True):
        assert found.scores.tolist() == one.scores.tolist()
    assert tree(mine) == before


def test_exact_hits_under_the_name_of_others_are_not_used(shared):
    system = built(shared, "all")
    queries = system.encode([query.text for query in shared.collection.queries])
    want = system.stages(queries, 10)["exact"]
    system.stages(queries[:1], 10)
    both, first = sorted(
        shared.shared_folder.glob("exact-*"), key=lambda file: -file.stat().st_size
    )
    assert read_hits(both, 2, 80) and read_hits(first, 1, 80)
    assert read_hits(both, 2, 20) is None and read_hits(both, 1, 80) is None
    shutil.copy(first, both)
    assert read_hits(both, 1, 80) is None
    for found, one in zip(system.stages(queries, 10)["exact"], want, strict=True):
        assert found.docs.tolist() == one.docs.tolist()


@pytest.mark.parametrize(
    ("victim", "reason"),
    [
        *(("index.json", reason) for reason in (errno.ENOMEM, errno.EACCES, errno.EIO)),
        *((victim, errno.EMFILE) for victim in ("index.json", "codes.npy", "the record")),
    ],
)
def test_what_cannot_be_read_now_is_no_damage(shared, monkeypatch, reason, victim):
    folder = index_of(shared)
    before = tree(shared.shared_folder)
    name = f"{folder.name}.json" if victim == "the record" else victim

    def refusing(call):
        def opened(path, *rest, **more):
            if str(path).endswith(name):
                raise OSError(reason, os.strerror(reason))
            return call(path, *rest, **more)

        return opened

    monkeypatch.setattr(io, "open", refusing(io.open))
    monkeypatch.setattr(builtins, "open", refusing(builtins.open))
    monkeypatch.setattr(os, "open", refusing(os.open))
    with pytest.raises(StorageUnavailable, match=os.strerror(reason)):
        built(shared, "pruned")
    monkeypatch.undo()
    assert tree(shared.shared_folder) == before
    assert not (shared.folder / "shared").exists()
    assert built(shared, "pruned").metadata()["index_shared"]


def test_an_index_that_may_only_be_read_is_searched(shared, monkeypatch):
    before = tree(shared.shared_folder)
    access = os.access

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The rights of a folder do not bind the user that tests may run as.
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    assert built(shared, "pruned").metadata()["index_shared"]
    assert tree(shared.shared_folder) == before


def test_encoders_are_still_told_apart_where_no_run_shares(bench):  # noqa: F811
    folder = bench.shared / "x"
    build_index(folder, documents(["a"]), bench.systems["all"].index, encoder="another")
    with pytest.raises(ConfigError, match="another encoder"):
        ColbertIndex.open(folder, encoder=WordEncoder.fingerprint)
