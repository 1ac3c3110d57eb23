"""Properties of the collection as it comes out of the installed packages."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from colbench.collection import pydocs as pydocs_module
from colbench.collection.model import Collection, Document, Query
from colbench.collection.pydocs import load_pydocs
from colbench.collection.pydocs.fairness import content_words, names_itself, quotes, words
from colbench.collection.snapshot import read_snapshot

HEAVY = ("torch", "transformers", "scipy", "sklearn", "pandas", "matplotlib", "networkx", "sympy")


@pytest.fixture(scope="module", params=["small", pytest.param("full", marks=pytest.mark.nightly)])
def pydocs(request):
    return load_pydocs(request.param)


@pytest.fixture(scope="module")
def texts(pydocs):
    return dict(zip(pydocs.doc_ids, pydocs.texts, strict=True))


def test_the_sizes_are_those_promised(pydocs):
    documents, queries = len(pydocs.documents), len(pydocs.queries)
    if pydocs.name == "pydocs/small":
        assert 900 <= documents <= 1050
        assert 250 <= queries <= 300
    else:
        assert 5000 <= documents <= 15000
        assert 2000 <= queries <= documents


def test_ids_are_unique_without_whitespace_and_no_query_has_a_documents_id(pydocs):
    ids = [*pydocs.doc_ids, *(query.id for query in pydocs.queries)]
    assert len(ids) == len(set(ids))
    assert not [one for one in ids if one != "".join(one.split())]


def test_documents_and_queries_are_sorted_and_on_one_line(pydocs):
    assert pydocs.doc_ids == sorted(pydocs.doc_ids)
    assert list(pydocs.queries) == sorted(pydocs.queries)
    for text in (*pydocs.texts, *(query.text for query in pydocs.queries)):
        assert text == " ".join(text.split())


def test_no_two_documents_and_no_two_queries_have_the_same_text(pydocs):
    for texts in (pydocs.texts, [query.text for query in pydocs.queries]):
        assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_every_query_has_one_to_five_relevant_documents_its_own_among_them(pydocs, texts):
    assert set(pydocs.qrels) == {query.id for query in pydocs.queries}
    for query_id, judged in pydocs.qrels.items():
        assert query_id.removeprefix("q:") in judged
        assert 1 <= len(judged) <= 5
        assert set(judged.values()) == {1}
        assert judged.keys() <= texts.keys()


def test_no_query_names_an_object_that_answers_it(pydocs):
    for query in pydocs.queries:
        assert not [name for name in pydocs.qrels[query.id] if names_itself(query.text, name)]


def test_every_query_asks_with_five_content_words(pydocs):
    assert [q for q in pydocs.queries if len(set(content_words(q.text))) < 5] == []


def test_no_relevant_document_quotes_its_query(pydocs, texts):
    for query in pydocs.queries:
        assert not [name for name in pydocs.qrels[query.id] if quotes(texts[name], query.text)]


def test_no_document_at_all_contains_a_query(pydocs):
    everything = "\n".join(f" {' '.join(words(text))} " for text in pydocs.texts)
    for query in pydocs.queries[:300]:
        assert f" {' '.join(words(query.text))} " not in everything


def test_titles_say_nothing(pydocs):
    assert {document.title for document in pydocs.documents} == {""}


def test_no_markup_or_code_prompt_is_left_in_the_texts(pydocs):
    for text in pydocs.texts:
        assert ">>> " not in text
        assert ":func:`" not in text
        assert "%(" not in text.replace("%(asctime", "")


@pytest.mark.nightly
def test_the_small_collection_spreads_evenly_over_its_packages():
    small = load_pydocs("small")
    shares = Counter(document.id.partition(".")[0] for document in small.documents)
    assert len(shares) == 7
    assert min(shares.values()) >= 100
    assert len({query.id.partition(".")[0] for query in small.queries}) == 7


@pytest.mark.nightly
def test_another_process_with_another_hash_seed_makes_the_same_and_imports_no_package():
    program = (
        "import sys\n"
        "from colbench.collection.pydocs import load_pydocs\n"
        "print(load_pydocs('small').fingerprint)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "4711", "COLBENCH_QUIET": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = load_pydocs("small").fingerprint
    assert done.stdout.splitlines() == [here, "[]"]


def test_a_collection_is_kept_once_it_is_made(tmp_path, monkeypatch):
    made = load_pydocs("small", tmp_path)
    (folder,) = tmp_path.iterdir()
    assert read_snapshot(folder) == made

    monkeypatch.setattr(pydocs_module, "_make", lambda size: pytest.fail("made again"))
    assert load_pydocs("small", tmp_path) == made


@pytest.fixture
def tiny(monkeypatch):
    """Replace the making, and return how often it took place."""
    times = []

    def make(size):
        times.append(size)
        documents = [Document("numpy.a", "", "does a")]
        return Collection(f"pydocs/{size}", documents, [Query("q", "a?")], {"q": {"numpy.a": 1}})

    monkeypatch.setattr(pydocs_module, "_make", make)
    return times


def test_other_files_of_a_package_make_another_collection(tiny, tmp_path, monkeypatch):
    load_pydocs("small", tmp_path)
    load_pydocs("small", tmp_path)
    assert len(tiny) == 1
    monkeypatch.setattr(pydocs_module, "versions", lambda packages: {"numpy": "0.1"})
    load_pydocs("small", tmp_path)
    assert len(tiny) == 2


def test_a_damaged_or_read_only_folder_costs_only_the_time(tiny, tmp_path):
    made = load_pydocs("small", tmp_path / "kept")
    (folder,) = (tmp_path / "kept").iterdir()
    (folder / "documents.jsonl").write_text("other")
    assert load_pydocs("small", tmp_path / "kept") == made
    assert load_pydocs("small", tmp_path / "kept") == made
    assert len(tiny) == 2

    (tmp_path / "file").write_text("in the way")
    assert load_pydocs("small", tmp_path / "file") == made
