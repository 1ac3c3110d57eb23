from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Collection, Document, Query, Sampling
from colbench.collection.sample import sample_collection
from colbench.collection.settings import SampleSettings


def make(docs=40, queries=8):
    return Collection(
        name="c",
        documents=[Document(f"d{n}", "", f"text {n}") for n in range(docs)],
        queries=[Query(f"q{n}", f"query {n}") for n in range(queries)],
        qrels={f"q{n}": {f"d{n}": 1, f"d{n + 10}": 0} for n in range(queries)},
        notes=("an older note",),
    )


def ids(records):
    return [record.id for record in records]


def test_no_sample_and_a_sample_as_large_as_the_collection_change_nothing():
    collection = make()
    assert sample_collection(collection, SampleSettings()) is collection
    assert sample_collection(collection, SampleSettings(docs=40, queries=8)) is collection


def test_a_sample_is_marked_everywhere():
    sample = sample_collection(make(), SampleSettings(docs=20, queries=3, seed=7))
    assert sample.name == "c[docs=20,queries=3,seed=7]"
    assert sample.sampled == Sampling(docs=20, queries=3, seed=7)
    assert sample.notes == (
        "an older note",
        "a sample of 20 of 40 documents and 3 of 8 queries of c",
    )


def test_only_what_was_cut_is_named():
    assert sample_collection(make(), SampleSettings(docs=30)).name == "c[docs=30,seed=0]"
    by_query = sample_collection(make(), SampleSettings(docs=99, queries=2))
    assert by_query.name == "c[queries=2,seed=0]"
    assert by_query.sampled == Sampling(docs=None, queries=2, seed=0)
    assert len(by_query.documents) == 40


def test_too_few_documents_keep_every_judged_one_and_say_so():
    sample = sample_collection(make(), SampleSettings(docs=5))
    assert set(ids(sample.documents)) == {doc for judged in make().qrels.values() for doc in judged}
    assert sample.name == "c[docs=16,seed=0]"
    assert sample.notes[-1].endswith("; 5 documents were asked for, but all judged ones are kept")


def test_a_collection_of_judged_documents_only_cannot_be_cut():
    collection = make()
    judged = {doc for grades in collection.qrels.values() for doc in grades}
    whole = replace(collection, documents=[d for d in collection.documents if d.id in judged])
    assert sample_collection(whole, SampleSettings(docs=1)) is whole


def test_the_draw_is_the_same_on_every_machine():
    sample = sample_collection(make(), SampleSettings(docs=8, queries=2, seed=1))
    assert ids(sample.queries) == ["q1", "q3"]
    assert ids(sample.documents) == ["d1", "d3", "d8", "d11", "d13", "d15", "d19", "d28"]


def test_another_seed_draws_others():
    samples = [sample_collection(make(), SampleSettings(docs=20, seed=seed)) for seed in (0, 1)]
    assert ids(samples[0].documents) != ids(samples[1].documents)


@given(
    docs=st.integers(1, 45), queries=st.integers(1, 9), seed=st.integers(0, 5), order=st.randoms()
)
def test_any_sample_keeps_judged_documents_and_source_order_whatever_that_is(
    docs, queries, seed, order
):
    collection = make()
    settings = SampleSettings(docs=docs, queries=queries, seed=seed)
    sample = sample_collection(collection, settings)
    assert len(sample.queries) == min(queries, 8)
    judged = {doc for grades in sample.qrels.values() for doc in grades}
    assert judged <= set(ids(sample.documents))
    assert len(sample.documents) == max(min(docs, 40), len(judged))
    assert set(sample.qrels) == set(ids(sample.queries))
    shuffled = list(collection.documents)
    order.shuffle(shuffled)
    again = sample_collection(replace(collection, documents=shuffled), settings)
    kept = set(ids(sample.documents))
    assert ids(again.documents) == [d.id for d in shuffled if d.id in kept]


@pytest.mark.parametrize("part", ["docs", "queries"])
def test_a_larger_sample_contains_the_smaller_one(part):
    small, large = (sample_collection(make(), SampleSettings(**{part: size})) for size in (3, 6))
    assert set(ids(small.documents)) <= set(ids(large.documents))
    assert set(ids(small.queries)) <= set(ids(large.queries))
