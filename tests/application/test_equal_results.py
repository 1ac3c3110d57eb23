"""What is served is what was measured: one ranking from an application and from the benchmark."""

from __future__ import annotations

import random

import pytest
from beir_folder import write_folder
from collected import QRELS, QUERIES, TEXTS
from words import WordEncoder

import colbench
from colbench.application import Colbert
from colbench.collection.model import Collection, Document, Query
from colbench.config.compose import compose_run
from colbench.config.models import named_settings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system, system_settings

MINILM = "embedded:all-MiniLM-L6-v2"
LONG = {
    "long": " ".join(
        [
            *("A long text about nothing in particular goes on and on." for _ in range(20)),
            "The capital city of Portugal is Lisbon.",
            *("Then it goes on again and says little of any interest." for _ in range(20)),
        ]
    )
}
"""Two passages or more, of which one answers a query."""


def ranking_of(results, name="colbert"):
    """Return query → (document, score) of a run, best first."""
    ranking = {}
    for line in (results.folder / "runs" / f"{name}.trec").read_text(encoding="utf-8").splitlines():
        query, _, doc, _, score, _ = line.split("\t" if "\t" in line else None)
        ranking.setdefault(query, []).append((doc, float(score)))
    return ranking


def searched(index, queries, k, **options):
    """Return the same of an application."""
    found = index.search(list(queries.values()), k=k, **options)
    return {
        query: [(one.id, one.score) for one in results]
        for query, results in zip(queries, found, strict=True)
        if results
    }


def same(one, other):
    """Assert that rankings and their scores are equal; a file has fewer digits."""
    assert one.keys() == other.keys()
    for query, ranking in one.items():
        assert [doc for doc, _ in ranking] == [doc for doc, _ in other[query]], query
        assert [score for _, score in ranking] == pytest.approx(
            [score for _, score in other[query]], rel=1e-6
        )


# In one process, with an encoder of words: every way to search, and texts of any length.


class WordBench(Workbench):
    def encoder(self, settings, form):
        return ENCODER


def made_texts(count):
    rng = random.Random(0)
    vocabulary = [f"w{n}" for n in range(60)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(1, 25))) for _ in range(count)]
    texts[3] = texts[11] = texts[40]  # scores that tie
    return texts


ENCODER = WordEncoder("bench", dims=16)
INDEX = {"nbits": 4, "centroids": 32, "seed": 0}
SEARCHES = {
    "as a run": named_settings("search", "k1000", (), {}),
    "few kept": {"nprobe": 1, "centroid_score_threshold": 0.3, "ndocs": 64},
    "wide": {"nprobe": 16, "centroid_score_threshold": None, "ndocs": None},
    "all": {"exhaustive": True},
    "all, exactly": {"exhaustive": True, "arithmetic": "fp32"},
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A workbench and an application with the same 150 texts."""
    folder = tmp_path_factory.mktemp("both")
    texts = made_texts(150)
    ids = [f"d{n * 7 % 1000}" for n in range(len(texts))]
    documents = [Document(doc, "", text) for doc, text in zip(ids, texts, strict=True)]
    queries = [Query(f"q{n}", f"w{n} w{n * 5 % 60} w{n * 11 % 60}") for n in range(1, 12)]
    collection = Collection("words", documents, queries, {"q1": {ids[0]: 1}})
    encoder = ENCODER.settings.model_dump()
    kinds = {
        name: {"kind": "colbert", "encoder": encoder, "index": INDEX, "search": search}
        for name, search in SEARCHES.items()
    }
    bench = WordBench(
        collection=collection,
        folder=folder / "bench",
        cache=EmbeddingCache(folder / "cache"),
        systems={name: system_settings(name, values) for name, values in kinds.items()},
        memory_bytes=1 << 30,
    )
    model = Colbert.from_pretrained(ENCODER)
    index = model.index(texts, folder / "index", ids=ids, verbose=False, **INDEX)
    assert max(len(one.passages) for one in index.documents()) > 3
    return bench, index


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_an_application_finds_what_the_system_finds(both, name, k):
    bench, index = both
    system = make_system(name, bench)
    system.prepare()
    system.build()
    texts = [query.text for query in bench.collection.queries]
    hits = system.search(system.encode(texts), k)
    found = index.search(texts, k=k, **SEARCHES[name])
    ids = bench.collection.doc_ids
    for mine, theirs in zip(found, hits, strict=True):
        pairs = [(one.id, one.score) for one in mine]
        expected = list(zip((ids[doc] for doc in theirs.docs), theirs.scores.tolist(), strict=True))
        assert len(pairs) == min(k, len(ids))
        # A run is content with fewer than k; an application looks for more.
        assert {doc for doc, _ in expected} <= {doc for doc, _ in pairs}
        if len(expected) == len(pairs):
            assert pairs == expected
        else:
            assert k > 10 and not name.startswith("all")


# With a model, through a whole run.


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("equal")
    queries = {**QUERIES, "q7": "capital city of Portugal"}
    write_folder(folder / "beir", {**TEXTS, **LONG}, queries, [*QRELS, ("q7", "long", 1)])
    return folder


OPTIONS = {"encoder": "minilm", "measures": ["ndcg@10"], "latency": {"queries": 1}, "k": 10}
SHORT = {"document_length": 64, "chunk_overlap": 16}
CHUNKS = {"encoder.long_documents": "chunk"} | {f"encoder.{k}": v for k, v in SHORT.items()}


def index_of(collection, folder, **settings):
    """Return an application's index of a collection."""
    return Colbert.from_pretrained(MINILM, **settings).index(
        (document.text for document in collection.documents),
        folder,
        ids=(document.id for document in collection.documents),
        verbose=False,
    )


@pytest.fixture(scope="module")
def served(place):
    """An application's index of the folder, which has had a document more."""
    index = index_of(colbench.load_collection(place / "beir"), place / "my_index", **SHORT)
    assert len(index.get("long")[0].passages) > 1
    index.add("It is not in the collection.", ids="other")
    index.delete("other")
    return index


def colbert_of(place, name, shared_folder=None):
    """Return the system `colbert` as a run of the folder has it, built."""
    settings = compose_run(
        [
            *("dataset=beir_dir", f"dataset.path={place / 'beir'}", "systems=[colbert]"),
            *("encoder=minilm", *(f"{key}={value}" for key, value in CHUNKS.items())),
        ]
    )
    bench = Workbench(
        collection=colbench.load_collection(place / "beir"),
        folder=place / name,
        cache=EmbeddingCache(place / "cache"),
        systems=settings.system,
        memory_bytes=1 << 30,
        shared_folder=shared_folder,
    )
    system = make_system("colbert", bench)
    system.prepare()
    system.build()
    return system


def ranked(system, queries, k):
    ids = system.bench.collection.doc_ids
    hits = system.search(system.encode(list(queries.values())), k)
    return {
        query: [(ids[doc], score) for doc, score in zip(one.docs, one.scores.tolist(), strict=True)]
        for query, one in zip(queries, hits, strict=True)
    }


@pytest.mark.parametrize("given", [False, True], ids=["built by the run", "of the application"])
def test_an_application_with_a_model_ranks_as_the_benchmark_does(place, served, given):
    before = {path: path.stat().st_mtime_ns for path in served.folder.rglob("*")}
    system = colbert_of(place, f"bench {given}", served.folder if given else None)
    queries = {query.id: query.text for query in system.bench.collection.queries}
    ranking = ranked(system, queries, 10)
    assert all(len(one) == 10 for one in ranking.values())
    assert searched(served, queries, 10) == ranking
    assert ranking["q7"][0][0] == "long" and ranking["q1"][0][0] == "paris"
    assert ("searched as it stands" in " ".join(system.notes(list(queries.values())))) == given
    assert {path: path.stat().st_mtime_ns for path in served.folder.rglob("*")} == before


@pytest.mark.nightly
def test_an_index_of_an_application_is_measured_as_it_stands(place, served):
    options = {"dataset": place / "beir", "systems": ["colbert"], **OPTIONS, **CHUNKS}
    own = colbench.run(**options, output_dir=place / "own")
    given = colbench.run(**options, output_dir=place / "given", index_dir=served.folder)
    (system,) = given.systems
    assert system.status == "ok", system.reason
    assert system.effectiveness == own["colbert"].effectiveness
    assert system.effectiveness["ndcg@10"] > 0.8
    assert "searched as it stands" in " ".join(given.notes)
    queries = {**QUERIES, "q7": "capital city of Portugal"}
    same(searched(served, queries, 10), ranking_of(given))
    same(ranking_of(own), ranking_of(given))


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"index": {"nbits": 2}}, "index.nbits=4"),
        ({"encoder.long_documents": "truncate"}, "encoder.long_documents"),
        ({"encoder.document_length": 32, "encoder.chunk_overlap": 4}, "encoder"),
        ({"dataset.sample.docs": 20}, "'"),
    ],
)
def test_an_index_that_is_of_something_else_is_not_measured(place, served, tmp_path, setting, told):
    results = colbench.run(
        dataset=place / "beir",
        systems=["colbert"],
        index_dir=served.folder,
        output_dir=tmp_path / "given",
        **{**OPTIONS, **CHUNKS, **setting},
    )
    (system,) = results.systems
    assert system.status == "failed" and told in system.reason and "\n" not in system.reason


# Whole collections.


def compared(collection, tmp_path, **options):
    """Assert that both rank every query of a collection alike, by an index of either's making."""
    options = {**OPTIONS, "k": 100, "encoder.long_documents": "chunk", **options}
    own = colbench.run(
        dataset=collection, systems=["colbert"], output_dir=tmp_path / "own", **options
    )
    assert own["colbert"].status == "ok", own["colbert"].reason
    index = index_of(collection, tmp_path / "index", query_length=collection.query_length)
    queries = {query.id: query.text for query in collection.queries}
    same(searched(index, queries, 100), ranking_of(own))
    given = colbench.run(
        dataset=collection,
        systems=["colbert"],
        index_dir=index.folder,
        output_dir=tmp_path / "given",
        **options,
    )
    assert given["colbert"].effectiveness == own["colbert"].effectiveness
    assert (given.folder / "runs" / "colbert.trec").read_bytes() == (
        own.folder / "runs" / "colbert.trec"
    ).read_bytes()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_all_of_pydocs_is_ranked_alike(tmp_path):
    compared(colbench.load_collection("pydocs"), tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_all_of_scifact_is_ranked_alike(irds_home, tmp_path):
    compared(colbench.load_collection("beir/scifact"), tmp_path)
