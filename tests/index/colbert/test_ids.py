"""Ids and paths of every type that someone may pass: taken as meant, or refused in one line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import ENCODER, build, unit

from colbench.errors import ColbenchError, DataError
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents, checked_ids
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.writer import IndexWriter

DIMS = 16
WRONG = [
    ("ab", r"list of strings, not one: write \['ab'\]"),
    (np.str_("ab"), r"list of strings, not one: write \['ab'\]"),
    (b"ab", r"list of strings, not one: write \['ab'\]"),
    ([b"ab"], "must be strings, b'ab' is of type bytes"),
    ([1], "must be strings, 1 is of type int"),
    (["a", 1], "must be strings, 1 is of type int"),
    (["a", None], "must be strings, None is of type NoneType"),
    ([np.int64(3)], "is of type int64"),
    ([("a",)], "is of type tuple"),
    ([["a"]], "is of type list"),
    (7, "a list of strings, not of type int"),
    (None, "a list of strings, not of type NoneType"),
    (["\ud800a"], "half a surrogate pair"),
    (["a", "x\udfff"], "half a surrogate pair"),
]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    return build(tmp_path / "index", {doc: unit(rng, 3, DIMS) for doc in ("a", "b")}, DIMS).folder


@pytest.mark.parametrize(("ids", "message"), WRONG, ids=ascii)
def test_ids_that_are_no_list_of_strings_are_refused_everywhere(ids, message, folder):
    rng = np.random.default_rng(0)

    def documents():
        return Documents.of(ids, [unit(rng, 2, DIMS), unit(rng, 2, DIMS)], DIMS)

    with IndexWriter.open(folder) as writer:
        for change in (
            lambda: writer.delete(ids),
            lambda: writer.add(documents()),
            lambda: writer.update(documents()),
            lambda: build_index(folder / "x", documents(), IndexSettings(), encoder=ENCODER),
            lambda: Documents(ids, np.zeros(2, np.int64), DIMS, lambda most: iter(())),
        ):
            with pytest.raises(DataError, match=message) as caught:
                change()
            assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    assert ColbertIndex.open(folder).numbers.keys() == {"a", "b"}


@given(
    st.one_of(
        st.text(),
        st.integers(),
        st.none(),
        st.binary(),
        st.lists(
            st.one_of(st.text(st.characters()), st.integers(), st.none(), st.binary(), st.floats())
        ),
    )
)
def test_whatever_is_given_for_ids_is_taken_as_it_is_or_refused(ids):
    try:
        taken = checked_ids(ids)
    except ColbenchError:
        return
    assert taken == ids and all(type(doc) is str for doc in taken)


@pytest.mark.parametrize(
    "many", [list, tuple, set, iter, np.array, dict.fromkeys], ids=lambda many: many.__name__
)
def test_any_collection_of_strings_names_documents(many, folder):
    with IndexWriter.open(folder) as writer:
        writer.delete(many(["a", "b"]))
        assert writer.index.numbers == {}
        rows = unit(np.random.default_rng(0), 2, DIMS)
        writer.add(Documents.of(many(["c"]), [rows], DIMS))
        assert [type(doc) for doc in writer.index.numbers] == [str]
    assert ColbertIndex.open(folder).numbers.keys() == {"c"}


def test_an_id_given_twice_or_unknown_deletes_nothing(folder):
    with IndexWriter.open(folder) as writer:
        with pytest.raises(DataError, match="'a' is given more than once"):
            writer.delete(["a", "b", "a"])
        with pytest.raises(DataError, match="no document '' in the index"):
            writer.delete([""])
        writer.delete([])
        assert len(writer.index.numbers) == 2


def test_paths_may_be_strings(tmp_path):
    place = str(tmp_path / "index")
    rows = unit(np.random.default_rng(0), 3, DIMS)
    build_index(place, Documents.of(["a"], [rows], DIMS), IndexSettings(), encoder=ENCODER)
    assert ColbertIndex.open(place).folder == tmp_path / "index"
    with IndexWriter.open(place) as writer:
        writer.add(Documents.of(["b"], [rows], DIMS))
    with pytest.raises(ColbenchError, match="there is no index in"):
        ColbertIndex.open(str(tmp_path / "other"))
    with pytest.raises(ColbenchError), IndexWriter.open(str(tmp_path / "other")):
        pass
