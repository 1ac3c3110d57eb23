"""Building and changing: what is refused, where, and collections of unusual shape."""

import dataclasses

import numpy as np
import pytest
from synthetic import (
    ENCODER,
    EXHAUSTIVE,
    as_documents,
    build,
    contents,
    hits,
    maxsim,
    random_documents,
    unit,
)

from colbench.errors import ConfigError, DataError, StorageError
from colbench.index.colbert import build as build_module
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.writer import IndexWriter

DIMS = 16
SEARCHES = [
    EXHAUSTIVE,
    SearchSettings(exhaustive=True, arithmetic="fp32"),
    SearchSettings(nprobe=1000, centroid_score_threshold=None, ndocs=None),
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def index(tmp_path, rng):
    """Twenty documents, one of them without tokens."""
    documents = random_documents(rng, 19, DIMS) | {"empty": unit(rng, 0, DIMS)}
    return build(tmp_path / "index", documents, DIMS, centroids=8)


# What is refused


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "holds NaN or infinity"),
        (np.inf, "holds NaN or infinity"),
        (-np.inf, "holds NaN or infinity"),
        (3.0, "has length 3"),
    ],
)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_vector_that_is_not_finite_or_not_of_length_one_names_its_document(
    value, message, kind, tmp_path, rng
):
    documents = random_documents(rng, 12, DIMS) | {"wrong": unit(rng, 4, DIMS)}
    documents["wrong"][2, 7] = value
    documents = {doc: rows.astype(kind) for doc, rows in documents.items()} | {
        "after": unit(rng, 3, DIMS).astype(kind)
    }
    with pytest.raises(DataError, match=f"document 'wrong': a token vector {message}") as caught:
        build(tmp_path / "index", documents, DIMS)
    assert "\n" not in str(caught.value)
    # The folder can be used again.
    del documents["wrong"]
    assert len(build(tmp_path / "index", documents, DIMS).numbers) == 13


def test_a_zero_vector_is_refused(tmp_path, rng):
    documents = {"good": unit(rng, 4, DIMS), "zero": np.zeros((2, DIMS), np.float32)}
    with pytest.raises(DataError, match="document 'zero': a token vector has length 0 and not 1"):
        build(tmp_path, documents, DIMS)


def test_unit_vectors_rounded_to_halves_are_of_length_one(tmp_path, rng):
    documents = {f"d{number}": unit(rng, 50, 384).astype(np.float16) for number in range(4)}
    assert len(build(tmp_path, documents, 384, iterations=1).numbers) == 4


def test_matrices_of_another_number_of_dimensions_are_refused_before_anything_is_built(rng):
    with pytest.raises(DataError, match="document 'b': vectors of shape 2x24, want tokens x 16"):
        as_documents({"a": unit(rng, 2, DIMS), "b": unit(rng, 2, 24)}, DIMS)
    with pytest.raises(DataError, match="vectors of shape 16, want"):
        as_documents({"a": unit(rng, 1, DIMS)[0]}, DIMS)
    with pytest.raises(DataError, match="2 document ids were given with 1 matrices"):
        Documents.of(["a", "b"], [unit(rng, 2, DIMS)], DIMS)


@pytest.mark.parametrize("dims", [8, 24])
def test_vectors_read_with_another_number_of_dimensions_than_promised_are_refused(
    dims, tmp_path, rng
):
    promised = as_documents({"a": unit(rng, 2, DIMS)}, DIMS)
    broken = dataclasses.replace(promised, read=lambda most: iter([(0, 1, unit(rng, 2, dims))]))
    with pytest.raises(DataError, match=f"vectors have {dims} dimensions, the index takes 16"):
        build_index(tmp_path, broken, IndexSettings(), encoder=ENCODER)


@pytest.mark.parametrize("change", ["add", "update"])
@pytest.mark.parametrize("dims", [8, 24])
def test_documents_of_another_number_of_dimensions_cannot_be_added(index, change, dims, rng):
    doc = "d001" if change == "update" else "new"
    documents = as_documents({doc: unit(rng, 2, dims)}, dims)
    with (
        IndexWriter.open(index.folder) as writer,
        pytest.raises(DataError, match=f"vectors have {dims} dimensions, the index takes 16"),
    ):
        getattr(writer, change)(documents)
    assert len(ColbertIndex.open(index.folder).numbers) == 20


def test_an_index_with_a_projection_takes_vectors_of_the_encoder(tmp_path, rng):
    folder = build(tmp_path, random_documents(rng, 20, 24), 24, dims=DIMS).folder
    with IndexWriter.open(folder) as writer:
        writer.add(as_documents({"new": unit(rng, 2, 24)}, 24))
        with pytest.raises(DataError, match="vectors have 16 dimensions, the index takes 24"):
            writer.add(as_documents({"newer": unit(rng, 2, DIMS)}, DIMS))
        with pytest.raises(DataError, match="the index takes tokens x 24"):
            hits(writer.index, unit(rng, 2, DIMS))
        assert len(hits(writer.index, unit(rng, 2, 24), 100)) >= 15


def test_an_id_that_occurs_twice_is_refused(tmp_path, index, rng):
    twice = Documents.of(["a", "b", "a"], [unit(rng, 2, DIMS)] * 3, DIMS)
    with pytest.raises(DataError, match="document id 'a' occurs more than once"):
        build_index(tmp_path / "other", twice, IndexSettings(), encoder=ENCODER)
    same = Documents.of(["d001", "d001"], [unit(rng, 2, DIMS)] * 2, DIMS)
    before = contents(index.folder)
    with IndexWriter.open(index.folder) as writer:
        for change in (
            lambda: writer.add(twice),
            lambda: writer.update(same),
            lambda: writer.delete(["d001", "d001"]),
        ):
            with pytest.raises(DataError, match=r"document id '(a|d001)' is given more than once"):
                change()
    assert contents(index.folder) == before


def test_ids_that_are_not_there_cannot_be_deleted_or_updated_and_known_ones_not_added(index, rng):
    before = contents(index.folder)
    new = unit(rng, 2, DIMS)
    with IndexWriter.open(index.folder) as writer:
        with pytest.raises(DataError, match=r"no document 'd01' .* did you mean 'd01\d'"):
            writer.delete(["d001", "d01"])
        with pytest.raises(DataError, match="no document 'zebra'"):
            writer.update(as_documents({"d001": new, "zebra": new}, DIMS))
        with pytest.raises(DataError, match="'d002' is already in the index: update it, or delete"):
            writer.add(as_documents({"new": new, "d002": new}, DIMS))
        assert contents(index.folder) == before
        writer.delete(["d002"])
        with pytest.raises(DataError, match="no document 'd002'"):
            writer.delete(["d002"])
        writer.add(as_documents({"d002": new}, DIMS))
        assert hits(writer.index, new, 1)[0][0] == "d002"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dims": 17}, "dims=17: the encoder's vectors have 16 dimensions"),
        ({"nbits": 1, "dims": 12}, "12 dimensions of 1 bits do not fill whole bytes"),
        ({"nbits": 2, "dims": 3}, "3 dimensions of 2 bits do not fill whole bytes"),
        ({"nbits": 4, "dims": 5}, "5 dimensions of 4 bits do not fill whole bytes"),
    ],
    ids=str,
)
def test_dimensions_that_cannot_be_had_or_packed_are_refused(settings, message, tmp_path, rng):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path / "index", random_documents(rng, 5, DIMS), DIMS, **settings)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("nbits", [0, 8, 16])
def test_codes_of_whole_bytes_take_any_number_of_dimensions(nbits, tmp_path, rng):
    documents = random_documents(rng, 20, 13)
    query = unit(rng, 3, 13)
    index = build(tmp_path, documents, 13, nbits=nbits, centroids=200)
    for doc, score in hits(index, query, 5):
        assert score == pytest.approx(maxsim(query, documents[doc]), abs=0.1)


def test_centroids_learnt_for_other_vectors_are_refused(index, tmp_path, rng):
    def again(dims, /, **settings):
        chosen = index.manifest.settings.model_copy(update=settings)
        build(tmp_path / "again", random_documents(rng, 5, dims), dims, chosen, trained=learnt)

    learnt = index.trained
    for settings in ({"nbits": 2}, {"nbits": 16}, {"dims": 8}, {"pooling": 2}, {"seed": 1}):
        ((name, value),) = settings.items()
        with pytest.raises(ConfigError, match=f"{name}={value}: the centroids given were learnt"):
            again(DIMS, **settings)
    for dims in (8, 24):
        with pytest.raises(ConfigError, match=f"vectors have {dims} dimensions, .* from 16"):
            again(dims)
    again(DIMS, chunk_tokens=300)
    assert len(ColbertIndex.open(tmp_path / "again").numbers) == 5


# Where it is built


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, rng):
    (tmp_path / "holiday.jpg").write_bytes(b"sun")
    (tmp_path / "segment-000001").mkdir()
    (tmp_path / "segment-000001" / "mine").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match=r"holds 'holiday.jpg': choose an empty folder"):
        build(tmp_path, random_documents(rng, 5, DIMS), DIMS)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_where_the_folder_should_be_is_refused(tmp_path, rng):
    (tmp_path / "index").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        build(tmp_path / "index", random_documents(rng, 5, DIMS), DIMS)
    assert (tmp_path / "index").read_text() == "not a folder"


def test_an_index_is_never_built_over(index, rng):
    before = contents(index.folder)
    with pytest.raises(StorageError, match="already holds an index: delete it or choose another"):
        build(index.folder, random_documents(rng, 5, DIMS), DIMS)
    assert contents(index.folder) == before


def test_what_an_unfinished_build_left_is_removed(tmp_path, rng, monkeypatch):
    documents = random_documents(rng, 20, DIMS)
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "write_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(tmp_path / "index", documents, DIMS, dims=8)
    assert {"projection.npy", "segment-000001"} < {p.name for p in (tmp_path / "index").iterdir()}
    build(tmp_path / "index", documents, DIMS, nbits=2)
    build(tmp_path / "clean", documents, DIMS, nbits=2)
    assert contents(tmp_path / "index") == contents(tmp_path / "clean")


def test_a_full_disk_is_one_line(tmp_path, rng, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    monkeypatch.setattr(build_module, "ensure_writable", lambda folder: folder.mkdir())
    with pytest.raises(StorageError, match=r"cannot write .*npy: No space left on device; free"):
        build(tmp_path / "index", random_documents(rng, 5, DIMS), DIMS)


# Collections of unusual shape


@pytest.mark.parametrize("search", SEARCHES, ids=["int8", "fp32", "plaid"])
def test_a_document_without_tokens_is_kept_and_never_found(index, search, rng):
    assert "empty" in index.numbers and index.live_documents == 20
    found = [doc for doc, _ in hits(index, unit(rng, 4, DIMS), 100, search)]
    assert set(found) == {doc for doc in index.numbers if tokens_of(index, doc)}
    assert "empty" not in found


def tokens_of(index, doc):
    number = index.numbers[doc]
    return int(np.diff(index.segments[0].offsets)[number])


@pytest.mark.parametrize("nbits", [0, 1, 2, 4, 8, 16])
@pytest.mark.parametrize("search", SEARCHES, ids=["int8", "fp32", "plaid"])
def test_one_document_of_one_token_is_an_index(nbits, search, tmp_path, rng):
    vector = unit(rng, 1, DIMS)
    index = build(tmp_path, {"only": vector}, DIMS, nbits=nbits)
    assert index.manifest.centroids == 1
    query = unit(rng, 3, DIMS)
    ((doc, score),) = hits(index, query, 10, search)
    # Buckets are made for vectors to come, so few bits round this one as they round those.
    near = {1: 1.0, 2: 0.6, 4: 0.2, 8: 0.05}.get(nbits, 0.02)
    assert doc == "only" and score == pytest.approx(maxsim(query, vector), abs=near)


@pytest.mark.parametrize("nbits", [1, 4])
@pytest.mark.parametrize("pooling", [1, 4])
def test_fewer_tokens_than_centroids_make_every_token_a_centroid(nbits, pooling, tmp_path, rng):
    documents = {f"d{number}": unit(rng, 1, DIMS) for number in range(7)}
    index = build(tmp_path, documents, DIMS, nbits=nbits, centroids=1000, pooling=pooling)
    assert 1 <= index.manifest.centroids <= 7
    assert len(hits(index, unit(rng, 2, DIMS), 100)) == 7
    if pooling == 1:
        query = unit(rng, 2, DIMS)
        for doc, score in hits(index, query, 7):
            near = {1: 1.0, 4: 0.2}[nbits]
            assert score == pytest.approx(maxsim(query, documents[doc]), abs=near)
        for doc, rows in documents.items():
            assert hits(index, rows, 1)[0][0] == doc


@pytest.mark.parametrize("search", SEARCHES, ids=["int8", "fp32", "plaid"])
@pytest.mark.parametrize("k", [19, 20, 21, 10_000])
def test_k_beyond_the_collection_finds_all_that_can_be_found(index, search, k, rng):
    findable = sum(tokens_of(index, doc) > 0 for doc in index.numbers)
    assert len(hits(index, unit(rng, 3, DIMS), k, search)) == min(k, findable)


@pytest.mark.parametrize("search", SEARCHES, ids=["int8", "fp32", "plaid"])
def test_an_index_all_of_whose_documents_are_deleted_finds_nothing(index, search, rng):
    query = unit(rng, 3, DIMS)
    with IndexWriter.open(index.folder) as writer:
        writer.delete(list(index.numbers))
        assert hits(writer.index, query, 10, search) == []
        writer.compact()
        assert hits(writer.index, query, 10, search) == []
        assert writer.index.documents == 0
        new = unit(rng, 2, DIMS)
        writer.add(as_documents({"new": new}, DIMS))
        assert [doc for doc, _ in hits(writer.index, new, 10, search)] == ["new"]


def test_adding_and_deleting_nothing_changes_no_answer(index, rng):
    query = unit(rng, 3, DIMS)
    before = hits(index, query)
    with IndexWriter.open(index.folder) as writer:
        writer.add(as_documents({}, DIMS))
        writer.add(as_documents({"none": np.empty((0, DIMS))}, DIMS))
        writer.delete([])
        assert hits(writer.index, query) == before
        assert "none" in writer.index.numbers
        writer.compact()
        assert hits(writer.index, query) == before


def test_equal_tokens_everywhere_are_no_trouble(tmp_path, rng):
    row = unit(rng, 1, DIMS)
    index = build(tmp_path, {f"d{n}": np.repeat(row, 40, axis=0) for n in range(10)}, DIMS)
    found = hits(index, row, 10)
    assert [doc for doc, _ in found] == [f"d{n}" for n in range(9, -1, -1)]
    assert {round(score, 2) for _, score in found} == {1.0}
