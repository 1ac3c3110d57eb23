"""A run that is sliced, in Python and as a command, and what is refused before it begins."""

from __future__ import annotations

import json

import beir_folder
import pytest

import colbench
from colbench.errors import ConfigError
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
def command(fork_server, folder):
    def run(output, *words):
        return fork_server.run(
            *("run", "--quiet", "dataset=beir_dir", f"dataset.path={folder}"),
            *("systems=[bm25,bm25_okapi]", "measures=[ndcg@10,recall@5]", "latency.queries=1"),
            *(f"output_dir={output}", *words),
        )

    return run


def spotted(query, k):
    """Rank the documents that have a word of the query, as their ids have it."""
    found = [doc for doc, text in DOCUMENTS.items() if set(query.split()) & set(text.split())]
    return [(doc, -place) for place, doc in enumerate(found[:k])]


def first(query, k):
    return [(doc, -place) for place, doc in enumerate(list(DOCUMENTS)[:k])]


def test_a_run_reports_every_measure_by_group_of_queries(folder, tmp_path):
    how = {"dataset": folder, "systems": [first, spotted], "measures": ["ndcg@10", "recall@5"]}
    out = tmp_path / "out"
    wanted = ["length", "relevant", "metadata.language", "metadata.year"]
    results = colbench.run(**how, slices=wanted, output_dir=out)
    assert read_results(out) == results.record
    found = {one.by: {g.label: g.queries for g in one.groups} for one in results.slices}
    assert found["relevant"] == {"1 relevant": 3, "2–4 relevant": 1}
    assert found["metadata.language"] == {"en": 2, "de": 1, "(no value)": 1}
    assert found["metadata.year"] == {"2001": 1, "2002": 1, "(no value)": 2}
    assert found["length"] == {"1 word": 1, "2 words": 1, "3 words": 1, "6 words": 1}
    assert results.record.queries[0].metadata == {"language": "en", "year": 2001}
    for one in results.slices:
        for system in results.systems:
            for measure, mean in system.effectiveness.items():
                parts = [g.systems[system.name][measure].mean * g.queries for g in one.groups]
                assert sum(parts) / 4 == pytest.approx(mean)
    assert "By `metadata.language`" in (out / "report.md").read_text("utf-8")
    rows = results.to_frame(slices=True)
    assert len(rows) == (4 + 2 + 3 + 3) * 2 * 2
    assert rows.loc[("relevant", "1 relevant", "first", "ndcg@10"), "queries"] == 3

    assert (out / "slices.csv").is_file()
    (again,) = results.by("length").slices
    assert again.model_dump(exclude={"groups": {"__all__": {"systems"}}}) == results.slices[
        0
    ].model_dump(exclude={"groups": {"__all__": {"systems"}}})
    with pytest.raises(ConfigError, match=r"did you mean 'metadata\.language'"):
        results.by("metadata.langage")


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
def test_a_slice_that_queries_do_not_have_is_refused_in_one_line(command, tmp_path, slices, told):
    done = command(tmp_path / "out", f"slices={slices}")
    assert done.returncode == 2 and done.stderr.strip().endswith(told)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "results.json").exists()
