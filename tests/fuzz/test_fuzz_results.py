"""Results, baselines and values of single queries: what was written is read, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import strategies as st
from mangling import ANY_TEXT, altered, either, json_bytes, raw
from trying import answer, fuzz

from colbench.digests import json_digest
from colbench.errors import StorageError
from colbench.gate.baseline import accept, is_baseline, read_baseline, write_baseline
from colbench.results.schema import QueryInfo
from colbench.results.store import per_query_values, read_results, write_results

RESULTS, BASELINE, PER_QUERY = "results.json", "baseline of a gate", "values of single queries"


def resealed(content):
    """Return the bytes of an object under a checksum that fits it, where it can have one."""
    if isinstance(content, dict):
        rest = {key: value for key, value in content.items() if key != "sha256"}
        try:
            content = {"sha256": json_digest(rest), **rest}
        except (ValueError, RecursionError):
            content = {"sha256": "0" * 64, **rest}
    return json_bytes(content)


def parsed(path):
    return json.loads(path.read_bytes())


@pytest.fixture
def accepted(example_results):
    """Results that a reference can be made of."""
    queries = [QueryInfo(id=name, text="a text", relevant=1) for name in ("q1", "q2", "q3")]
    single = {
        "per_query": {"ndcg@10": [0.5, 1.0, 0.25], "mrr@10": [0.5, 1.0, 0.0]},
        "first_relevant": [2, 1, None],
        "rankings": ["0" * 12, "1" * 12, "f" * 12],
    }
    systems = [
        system.model_copy(update=single) if system.status == "ok" else system
        for system in example_results.systems
    ]
    return example_results.model_copy(update={"queries": queries, "systems": systems})


@fuzz(RESULTS, data=st.data())
def test_damaged_results_are_refused(example_results, tmp_path, data):
    path = write_results(example_results, tmp_path)
    path.write_bytes(data.draw(raw(st.just(path.read_bytes()))))
    found = answer(RESULTS, lambda: read_results(path), path)
    assert found is None or found == example_results


@fuzz(RESULTS, data=st.data())
def test_results_with_wrong_values_are_refused_or_survive_the_disk(accepted, tmp_path, data):
    path = write_results(accepted, tmp_path)
    path.write_bytes(resealed(data.draw(altered(parsed(path)))))
    found = answer(RESULTS, lambda: read_results(tmp_path), path)
    if found is not None:
        write_results(found, tmp_path)
        assert read_results(tmp_path) == found


@fuzz(RESULTS, name=ANY_TEXT | st.sampled_from(["x" * 300, "a\0b", "\ud800", ""]))
def test_results_that_are_not_there_are_refused(tmp_path, name):
    answer(RESULTS, lambda: read_results(tmp_path / "none" / name))


@fuzz(BASELINE, data=st.data())
def test_a_damaged_baseline_is_refused(accepted, tmp_path, data):
    path = tmp_path / "baseline.json"
    write_baseline(accept(accepted), path)
    whole = read_baseline(path)
    path.write_bytes(data.draw(raw(st.just(path.read_bytes()))))
    found = answer(BASELINE, lambda: read_baseline(path), path)
    assert found is None or found == whole
    assert is_baseline(path) or found is None


@fuzz(BASELINE, data=st.data())
def test_a_baseline_with_wrong_values_is_refused_or_survives_the_disk(accepted, tmp_path, data):
    path = tmp_path / "baseline.json"
    write_baseline(accept(accepted, reason="why"), path)
    path.write_bytes(resealed(data.draw(altered(parsed(path)))))
    found = answer(BASELINE, lambda: read_baseline(path), path)
    if found is not None:
        write_baseline(found, path)
        assert read_baseline(path) == found


VALUES = {"ndcg@10": {"q1": 0.5, "q2": 1.0}, "mrr@10": {"q1": 0, "q2": 1.0}}


@fuzz(
    PER_QUERY,
    content=either(raw(st.just(json_bytes(VALUES))), altered(VALUES).map(json_bytes)),
)
def test_values_of_queries_are_numbers_or_refused(example_results, tmp_path, content):
    file = tmp_path / "bm25.json"
    file.write_bytes(content)
    system = example_results.systems[0].model_copy(update={"per_query_file": file.name})
    found = answer(
        PER_QUERY, lambda: per_query_values(example_results, system, tmp_path) or {}, file
    )
    for values in (found or {}).values():
        assert all(type(value) is float and abs(value) < float("inf") for value in values.values())


def test_what_fuzzing_found_in_values_of_queries(example_results, tmp_path):
    (tmp_path / "bm25.json").write_text('{"ndcg@10": {"q1": NaN}}')
    system = example_results.systems[0].model_copy(update={"per_query_file": "bm25.json"})
    with pytest.raises(StorageError, match=r"bm25\.json does not hold values"):
        per_query_values(example_results, system, tmp_path)
