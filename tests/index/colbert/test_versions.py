"""Versions of an index: every commit that is kept can be opened, returned to, and forgotten."""

import json
import shutil

import crashing
import numpy as np
import pytest
from synthetic import EXHAUSTIVE, as_documents, contents, hits, unit

from colbench.errors import ConfigError, DataError, StorageError
from colbench.index.colbert import versions
from colbench.index.colbert.build import build_index
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.writer import IndexWriter

DIMS = 16
CHANGES = ["add", "delete", "update", "compact"]


def answers(index):
    """What a search of everything finds, with scores."""
    query = unit(np.random.default_rng(9), 4, DIMS)
    return hits(index, query, 100, EXHAUSTIVE)


@pytest.fixture
def folder(tmp_path):
    """An index that keeps versions: three commits."""
    crashing.first_build(tmp_path / "index")
    index = ColbertIndex.open(tmp_path / "index")
    versions.keep(index.folder)
    versions.record(index.folder, index.manifest)
    crashing.earlier_changes(index.folder)
    return index.folder


def test_a_build_keeps_versions_if_asked_and_its_other_bytes_are_the_same(tmp_path):
    documents = as_documents(crashing.documents(1, ["a", "bb", "ccc"]), DIMS)
    for name, keep in (("kept", True), ("plain", False)):
        build_index(tmp_path / name, documents, IndexSettings(), encoder="e", keep_versions=keep)
    kept, plain = contents(tmp_path / "kept"), contents(tmp_path / "plain")
    assert set(kept) - set(plain) == {"versions/000001.json"}
    assert {name: kept[name] for name in plain} == plain
    assert kept["versions/000001.json"] == kept["index.json"]
    with pytest.raises(StorageError, match="keeps no versions: build it with keep_versions=True"):
        versions.versions(tmp_path / "plain")


def test_each_version_is_what_it_was_when_it_was_committed(folder):
    found = {number: answers(ColbertIndex.open(folder, version=number)) for number in (1, 2, 3)}
    assert found[3] == answers(ColbertIndex.open(folder))
    assert len({str(one) for one in found.values()}) == 3
    for change in CHANGES:
        crashing.change(folder, change)
        last = ColbertIndex.open(folder)
        found[last.manifest.change] = answers(last)
    assert (
        [version.number for version in versions.versions(folder)] == sorted(found) == [*range(1, 8)]
    )
    for number, want in found.items():
        assert answers(ColbertIndex.open(folder, version=number)) == want
    documents = [version.documents for version in versions.versions(folder)]
    assert documents == [5, 7, 6, 8, 6, 6, 6]


def test_a_version_costs_what_changed(folder):
    before = contents(folder)
    crashing.change(folder, "delete")
    new = {name: file for name, file in contents(folder).items() if before.get(name) != file}
    assert set(new) == {"deleted-000004.npy", "versions/000004.json", "index.json"}


def test_returning_to_a_version_is_a_commit_like_any_other(folder):
    want = answers(ColbertIndex.open(folder, version=2))
    with IndexWriter.open(folder) as writer:
        writer.rollback(2)
        assert answers(writer.index) == want
    assert answers(ColbertIndex.open(folder)) == want
    assert ColbertIndex.open(folder).manifest.change == 4
    crashing.change(folder, "update")
    crashing.change(folder, "compact")
    assert answers(ColbertIndex.open(folder, version=4)) == want


def test_pruning_removes_what_only_old_versions_held(folder):
    crashing.change(folder, "compact")
    reader, want = ColbertIndex.open(folder, version=1), answers(ColbertIndex.open(folder))
    versions.name_version(folder, 2, "the good one")
    with IndexWriter.open(folder) as writer:
        assert writer.prune(keep=1) == [1, 3]
    assert answers(ColbertIndex.open(folder)) == want
    assert len(answers(reader)) == 5  # it was open
    assert len(answers(ColbertIndex.open(folder, version="the good one"))) == 7
    with pytest.raises(DataError, match="has no version 1: there are 2, 4"):
        ColbertIndex.open(folder, version=1)
    with IndexWriter.open(folder) as writer:
        assert writer.prune(versions=["the good one"]) == [2]
        assert writer.prune(keep=1, named=True) == []
    named = ColbertIndex.open(folder).manifest.named()
    assert {path.name for path in folder.iterdir()} == {
        *named,
        "index.json",
        "versions",
        "write.lock",
    }


def test_names_lead_to_versions_and_move(folder):
    versions.name_version(folder, 1, "first")
    versions.name_version(folder, "first", "again")
    versions.name_version(folder, 3, "first")
    assert [version.name for version in versions.versions(folder)] == ["again", None, "first"]
    with pytest.raises(DataError, match="no version named 'frist': did you mean 'first'"):
        ColbertIndex.open(folder, version="frist")
    with pytest.raises(DataError, match="that is a number"):
        versions.name_version(folder, 1, "2")
    with pytest.raises(ConfigError, match="control character"):
        versions.name_version(folder, 1, "a\x1b[0m")


@pytest.mark.parametrize("wrong", [0, 4, -1, True, 10**9])
def test_there_is_no_other_version(folder, wrong):
    with pytest.raises(DataError, match=r"has no version .*: there are 1, 2, 3"):
        ColbertIndex.open(folder, version=wrong)


def test_the_latest_version_is_never_pruned(folder):
    with IndexWriter.open(folder) as writer:
        with pytest.raises(DataError, match="version 3 is the latest"):
            writer.prune(versions=[1, 3])
        with pytest.raises(DataError, match="at least the latest"):
            writer.prune(keep=0)
        assert writer.prune() == []


def test_what_fails_before_a_commit_undoes_it(folder):
    before, files = answers(ColbertIndex.open(folder)), contents(folder)
    seen = []

    def fail(number):
        seen.append(number)
        raise DataError("the database is full")

    with IndexWriter.open(folder) as writer:
        writer.before_commit = fail
        with pytest.raises(DataError, match="is full"):
            writer.delete(["a"])
        assert answers(writer.index) == before
        writer.before_commit = seen.append
        writer.delete(["a"])
    assert seen == [4, 4]
    assert set(contents(folder)) - set(files) == {"deleted-000004.npy", "versions/000004.json"}


@pytest.mark.parametrize(
    "change", ["add", *(pytest.param(name, marks=pytest.mark.nightly) for name in CHANGES[1:])]
)
def test_a_crash_at_any_point_leaves_every_version(folder, change, tmp_path):
    before = {number: answers(ColbertIndex.open(folder, version=number)) for number in (1, 2, 3)}
    crasher, stop = crashing.Crasher(), 0
    try:
        killed = True
        while killed:
            stop += 1
            copy = tmp_path / f"copy-{stop}"
            shutil.copytree(folder, copy)
            killed = crasher.run(copy, change, stop)
            for number, want in before.items():
                assert answers(ColbertIndex.open(copy, version=number)) == want
            there = [version.number for version in versions.versions(copy)]
            assert there == [1, 2, 3, 4][: ColbertIndex.open(copy).manifest.change]
            crashing.change(copy, "compact")  # by a writer that clears what was left
            last = ColbertIndex.open(copy)
            kept = set().union(
                *(versions.version_manifest(copy, n).named() for n in versions.numbers(copy))
            )
            made = {path.name for path in copy.iterdir()} - {"versions", "write.lock", "index.json"}
            assert made == kept
            assert versions.numbers(copy)[-1] == last.manifest.change
    finally:
        crasher.close()
    assert stop > 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.json", "[1]", "names.json cannot be read"),
        ("names.json", '{"a": "1"}', "names.json cannot be read"),
        ("000002.json", "{}", "is not the manifest"),
    ],
)
def test_damaged_files_of_versions_are_refused_in_one_line(folder, name, content, message):
    (folder / "versions" / name).write_text(content)
    with pytest.raises(StorageError, match=message) as raised:
        versions.versions(folder)
    assert "\n" not in str(raised.value)
    assert len(answers(ColbertIndex.open(folder))) == 6


def test_a_version_under_another_number_is_refused(folder):
    (folder / "versions" / "000002.json").write_bytes(
        (folder / "versions" / "000001.json").read_bytes()
    )
    with pytest.raises(StorageError, match="is of version 1"):
        ColbertIndex.open(folder, version=2)


def test_links_in_place_of_versions_are_refused(folder, tmp_path):
    (folder / "versions").rename(tmp_path / "elsewhere")
    (folder / "versions").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is a link"):
        ColbertIndex.open(folder, version=1)
    with pytest.raises(StorageError, match="is a link"), IndexWriter.open(folder):
        pass


def test_names_outlive_nothing_they_named(folder):
    versions.name_version(folder, 1, "old")
    with IndexWriter.open(folder) as writer:
        writer.prune(keep=1, named=True)
    assert json.loads((folder / "versions" / "names.json").read_text()) == {}
