"""The rules that keep the answer out of the question, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Query
from colbench.collection.pydocs.assemble import (
    MAX_RELEVANT,
    Entry,
    collection,
    jaccard,
    merged,
    questions,
    similar_pairs,
)
from colbench.collection.pydocs.fairness import (
    content_words,
    is_document,
    is_query,
    names_itself,
    quotes,
    shingles,
    without_name,
)

ASK = "Estimate smooth curves from scattered noisy samples."
BODY = (
    "Knots are placed automatically. The penalty grows when neighbouring pieces bend; pass a "
    "larger factor to obtain something flatter, or zero to interpolate everything exactly."
)


def asked(*documents: Entry) -> list[tuple[str, list[str]]]:
    return [(entry.name, relevant) for entry, relevant in questions(documents)]


@pytest.mark.parametrize(
    ("text", "name", "left"),
    [
        ("Compute K-Means fast.", "sklearn.cluster.KMeans", "Compute fast."),
        ("A k_means run; kmeans() too.", "sklearn.cluster.KMeans", "A run; too."),
        ("The `scipy.signal.butter` filter.", "scipy.signal.butter", "The ` ` filter."),
        ("Train test split of test data.", "sklearn.train_test_split", "of test data."),
        ("Sorts a sorted list by sort.", "numpy.sort", "a sorted list by."),
        ("Fit SVC (SVC) now.", "sklearn.svm.SVC.fit", "now."),
        ("Apply a 2D convolution: Conv2d.", "torch.nn.Conv2d", "Apply a 2D convolution:."),
        (
            "Perform the Ansari-Bradley test of -1.",
            "scipy.ansari",
            "Perform the Bradley test of -1.",
        ),
        ("Return the .Bbox of Text.", "m.Text", "Return the .Bbox of."),
        ("Buttered butterfly.", "scipy.signal.butter", "Buttered butterfly."),
    ],
)
def test_the_own_name_goes_in_every_spelling_and_nothing_else_does(text, name, left):
    assert without_name(text, name) == left
    assert not names_itself(left, name)


@given(
    st.lists(st.sampled_from(["Fit", "the", "Ridge", "ridges", "ridge.fit", "(", ")", "."])),
    st.sampled_from(["m.Ridge", "m.Ridge.fit", "m.fit"]),
)
def test_no_name_is_left_however_the_text_is_put_together(parts, name):
    assert not names_itself(without_name(" ".join(parts), name), name)


def test_a_question_needs_enough_words_and_must_not_be_a_pointer():
    assert is_query(ASK)
    assert not is_query("Return the list of the array.")
    assert not is_query("See " + ASK)
    assert not is_query(ASK + " https://example.org")
    assert not is_query(ASK + " and so on" * 20)


def test_a_document_is_thirty_words_of_prose_in_latin_script():
    words = "word " * 30
    assert is_document(words)
    assert not is_document("word " * 29)
    assert not is_document(words + "0.12 " * 31)
    assert not is_document(words + "слово " * 10)


def test_a_quotation_is_found_verbatim_reordered_and_within_other_text():
    assert quotes("Before. " + ASK + " After.", ASK)
    assert quotes("From noisy scattered samples it can estimate curves.", ASK)
    assert not quotes(BODY, ASK)


def test_words_of_a_question_spread_over_a_document_are_no_quotation():
    filler = " filler" * 12
    assert not quotes(filler.join(content_words(ASK)), ASK)


@given(st.lists(st.frozensets(st.sampled_from("abcdefgh"), max_size=6), max_size=12))
def test_similar_pairs_are_those_that_comparing_all_pairs_finds(sets):
    for threshold in (0.3, 0.5, 0.8, 1.0):
        expected = {
            (i, j)
            for i in range(len(sets))
            for j in range(i)
            if jaccard(sets[i], sets[j]) >= threshold
        }
        found = list(similar_pairs(sets, threshold))
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_shingles_of_a_text_shorter_than_one_are_the_text():
    assert shingles(["a", "b"]) == {"a b"}


def test_of_near_duplicate_bodies_the_shortest_name_stays():
    copy = BODY.replace("exactly", "precisely")
    found = merged([Entry("p.q.long_name", ASK, copy), Entry("p.f", ASK, BODY)])
    assert [entry.name for entry in found] == ["p.f"]


def test_bodies_that_differ_only_in_the_objects_name_are_one_document():
    bodies = {name: f"{name} it. Then {name} again. {BODY}" for name in ("alpha", "beta")}
    found = merged([Entry(f"p.{name}", ASK, body) for name, body in bodies.items()])
    assert [entry.name for entry in found] == ["p.beta"]


def test_equal_bodies_are_one_document_even_where_they_hold_one_of_the_names():
    body = " ".join(f"the graph w{letter}" for letter in "abcdefghijklmnop")
    found = merged([Entry("p.Graph.drop", ASK, body), Entry("p.DiGraph.drop", ASK, body)])
    assert [entry.name for entry in found] == ["p.Graph.drop"]


def test_a_chain_of_near_duplicates_keeps_what_resembles_nothing_kept():
    words = [f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    chain = [" ".join(words[start : start + 50]) for start in (0, 4, 8)]
    found = merged([Entry(f"p.f{place}", ASK, body) for place, body in enumerate(chain)])
    assert [entry.name for entry in found] == ["p.f0", "p.f2"]


def test_objects_whose_summaries_say_the_same_are_all_relevant():
    other = ASK.replace("scattered", "dispersed").replace("Estimate", "Compute")
    assert asked(Entry("p.f", ASK, BODY), Entry("q.g", ASK, "Other text.")) == [
        ("p.f", ["p.f", "q.g"])
    ]
    assert asked(Entry("p.f", ASK, BODY), Entry("q.f", other, "Other text.")) == [
        ("p.f", ["p.f", "q.f"])
    ]
    assert len(asked(Entry("p.f", ASK, BODY), Entry("q.g", other, "Other text."))) == 2


def test_a_summary_that_many_objects_share_is_not_asked():
    shared = [Entry(f"p.f{place}", ASK, f"Text {place}.") for place in range(MAX_RELEVANT + 1)]
    assert asked(*shared) == []
    assert len(asked(*shared[:-1])) == 1


def test_a_question_that_any_document_contains_is_not_asked():
    assert asked(Entry("p.f", ASK, BODY), Entry("p.g", "Short.", f"Listing: {ASK} End.")) == []


def test_documents_without_a_question_stay_in_the_collection():
    found = [Entry("p.f", ASK, BODY), Entry("p.g", "Short.", "Other text.")]
    documents, queries, qrels = collection(found, questions(found))
    assert [document.id for document in documents] == ["p.f", "p.g"]
    assert [document.text for document in documents] == [BODY, "Other text."]
    assert queries == [Query("q:p.f", ASK)]
    assert qrels == {"q:p.f": {"p.f": 1}}
