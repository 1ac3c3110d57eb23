"""Indexes that began with little or nothing: what is learnt, told, and learnt anew."""

import itertools
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import (
    ENCODER,
    EXHAUSTIVE,
    as_documents,
    build,
    contents,
    hits,
    normalised,
    random_documents,
    topical_documents,
    unit,
)

from colbench.errors import DataError
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.manifest import FILE_NAME, OUTGROWN, VERSION
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.spread import tell_too_little
from colbench.index.colbert.training import train
from colbench.index.colbert.writer import IndexWriter
from colbench.progress import QUIET_VARIABLE

DIMS = 32
PLAID = SearchSettings(nprobe=1000, centroid_score_threshold=None, ndocs=None)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def found_by_themselves(index, documents, settings=EXHAUSTIVE):
    """The share of documents that are first for their own vectors."""
    own = [hits(index, rows, 1, settings)[0][0] == doc for doc, rows in documents.items()]
    return float(np.mean(own))


def first_documents(kind, dims, rng):
    """What an index may begin with from which no spread can be learnt."""
    one, other = unit(rng, 2, dims)
    return {
        "one token": {"a": one[None]},
        "one document": {"a": unit(rng, 15, dims)},
        "copies": {f"a{n}": np.repeat(one[None], 30, axis=0) for n in range(4)},
        "two vectors": {f"a{n}": np.stack([one, other] * 20) for n in range(4)},
        "nearly all alike": {
            "a": np.concatenate([np.repeat(one[None], 400, axis=0), unit(rng, 3, dims)])
        },
    }[kind]


@pytest.mark.parametrize(
    "kind", ["one token", "one document", "copies", "two vectors", "nearly all alike"]
)
@pytest.mark.parametrize("nbits", [1, 2, 4, 8])
def test_documents_added_to_hardly_anything_find_themselves(kind, nbits, rng, tmp_path):
    first, later = first_documents(kind, DIMS, rng), random_documents(rng, 60, DIMS, most=9)
    later = {doc: rows for doc, rows in later.items() if len(rows) > 2}
    index = build(tmp_path, first, DIMS, nbits=nbits)
    assert np.all(np.diff(index.trained.codec.cutoffs) > 0)
    with IndexWriter.open(tmp_path) as writer:
        writer.add(as_documents(later, DIMS))
        for search in (EXHAUSTIVE, PLAID):
            assert found_by_themselves(writer.index, later, search) == 1


@given(
    dims=st.integers(1, 128),
    nbits=st.sampled_from([1, 2, 4, 8]),
    tokens=st.integers(1, 19),
    copies=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_buckets_are_as_wide_as_the_dimensions_ask_for(dims, nbits, tokens, copies, seed):
    dims = max(dims * nbits // 8, 1) * 8 // nbits
    rows = unit(np.random.default_rng(seed), tokens, dims)
    documents = {f"d{n}": rows for n in range(copies)}
    codec = train(as_documents(documents, dims), IndexSettings(nbits=nbits)).codec
    assert len(codec.weights) == 1 << nbits and np.isfinite(codec.weights).all()
    assert np.all(np.diff(codec.cutoffs) >= 0) and np.all(np.diff(codec.weights) >= 0)
    new = unit(np.random.default_rng(seed + 1), 200, dims)
    codes = (new @ codec.wide_centroids.T).argmax(axis=1)
    stored = codec.decompress(codes, codec.compress(new, codes))
    kept = (stored * new).sum(axis=1).mean()
    assert kept > {1: 0.5, 2: 0.8, 4: 0.95, 8: 0.98}[nbits]


def test_what_says_enough_is_what_buckets_are_learnt_from(rng):
    spread = 0.1 * rng.standard_normal((50, 16)).astype(np.float32)
    assert not any(tell_too_little(spread, nbits) for nbits in (1, 2, 4))
    assert tell_too_little(spread[:0], 1) and tell_too_little(0 * spread, 4)
    half = np.concatenate([spread, np.zeros((49, 16), np.float32)])
    assert not tell_too_little(half, 4)
    assert tell_too_little(np.concatenate([half, np.zeros((2, 16), np.float32)]), 4)
    assert tell_too_little(np.repeat(spread[:1], 50, axis=0), 4)  # one vector, ever again
    assert tell_too_little(spread[:3], 8) and not tell_too_little(spread[:8], 4)


# Empty


def empty_index(folder, documents=None, **changes):
    documents = documents or Documents.of([], [], DIMS)
    build_index(folder, documents, IndexSettings(**changes), encoder=ENCODER)
    return ColbertIndex.open(folder, encoder=ENCODER)


SETTINGS = [{}, {"nbits": 0}, {"nbits": 16}, {"nbits": 1, "dims": 8}, {"pooling": 2}]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("count", [0, 3])
def test_an_index_may_begin_empty_and_learns_from_what_is_added(changes, count, tmp_path, rng):
    none = {f"e{n}": unit(rng, 0, DIMS) for n in range(count)}
    folder = tmp_path / "index"
    index = empty_index(folder, as_documents(none, DIMS), **changes)
    query = unit(rng, 3, DIMS)
    for search in (EXHAUSTIVE, PLAID, SearchSettings(), SearchSettings(arithmetic="fp32")):
        assert hits(index, query, 5, search) == []
    assert index.numbers.keys() == none.keys() and index.size().vectors == 0
    documents = random_documents(rng, 30, DIMS)
    with IndexWriter.open(folder, encoder=ENCODER) as writer:
        writer.compact()
        writer.add(Documents.of(["e"], [unit(rng, 0, DIMS)], DIMS))
        assert hits(writer.index, query) == [] and writer.index.manifest.centroids == 0
        if count:
            writer.delete(["e0"])
        growth = writer.add(as_documents(documents, DIMS))
        tokens = writer.index.manifest.segments[-1].tokens
        assert (growth.learnt.documents, growth.learnt.tokens) == (30, tokens)
        assert not growth.outgrown
    opened = ColbertIndex.open(folder, encoder=ENCODER)
    fresh = build(tmp_path / "fresh", documents, DIMS, **changes)
    for search in (EXHAUSTIVE, PLAID):
        assert hits(opened, query, 30, search) == hits(fresh, query, 30, search)
    with IndexWriter.open(folder) as writer:
        writer.delete([doc for doc in writer.index.numbers if doc.startswith("e")])
        writer.compact()
    assert contents(writer.index.segments[0].folder) == contents(fresh.segments[0].folder)


def test_an_empty_index_learns_from_an_update_too(tmp_path, rng):
    empty_index(tmp_path, as_documents({"a": unit(rng, 0, DIMS)}, DIMS))
    with IndexWriter.open(tmp_path) as writer:
        writer.update(as_documents({"a": unit(rng, 4, DIMS)}, DIMS))
        assert hits(writer.index, unit(rng, 2, DIMS))[0][0] == "a"


def test_a_first_addition_that_fails_leaves_the_index_empty(tmp_path, rng):
    empty_index(tmp_path)
    before = contents(tmp_path)
    wrong = unit(rng, 40, DIMS)
    wrong[-1] = np.nan
    with IndexWriter.open(tmp_path) as writer:
        with pytest.raises(DataError, match="document 'b': a token vector"):
            writer.add(as_documents({"a": unit(rng, 40, DIMS), "b": wrong}, DIMS))
        assert contents(tmp_path) == before
        writer.add(as_documents({"a": unit(rng, 40, DIMS)}, DIMS))
    assert len(ColbertIndex.open(tmp_path).numbers) == 1


def test_an_index_whose_documents_are_all_deleted_forgets_what_it_learnt_when_told_to(
    tmp_path, rng
):
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS, dims=8)
    with IndexWriter.open(tmp_path) as writer:
        writer.delete(list(writer.index.numbers))
        writer.compact(relearn=True)
        assert writer.index.manifest.centroids == 0
        assert hits(writer.index, unit(rng, 2, DIMS)) == []
        later = random_documents(rng, 20, DIMS)
        writer.add(as_documents(later, DIMS))
        assert len(hits(writer.index, unit(rng, 2, DIMS), 20)) > 10


# Growth


def test_a_build_says_nothing_of_growth_and_what_follows_records_it(tmp_path, rng):
    documents = {f"d{n}": unit(rng, 10, DIMS) for n in range(5)}
    index = build(tmp_path, documents, DIMS)
    written = json.loads((tmp_path / FILE_NAME).read_text())
    assert "growth" not in written and written["version"] == 1
    assert index.manifest.learnt.model_dump() == {"documents": 5, "tokens": 50}
    with IndexWriter.open(tmp_path) as writer:
        growth = writer.add(as_documents({f"e{n}": unit(rng, 10, DIMS) for n in range(3)}, DIMS))
        assert growth.holds.model_dump() == {"documents": 8, "tokens": 80} and not growth.outgrown
        writer.delete(["d0", "e1"])
        written = json.loads((tmp_path / FILE_NAME).read_text())
        assert written["version"] == VERSION
        assert written["growth"] == {
            "learnt": {"documents": 5, "tokens": 50},
            "holds": {"documents": 6, "tokens": 60},
            "outgrown": False,
        }
        assert writer.compact().holds == writer.index.holds
    opened = ColbertIndex.open(tmp_path)
    assert opened.manifest.learnt.tokens == 50 and opened.holds.tokens == 60


def test_an_index_that_has_outgrown_its_centroids_says_so_once(tmp_path, rng, capsys, monkeypatch):
    monkeypatch.delenv(QUIET_VARIABLE)
    build(tmp_path, {"a": unit(rng, 10, DIMS)}, DIMS)
    capsys.readouterr()
    most = int(OUTGROWN)
    with IndexWriter.open(tmp_path) as writer:
        rest = {f"b{n}": unit(rng, 10, DIMS) for n in range(most - 1)}
        assert not writer.add(as_documents(rest, DIMS)).outgrown
        assert "compact" not in capsys.readouterr().err
        assert writer.add(as_documents({"c": unit(rng, 1, DIMS)}, DIMS)).outgrown
        told = capsys.readouterr().err
        assert f"holds {10 * most + 1} tokens, {most} times the 10 that its centroids" in told
        assert "compact(relearn=True)" in told and told.count("\n") == 1
        assert writer.index.manifest.growth.outgrown
        writer.add(as_documents({"d": unit(rng, 1, DIMS)}, DIMS))
        assert "compact" not in capsys.readouterr().err
        assert not writer.compact(relearn=True).outgrown


def test_centroids_given_are_known_by_what_they_were_learnt_from(tmp_path, rng):
    trained = build(tmp_path / "one", {"a": unit(rng, 10, DIMS)}, DIMS).trained
    many = {f"b{n}": unit(rng, 10, DIMS) for n in range(12)}
    growth = build(tmp_path / "two", many, DIMS, trained.settings, trained=trained).manifest.growth
    assert (growth.learnt.tokens, growth.holds.tokens, growth.outgrown) == (10, 120, True)
    assert ColbertIndex.open(tmp_path / "two").trained.learnt == growth.learnt


# Learning anew


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_learning_anew_from_all_originals_is_a_new_build(changes, tmp_path, rng):
    documents = topical_documents(rng, 60, DIMS)
    few = dict(itertools.islice(documents.items(), 2))
    rest = {doc: rows for doc, rows in documents.items() if doc not in few}
    build(tmp_path / "grown", few, DIMS, **changes)
    fresh = build(tmp_path / "fresh", documents, DIMS, **changes)
    with IndexWriter.open(tmp_path / "grown") as writer:
        writer.add(as_documents(rest | {"gone": unit(rng, 5, DIMS)}, DIMS))
        writer.delete(["gone"])
        reader = ColbertIndex.open(tmp_path / "grown")
        before = hits(reader, documents["d0007"])
        growth = writer.compact(relearn=True, originals=as_documents(documents, DIMS))
        index = writer.index
    assert growth.learnt == growth.holds == fresh.manifest.learnt
    assert contents(index.segments[0].folder) == contents(fresh.segments[0].folder)
    for name in ("centroids", "buckets", "projection"):
        one, two = (list(i.folder.glob(f"{name}*.npy")) for i in (index, fresh))
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert set(contents(index.folder)) == {FILE_NAME, *(f.path for f in index.manifest.files())}
    assert hits(reader, documents["d0007"]) == before  # a reader keeps its state


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("given", [0, 20])
def test_learning_anew_from_what_is_stored_keeps_every_document(changes, given, tmp_path, rng):
    documents = topical_documents(rng, 60, DIMS) | {"none": unit(rng, 0, DIMS)}
    few = dict(itertools.islice(documents.items(), 2))
    build(tmp_path, few, DIMS, **changes)
    with IndexWriter.open(tmp_path) as writer:
        writer.add(as_documents({d: r for d, r in documents.items() if d not in few}, DIMS))
        originals = dict(itertools.islice(documents.items(), 10, 10 + given))
        growth = writer.compact(
            relearn=True, originals=as_documents(originals, DIMS) if given else None
        )
        index = writer.index
    assert index.numbers.keys() == documents.keys() and not growth.outgrown
    assert growth.learnt == growth.holds == index.holds
    assert index.manifest.centroids > 40
    if changes.get("nbits", 4) in (4, 16):
        del documents["none"]
        assert found_by_themselves(index, documents) > 0.95


def test_learning_anew_brings_back_what_growth_cost(tmp_path, rng):
    documents = topical_documents(rng, 200, DIMS, topics=60)
    queries = [normalised(rows[:4] + 0.05 * unit(rng, 4, DIMS)) for rows in documents.values()]
    whole = build(tmp_path / "whole", documents, DIMS, nbits=16)
    want = [{doc for doc, _ in hits(whole, query, 10)} for query in queries]

    def overlap(index):
        found = [{doc for doc, _ in hits(index, query, 10)} for query in queries]
        return np.mean([len(a & b) / 10 for a, b in zip(found, want, strict=True)])

    first = dict(itertools.islice(documents.items(), 1))
    build(tmp_path / "grown", first, DIMS, nbits=2)
    with IndexWriter.open(tmp_path / "grown") as writer:
        rest = {doc: rows for doc, rows in documents.items() if doc not in first}
        assert writer.add(as_documents(rest, DIMS)).outgrown
        grown = overlap(writer.index)
        writer.compact(relearn=True, originals=as_documents(documents, DIMS))
        relearnt = overlap(writer.index)
    assert relearnt > grown + 0.05


def test_originals_that_do_not_fit_are_refused_and_nothing_changes(tmp_path, rng):
    build(tmp_path, random_documents(rng, 20, DIMS), DIMS)
    before = contents(tmp_path)
    one = unit(rng, 2, DIMS)
    with IndexWriter.open(tmp_path) as writer:
        for originals, message in (
            (Documents.of(["x"], [one], DIMS), "no document 'x' in the index"),
            (Documents.of(["d001", "d001"], [one, one], DIMS), "'d001' is given more than once"),
            (Documents.of(["d001"], [unit(rng, 2, 8)], 8), "vectors have 8 dimensions"),
            (Documents.of(["d001"], [2 * one], DIMS), "document 'd001': a token vector"),
        ):
            with pytest.raises(DataError, match=message):
                writer.compact(relearn=True, originals=originals)
        with pytest.raises(DataError, match="relearn=True alone"):
            writer.compact(originals=as_documents({}, DIMS))
    assert contents(tmp_path) == before


def test_a_manifest_of_version_1_is_read_and_changed(tmp_path, rng):
    build(tmp_path / "one", {"a": unit(rng, 30, DIMS)}, DIMS)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert json.loads((tmp_path / "two" / FILE_NAME).read_text())["version"] == 1
    with IndexWriter.open(tmp_path / "two") as writer:
        writer.add(as_documents({"b": unit(rng, 3, DIMS)}, DIMS))
    assert len(ColbertIndex.open(tmp_path / "two").numbers) == 2
