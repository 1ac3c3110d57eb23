"""A run over documents longer than the model reads, with the real embedded model."""

import json

import beir_folder
import numpy as np
import pytest

from colbench.cli.main import main
from colbench.config.compose import compose_run
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.errors import ConfigError
from colbench.explain.compute import Question, explain
from colbench.results.store import read_results
from colbench.run.trec import read_trec

FILLER = "Bread is baked from flour, water and yeast, and the bakery sells it in the morning. "
DOCUMENTS = {
    "late": FILLER * 3 + "The moon pulls the sea and makes the tides.",
    "early": "The capital of France is Paris, a city of two million. " + FILLER * 2,
    "bread": FILLER * 4,
    "short": "Berlin is the capital of Germany.",
    "word": "tides" * 19,
    "empty": "",
}
QUERIES = {"q1": "What is the capital of France?", "q2": "why does the sea rise and fall"}
QRELS = [("q1", "early", 1), ("q2", "late", 2)]
CHUNKED = [
    *("encoder.long_documents=chunk", "encoder.document_length=16", "encoder.chunk_overlap=4"),
    *("encoder.precision=fp32", "latency.trials=3"),
]
SYSTEMS = {
    "bi_encoder": Form.DENSE,
    "colbert_exact": Form.TOKENS,
    "colbert_exhaustive": Form.TOKENS,
}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "mine"
    beir_folder.write_folder(folder, DOCUMENTS, QUERIES, QRELS)
    cache = tmp_path_factory.mktemp("cache")
    return ["dataset=beir_dir", f"dataset.path={folder}", f"cache_dir={cache}", *CHUNKED]


@pytest.fixture(scope="module")
def finished(fork_server, words, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    systems = f"systems=[{','.join(SYSTEMS)}]"
    arguments = [*words, systems, "index=fp16", "reference=bi_encoder", f"output_dir={output}"]
    done = fork_server.run("run", "--quiet", *arguments)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def encoders(words):
    settings = compose_run(words).encoder
    return {form: load_encoder(settings, form) for form in Form}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_document_has_the_score_of_its_best_chunk(finished, encoders, name):
    encoder = encoders[SYSTEMS[name]]
    run = read_trec(finished / "runs" / f"{name}.trec")
    split = dict(zip(DOCUMENTS, encoder.split(list(DOCUMENTS.values())), strict=True))
    assert sum(len(chunks) > 2 for chunks in split.values()) == 4
    for query, text in QUERIES.items():
        (left,) = encoder.encode_queries([text])
        expected = {
            doc: max((left @ m.T).max(axis=1).sum() for m in encoder.encode_documents(chunks))
            for doc, chunks in split.items()
        }
        found = dict(run.rankings[query])
        assert set(found) == set(DOCUMENTS)
        for doc, score in found.items():
            assert score == pytest.approx(expected[doc], abs=2e-2 if "exhaustive" in name else 2e-3)
    assert next(doc for doc, _ in run.rankings["q2"]) == "late"


def test_nothing_is_cut_off_and_chunks_are_counted(finished, encoders):
    chunks = sum(map(len, encoders[Form.TOKENS].split(list(DOCUMENTS.values()))))
    for system in read_results(finished).systems:
        (encoding,) = system.encodings
        assert (encoding.chunks, encoding.truncated_docs) == (chunks, 0)
        assert system.index.bytes_per_doc == system.index.bytes / len(DOCUMENTS)


def test_the_best_chunk_is_explained_with_exact_searchs_score(finished, words, capsys, tmp_path):
    scores = dict(read_trec(finished / "runs" / "colbert_exact.trec").rankings["q2"])
    shown = explain(compose_run(words), Question(None, "q2", ("late",))).documents[0]
    assert shown.alignment.score == pytest.approx(scores["late"], abs=1e-5)
    number, count = shown.chunk
    assert 1 < number <= count and shown.part == f"chunk {number} of {count}"
    assert "tides" in shown.alignment.document_tokens
    best = explain(compose_run(words), Question(None, "q2")).documents
    assert [document.id for document in best] == list(scores)[:2]
    out = tmp_path / "out.json"
    asked = ["--query-id", "q2", "--doc", "late", "--doc", "short", "--json", str(out)]
    assert main(["explain", *words, "--quiet", *asked]) == 0
    assert f"{shown.part}, " in capsys.readouterr().out
    written = json.loads(out.read_text(encoding="utf-8"))["documents"]
    assert {d["id"]: d["chunk"] for d in written} == {"late": [number, count], "short": None}
    assert np.shape(written[0]["similarities"])[1] == len(written[0]["tokens"])


def test_too_much_overlap_is_one_line(words, tmp_path):
    settings = compose_run([*words, "encoder.chunk_overlap=7"])
    with pytest.raises(ConfigError, match=r"chunk_overlap=7 .* document_length=16"):
        explain(settings, Question("bread", None, ("bread",)))
