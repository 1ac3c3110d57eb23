"""The tidy table: one row per system, every parameter, measure and cost a column."""

from __future__ import annotations

import csv
import io
import json

import pytest

from colbench.errors import StorageError
from colbench.report.csv import csv_text, write_csv
from colbench.report.table import Table
from colbench.report.tidy import tidy, together
from colbench.results.schema import Fidelity, SweepInfo


def tidy_rows(results):
    return tidy(results).records()


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def sweep_results(example_results):
    """A reference and two points, one of them with a setting that is null."""
    reference, system, _ = example_results.systems
    fidelity = Fidelity(reference="bm25", rbo=0.9, intersection={"10": 0.8, "100": 0.7})
    points = {
        "nbits=2, threshold=null": {"index.nbits": 2, "threshold": None, "depth": [1, 2]},
        "nbits=4, threshold=0.5": {"index.nbits": 4, "threshold": 0.5, "depth": [3]},
    }
    systems = [
        system.model_copy(update={"name": name, "fidelity": fidelity, "depth": 100})
        for name in points
    ]
    sweep = SweepInfo(
        system="colbert",
        axes={"index.nbits": [2, 4], "threshold": [None, 0.5], "depth": [[1, 2], [3]]},
        variants=points,
        references=["bm25"],
        measure="ndcg@10",
        front_latency=list(points)[:1],
        front_bytes=[],
        advice=[],
    )
    update = {"systems": [reference, *systems], "sweep": sweep}
    return example_results.model_copy(update=update)


def test_there_is_a_row_for_every_system_and_all_have_the_same_columns(example_results):
    rows = tidy_rows(example_results)
    assert [row["system"] for row in rows] == ["bm25", "colbert_exact", "bm25_cross_encoder"]
    assert [row["status"] for row in rows] == ["ok", "ok", "skipped"]
    assert len({tuple(row) for row in rows}) == 1
    assert all(len(set(row)) == len(row) for row in rows)


def test_every_measure_and_cost_is_there_unrounded(example_results):
    latency = example_results.systems[1].latency_ms
    latency = latency.model_copy(
        update={"search": latency.search.model_copy(update={"p50": 1.23456789})}
    )
    system = example_results.systems[1].model_copy(
        update={"latency_ms": latency, "encode_docs_per_second": 12.5, "other_cpu_share": 0.25}
    )
    (row,) = tidy_rows(example_results.model_copy(update={"systems": [system]}))
    assert row["ndcg@10"] == 0.7072 and row["mrr@10"] == 0.67
    assert (row["ndcg@10_difference"], row["ndcg@10_p_holm"]) == (0.0572, 0.002)
    assert row["search_p50_ms"] == 1.23456789
    assert (row["encode_p95_ms"], row["search_p99_ms"], row["search_mean_ms"]) == (2, 3, 1.2)
    assert (row["throughput_qps"], row["build_seconds"]) == (900, 0.5)
    assert (row["index_bytes"], row["bytes_per_doc"], row["bytes_per_vector"]) == (80, 8, None)
    assert (row["peak_rss_bytes"], row["depth"]) == (300_000_000, 10)
    assert (row["encode_docs_per_second"], row["other_cpu_share"]) == (12.5, 0.25)
    assert (row["collection"], row["experiment"]) == ("made/up", "example")


def test_a_sweep_has_a_column_for_each_parameter_before_the_values(sweep_results):
    reference, first, second = tidy_rows(sweep_results)
    assert list(first)[3:9] == [
        "status",
        "is_variant",
        "index.nbits",
        "threshold",
        "colbert.depth",
        "ndcg@10",
    ]
    assert [row["is_variant"] for row in (reference, first, second)] == [False, True, True]
    assert [row["index.nbits"] for row in (reference, first, second)] == [None, 2, 4]
    assert (first["threshold"], second["threshold"]) == (None, 0.5)
    # A parameter that has the name of a cost leaves that as it is.
    assert (first["colbert.depth"], first["depth"]) == ([1, 2], 100)


def test_a_sweep_has_marks_of_fronts_and_the_overlap_with_exact_search(sweep_results):
    reference, first, second = tidy_rows(sweep_results)
    assert [row["front_latency"] for row in (reference, first, second)] == [False, True, False]
    assert [row["front_bytes"] for row in (reference, first, second)] == [False, False, False]
    assert (first["reference"], first["rbo"], first["intersection@100"]) == ("bm25", 0.9, 0.7)
    assert reference["rbo"] is None


def test_results_that_are_no_sweep_have_no_columns_of_one(example_results):
    assert not {"is_variant", "front_latency", "front_bytes"} & tidy_rows(example_results)[0].keys()


def test_rows_are_json(sweep_results):
    rows = tidy_rows(sweep_results)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_csv_holds_every_value_and_quotes_what_needs_it(sweep_results):
    rows = tidy_rows(sweep_results)
    found = read(csv_text(tidy(sweep_results)))
    assert [list(row) for row in found] == [list(row) for row in rows]
    for row, cells in zip(rows, found, strict=True):
        for column, value in row.items():
            cell = cells[column]
            if value is None:
                assert cell == ""
            elif isinstance(value, str):
                assert cell == value
            else:
                assert json.loads(cell) == value


def test_a_name_with_commas_quotes_and_line_breaks_survives(example_results):
    name = 'a, "b"\n;c'
    systems = [system.model_copy(update={"name": name}) for system in example_results.systems]
    table = tidy(example_results.model_copy(update={"systems": systems}))
    assert {row["system"] for row in read(csv_text(table))} == {name}


def test_several_runs_have_a_column_that_names_them(example_results, sweep_results):
    runs = {"one": example_results, "two": sweep_results}
    rows = together([tidy(results, run=name) for name, results in runs.items()]).records()
    assert [row["run"] for row in rows] == ["one"] * 3 + ["two"] * 3
    assert len({tuple(row) for row in rows}) == 1
    assert next(iter(rows[0])) == "run"
    assert rows[0]["index.nbits"] is None and rows[4]["index.nbits"] == 2


def test_the_file_holds_the_same_text(example_results, tmp_path):
    table = tidy(example_results)
    write_csv(table, tmp_path / "new" / "table.csv")
    assert (tmp_path / "new" / "table.csv").read_text(encoding="utf-8") == csv_text(table)


def test_no_rows_are_no_table(tmp_path):
    empty = Table("", [], [])
    assert csv_text(empty).strip() == ""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write"):
        write_csv(empty, tmp_path / "file" / "table.csv")
