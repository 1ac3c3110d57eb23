"""A run that is sliced, as a user starts it, and what is refused before it begins."""

from __future__ import annotations

import json

import beir_folder
import pytest

from colbench.results.store import read_results

DOCUMENTS = {f"d{n}": f"document {n} about topic{n % 3} and thing{n}" for n in range(12)}
QUERIES = {
    "q0": ("thing0", {"language": "en", "year": 2001}),
    "q1": ("topic1 thing4", {"language": "de", "year": 2002}),
    "q2": ("what is said about topic2 here", {"language": "en"}),
    "q3": ("thing3 and topic0", {}),
}
JUDGED = [("q0", "d0", 1), ("q1", "d4", 1), ("q1", "d1", 1), ("q2", "d2", 2), ("q3", "d3", 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("data") / "mine"
    beir_folder.write_folder(made, DOCUMENTS, {}, JUDGED)
    lines = [json.dumps({"_id": q, "text": t, "metadata": m}) for q, (t, m) in QUERIES.items()]
    (made / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def colbench(fork_server, folder):
    def run(output, *words):
        return fork_server.run(
            *("run", "--quiet", "dataset=beir_dir", f"dataset.path={folder}"),
            *("systems=[bm25,bm25_okapi]", "measures=[ndcg@10,recall@5]", "latency.queries=1"),
            *(f"output_dir={output}", *words),
        )

    return run


def test_a_run_reports_every_measure_by_group_of_queries(colbench, tmp_path):
    wanted = "slices=[length,relevant,metadata.language,metadata.year]"
    done = colbench(tmp_path / "out", wanted)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out")
    found = {one.by: {g.label: g.queries for g in one.groups} for one in results.slices}
    assert found["relevant"] == {"1 relevant": 3, "2–4 relevant": 1}
    assert found["metadata.language"] == {"en": 2, "de": 1, "(no value)": 1}
    assert found["metadata.year"] == {"2001": 1, "2002": 1, "(no value)": 2}
    assert found["length"] == {"1 word": 1, "2 words": 1, "3 words": 1, "6 words": 1}
    assert results.queries[0].metadata == {"language": "en", "year": 2001}
    for one in results.slices:
        for system in results.systems:
            for measure, mean in system.effectiveness.items():
                parts = [g.systems[system.name][measure].mean * g.queries for g in one.groups]
                assert sum(parts) / 4 == pytest.approx(mean)
    assert "By `metadata.language`" in (tmp_path / "out" / "report.md").read_text("utf-8")
    assert (tmp_path / "out" / "slices.csv").is_file()

    # What was there before is replaced, and nothing of a run changes but its slices.
    again = colbench(tmp_path / "out")
    assert again.returncode == 0, again.stderr
    plain = read_results(tmp_path / "out")
    assert plain.slices == [] and plain.queries[0].metadata is None
    assert not (tmp_path / "out" / "slices.csv").exists()
    assert plain.collection.fingerprint == results.collection.fingerprint
    assert [s.run_sha256 for s in plain.systems] == [s.run_sha256 for s in results.systems]
    assert [s.significance for s in plain.systems] == [s.significance for s in results.systems]


@pytest.mark.parametrize(
    ("slices", "told"),
    [
        ("[lenght]", "slices: queries here have no 'lenght': did you mean 'length'?"),
        (
            "[metadata.langage]",
            "slices: queries here have no 'metadata.langage': did you mean 'metadata.language'?",
        ),
        ("[length,length]", "slices: 'length' is there twice"),
    ],
)
def test_a_slice_that_queries_do_not_have_is_refused_in_one_line(colbench, tmp_path, slices, told):
    done = colbench(tmp_path / "out", f"slices={slices}")
    assert done.returncode == 2 and done.stderr.strip().endswith(told)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "results.json").exists()
