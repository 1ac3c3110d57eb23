"""`dataset=vectors` as a user runs it: the rows of the texts, and rows without judgments."""

import json

import beir_folder
import numpy as np
import pytest

from colbench.results.store import read_results
from colbench.vectors import write_vectors

DOCUMENTS = {
    "paris/1": "Paris is the capital of France.",
    "berlin": "Berlin is the capital of Germany.",
    "cheese": "Cheese is made from milk all over France.",
    "long": "A very long text. " * 200,
    "tides": "The moon pulls the sea and makes the tides.",
}
QUERIES = {"q1": "What is the capital of France?", "q2": "why does the sea rise and fall"}
QRELS = [("q1", "paris/1", 1), ("q1", "berlin", 0), ("q2", "tides", 2)]
SYSTEMS = "systems=[colbert_exact,colbert,bm25_colbert]"


@pytest.fixture(scope="module")
def colbench(fork_server, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")

    def run(dataset, output, *overrides):
        return fork_server.run(
            *("run", "--quiet", *dataset, f"output_dir={output}", f"cache_dir={cache}"),
            *("latency.queries=2", "encoder.precision=fp32", *overrides),
        )

    run.cache = cache
    return run


@pytest.fixture(scope="module")
def both(colbench, fork_server, tmp_path_factory):
    """Results of the texts, and of the vectors that were written of them."""
    root = tmp_path_factory.mktemp("both")
    mine = beir_folder.write_folder(root / "mine", DOCUMENTS, QUERIES, QRELS)
    dataset = ["dataset=beir_dir", f"dataset.path={mine}"]
    done = colbench(dataset, root / "texts", SYSTEMS)
    assert done.returncode == 0, done.stderr
    done = fork_server.run(
        *("vectors", "write", str(root / "given"), *dataset),
        *(f"cache_dir={colbench.cache}", "encoder.precision=fp32"),
    )
    assert done.returncode == 0, done.stderr
    # Whatever the encoder says: it is not loaded.
    given = ["dataset=vectors", f"dataset.path={root / 'given'}"]
    done = colbench(given, root / "vectors", SYSTEMS, "encoder=custom", "encoder.model=./nowhere")
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.timeout(600)
def test_vectors_written_of_texts_give_the_rows_of_the_texts(both):
    texts, given = (read_results(both / name) for name in ("texts", "vectors"))
    assert [s.name for s in given.systems] == [s.name for s in texts.systems]
    for one, other in zip(texts.systems, given.systems, strict=True):
        assert one.status == other.status == "ok"
        assert (both / "texts" / one.run_file).read_bytes() == (
            both / "vectors" / other.run_file
        ).read_bytes()
        assert other.effectiveness == one.effectiveness
        assert other.per_query == one.per_query and other.rankings == one.rankings
        assert other.attribution == one.attribution
        # An index names what made its vectors, so its manifest is not the same.
        sizes = [
            {k: v for k, v in s.index.files.items() if "manifest" not in k} for s in (one, other)
        ]
        assert sizes[0] == sizes[1]


def test_rows_say_that_vectors_are_given(both):
    given = read_results(both / "vectors")
    exact = next(s for s in given.systems if s.name == "colbert_exact")
    (encoding,) = exact.encodings
    assert (encoding.encoder, encoding.precision, encoding.truncated_docs) == ("given", "fp16", 0)
    assert exact.encode_docs_per_second is None and exact.model_bytes == 0
    assert any(
        "no encoder is used, and no time is spent in one" in n for n in given.collection.notes
    )
    assert exact.fidelity.reference == "colbert_exact" and exact.fidelity.rbo == pytest.approx(1)
    reranked = next(s for s in given.systems if s.name == "bm25_colbert")
    assert 0 < reranked.fidelity.intersection["5"] < 1  # BM25 proposes what shares a word


def rows(generator, count, dims=32):
    values = generator.normal(size=(count, dims)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A made-up collection of pages of 40 vectors each; queries are vectors of their pages."""
    generator = np.random.default_rng(0)
    documents = {f"page-{n}": rows(generator, 40) for n in range(60)}
    queries = {
        f"q{n}": np.concatenate([documents[f"page-{n}"][:4], rows(generator, 2)]) for n in range(8)
    }
    return write_vectors(
        tmp_path_factory.mktemp("pages") / "pages", documents, queries, dtype="float32"
    )


@pytest.fixture(scope="module")
def unjudged(colbench, pages, tmp_path_factory):
    output = tmp_path_factory.mktemp("unjudged") / "out"
    systems = "systems=[bm25,bi_encoder,colbert_exact,colbert,colbert_exact_int8,bm25_colbert]"
    done = colbench(["dataset=vectors", f"dataset.path={pages}"], output, systems, "k=20")
    assert done.returncode == 0, done.stderr
    return done, output


@pytest.mark.timeout(600)
def test_without_judgments_overlap_and_costs_are_reported(unjudged):
    _, output = unjudged
    results = read_results(output)
    assert results.measures == [] and results.primary is None and results.collection.judgments == 0
    by_name = {system.name: system for system in results.systems}
    assert {n: s.status for n, s in by_name.items()} == {
        **dict.fromkeys(("bm25", "bi_encoder", "bm25_colbert"), "skipped"),
        **dict.fromkeys(("colbert_exact", "colbert", "colbert_exact_int8"), "ok"),
    }
    assert "its part bm25 searches texts" in by_name["bm25_colbert"].reason
    exact, colbert = by_name["colbert_exact"], by_name["colbert"]
    assert exact.effectiveness is None and exact.per_query == {} and exact.significance is None
    assert exact.first_relevant is None and exact.intervals is None
    # The reference scores what was given, in fp32; exact search stores fp16.
    assert exact.fidelity.reference == "exact MaxSim" and exact.fidelity.intersection["10"] > 0.95
    assert list(colbert.fidelity.intersection) == ["10", "20"] and 0 < colbert.fidelity.rbo < 1
    assert exact.index.bytes > 0 and exact.latency_ms.search.p50 > 0
    report = (output / "report.md").read_text(encoding="utf-8")
    assert "RBO" in report and "ndcg" not in report and "page-" not in report.split("##")[0]
    assert "there are no judgments" in report
    assert [query.text for query in results.queries[:2]] == ["q0", "q1"]
    shown = results.documents[exact.top[0][0]]
    assert shown.id == "page-0"


def test_the_reference_is_brute_force(unjudged, pages):
    from colbench.collection.load import load_collection
    from colbench.collection.settings import VectorsSettings

    collection = load_collection(VectorsSettings(path=pages))
    given = collection.given

    def matrices(vectors):
        return [
            rows
            for one in range(len(vectors.lengths))
            for _, _, rows in vectors.select([one]).blocks(1)
        ]

    documents, queries = matrices(given.documents), matrices(given.queries)
    scores = np.array([[(q @ d.T).max(axis=1).sum() for d in documents] for q in queries])
    results = read_results(unjudged[1])
    exact = next(s for s in results.systems if s.name == "colbert_exact")
    for number, query_scores in enumerate(scores):
        assert results.documents[exact.top[number][0]].id == f"page-{np.argmax(query_scores)}"


def test_compare_gate_and_report_do_without_measures(unjudged, fork_server, tmp_path):
    _, output = unjudged
    done = fork_server.run("compare", str(output), str(output))
    assert done.returncode == 0 and "index" in done.stdout, done.stderr
    baseline = tmp_path / "baseline.json"
    systems = ("--systems", "colbert_exact", "colbert")
    done = fork_server.run("baseline", "accept", str(output), *systems, "--output", str(baseline))
    assert done.returncode == 0, done.stderr
    gated = tmp_path / "gate.json"
    done = fork_server.run("gate", str(output), "--baseline", str(baseline), "--json", str(gated))
    report = json.loads(gated.read_text(encoding="utf-8"))
    assert report["status"] == "pass" and report["verdicts"] == [] and report["costs"]
    assert any("neither run has judgments" in note for note in report["notes"])
    for form in ("markdown", "html", "latex", "csv"):
        done = fork_server.run("report", str(output), "--format", form)
        assert done.returncode == 0 and "colbert_exact" in done.stdout.replace("\\_", "_"), form


@pytest.mark.timeout(600)
def test_a_sweep_without_judgments_is_about_overlap(colbench, pages, tmp_path):
    done = colbench(
        ["dataset=vectors", f"dataset.path={pages}"], tmp_path / "out",
        *("task=sweep", "systems=[colbert]", "+sweep.system=colbert", "k=20", "reference=colbert"),
        "+sweep.axes={index.nbits:[1,8],search.nprobe:[32]}",
        f"index_dir={tmp_path / 'indexes'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out")
    one, eight = (s for s in results.systems if s.name != "colbert")
    assert one.fidelity.rbo < eight.fidelity.rbo < 1.0000001
    assert one.fidelity.reference == "exact MaxSim"
    assert results.sweep.measure == "RBO" and results.sweep.advice == []
    assert eight.name in results.sweep.front_bytes


def test_what_is_wrong_is_told_before_any_work(colbench, tmp_path):
    generator = np.random.default_rng(1)
    made = write_vectors(tmp_path / "v", {"a": 2 * rows(generator, 3)}, {"q": rows(generator, 1)})
    dataset = ["dataset=vectors", f"dataset.path={made}"]
    done = colbench(dataset, tmp_path / "out", "systems=[colbert_exact]")
    assert done.returncode == 2 and "vector 1 of document 'a' has the length 2" in done.stderr
    assert not (tmp_path / "out" / "results.json").exists()
    done = colbench(dataset, tmp_path / "out", "systems=[bm25]", "strict=true",
                    "dataset.unnormalized=normalize")  # fmt: skip
    assert done.returncode == 2 and "bm25: it searches texts" in done.stderr


def test_tokens_cannot_be_skipped(colbench, pages, tmp_path):
    colbench(
        ["dataset=vectors", f"dataset.path={pages}"], tmp_path / "out",
        *("systems=[colbert]", "index.skip_tokens=punctuation"),
    )  # fmt: skip
    (row,) = read_results(tmp_path / "out").systems
    assert row.status == "failed" and "set index.skip_tokens=none" in row.reason


def test_queries_of_one_text_keep_their_own_vectors(colbench, tmp_path):
    generator = np.random.default_rng(2)
    documents = {name: rows(generator, 3) for name in "abc"}
    queries = {"1": documents["a"], "2": documents["b"]}
    made = write_vectors(
        tmp_path / "v", documents, queries, {"1": {"a": 1}, "2": {"b": 1}},
        document_texts=dict.fromkeys(documents, "a page"), query_texts=dict.fromkeys("12", "find"),
    )  # fmt: skip
    done = colbench(
        ["dataset=vectors", f"dataset.path={made}"], tmp_path / "out",
        *("systems=[colbert_exact,bm25]", "measures=[mrr@1]"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    exact, bm25 = read_results(tmp_path / "out").systems
    assert exact.effectiveness == {"mrr@1": 1.0} and bm25.status == "ok"


@pytest.mark.timeout(600)
def test_several_runs_without_judgments_are_one_report(fork_server, colbench, pages, tmp_path):
    done = fork_server.run(
        *("run", "-m", "--quiet", "dataset=vectors", f"dataset.path={pages}", "systems=[colbert]"),
        *("index.nbits=1,8", "latency.queries=2", "attribution=false", "k=10"),
        *(f"cache_dir={colbench.cache}", f"output_dir={tmp_path / 'out'}"),
    )
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out")
    one, eight = results.systems
    assert results.measures == [] and results.sweep.measure == "RBO"
    assert one.fidelity.rbo < eight.fidelity.rbo and eight.name in results.sweep.front_bytes


def test_nothing_is_trained_on_vectors(fork_server, pages, tmp_path):
    done = fork_server.run(
        "train", "dataset=vectors", f"dataset.path={pages}", f"output_dir={tmp_path / 'out'}"
    )
    assert done.returncode == 2 and "choose a collection of texts" in done.stderr


def test_the_command_checks_and_converts(fork_server, pages, tmp_path):
    done = fork_server.run("vectors", "check", str(pages))
    assert (
        done.returncode == 0
        and "documents: 60, 2,400 vectors of 32 dimensions, fp32" in done.stdout
    )
    done = fork_server.run("vectors", "write", str(tmp_path / "half"), "--from", str(pages))
    assert done.returncode == 0, done.stderr
    done = fork_server.run("vectors", "check", str(tmp_path / "half"))
    assert "fp16" in done.stdout and "there are no judgments" in done.stdout
    done = fork_server.run("vectors", "write", str(tmp_path / "half"), "--from", str(pages))
    assert done.returncode == 2 and "is there already" in done.stderr
    done = fork_server.run("vectors", "write", str(tmp_path / "none"))
    assert done.returncode == 2 and "say whose vectors" in done.stderr
    done = fork_server.run("vectors", "write", str(tmp_path / "x"), "--from", str(pages), "k=1")
    assert done.returncode == 2 and "leave 'k=1' out" in done.stderr
    words = ("dataset=vectors", f"dataset.path={pages}")
    done = fork_server.run("vectors", "write", str(tmp_path / "x"), *words)
    assert done.returncode == 2 and "gives vectors already" in done.stderr
