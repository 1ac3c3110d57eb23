"""Latency end to end in units of fixed work, bytes of a vector net of what is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pairs import results_with

from colbench.gate.baseline import accept, read_baseline, write_baseline
from colbench.gate.findings import cost_summary
from colbench.gate.judge import judge
from colbench.gate.report import gate_document
from colbench.gate.rules import GateRules, load_rules
from colbench.gate.sides import GatedSide
from colbench.measures.latency import Distribution, Latency
from colbench.report.markdown import render_markdown
from colbench.results.schema import Calibration, IndexInfo


@pytest.fixture
def plain(example_results):
    """Results of one approximate system."""
    return results_with(example_results)


def changed(results, **update):
    return results.model_copy(update={"systems": [results.systems[0].model_copy(update=update)]})


def timed(results, encode=(10.0,) * 20, search=(1.0,) * 20, gemm=10.0, scan=5.0, **update):
    """The results with these times of each query, timed beside this machine."""
    nanoseconds = [(round(e * 1e6), round(s * 1e6)) for e, s in zip(encode, search, strict=True)]
    latency = Latency(
        encode=Distribution.of([e for e, _ in nanoseconds]),
        search=Distribution.of([s for _, s in nanoseconds]),
        total=Distribution.of([e + s for e, s in nanoseconds]),
        queries=len(nanoseconds),
        trials=3,
    )
    work = Calibration(gemm_ms=gemm, scan_ms=scan)
    return changed(results, latency_ms=latency, calibration=work, other_cpu_share=0.0, **update)


def sides(candidate, baseline):
    return GatedSide.of_results(Path("new"), candidate), GatedSide.of_results(Path("old"), baseline)


def gate(candidate, baseline, **rules):
    given = GateRules(measures={"ndcg@10": 0.005}, lost_queries=None, **rules)
    report = judge(*sides(candidate, baseline), given)
    return {cost.cost: cost for cost in report.costs}, report


def test_a_query_is_judged_from_its_text_to_its_documents(plain):
    before = timed(plain)
    # The search alone takes four times as long, and a user waits hardly longer.
    found, report = gate(timed(plain, search=(4.0,) * 20), before)
    assert report.exit_code == 0 and "search_latency" not in found
    assert found["latency_p50"].verdict == "unchanged"
    assert found["latency_p50"].ratio == pytest.approx(14 / 11)
    found, report = gate(timed(plain, encode=(17.0,) * 20), before)
    assert found["latency_p50"].verdict == "regressed" and report.exit_code == 1


def test_the_95th_percentile_is_judged_too(plain):
    slow_tail = (10.0,) * 17 + (60.0,) * 3
    found, _ = gate(timed(plain, encode=slow_tail), timed(plain))
    assert found["latency_p50"].verdict == "unchanged"
    assert found["latency_p95"].verdict == "regressed"


def test_percentiles_of_sums_are_judged_and_not_sums_of_percentiles(plain):
    ms = (1.0,) * 10 + (30.0,) * 10
    found, _ = gate(timed(plain, ms, ms[::-1]), timed(plain, (15.5,) * 20, (15.5,) * 20))
    assert found["latency_p95"].ratio == pytest.approx(1)


@pytest.mark.parametrize(("gemm", "scan"), [(2.0, 1.0), (1.0, 3.0), (0.25, 4.0)])
def test_a_slower_machine_is_no_regression_whatever_of_it_is_slower(plain, gemm, scan):
    before = timed(plain, (10.0,) * 20, (6.0,) * 20)
    after = timed(plain, (10.0 * gemm,) * 20, (6.0 * scan,) * 20, gemm=10.0 * gemm, scan=5.0 * scan)
    found, report = gate(after, before)
    assert found["latency_p50"].ratio == pytest.approx(1)
    assert found["latency_p95"].ratio == pytest.approx(1) and report.exit_code == 0


def without_sum(results):
    latency = results.systems[0].latency_ms.model_copy(update={"total": None})
    return changed(results, latency_ms=latency)


def test_a_baseline_without_the_sum_is_judged_by_its_parts_and_the_report_says_so(plain):
    before = without_sum(timed(plain))
    found, report = gate(timed(plain, search=(4.0,) * 20), before)
    assert {"encode_latency", "search_latency"} <= found.keys() and "latency_p50" not in found
    assert found["search_latency"].verdict == "regressed"
    assert found["search_latency"].allowed == 1.5
    (note,) = [note for note in report.notes if "end to end" in note]
    assert note.endswith("encoding and search are judged apart: accept a new baseline")
    found, _ = gate(timed(plain), before, costs={"latency_p50": None})
    assert "search_latency" not in found


def test_a_candidate_without_the_sum_is_not_judged(plain):
    found, report = gate(without_sum(timed(plain)), timed(plain))
    assert report.exit_code == 2 and "latency_p50" not in found
    assert "latency_p50 was measured in the baseline and not in the candidate" in report.unjudged[0]


def test_a_baseline_file_keeps_the_sum(plain, tmp_path):
    baseline = accept(timed(plain))
    write_baseline(baseline, tmp_path / "baseline.json")
    kept = read_baseline(tmp_path / "baseline.json").results.systems[0].latency_ms
    assert kept.end_to_end == timed(plain).systems[0].latency_ms.total
    assert kept.encode_ms is None


def test_a_baseline_made_of_earlier_results_has_the_sum_of_each_query(plain, tmp_path):
    results = without_sum(timed(plain))
    latency = results.systems[0].latency_ms
    lists = {"encode_ms": [9.0, 1.0], "search_ms": [1.0, 5.0]}
    write_baseline(
        accept(changed(results, latency_ms=latency.model_copy(update=lists))),
        tmp_path / "baseline.json",
    )
    kept = read_baseline(tmp_path / "baseline.json").results.systems[0].latency_ms
    assert (kept.end_to_end.mean, kept.encode_ms) == (8.0, None)


def indexed(results, vectors, own, others, fixed=True):
    """An index whose vectors take `own` bytes each and whose other bytes are `others`."""
    size = vectors * own + others
    index = IndexInfo(
        vectors=vectors,
        dims=8,
        bytes=size,
        bytes_per_doc=1.0,
        bytes_per_vector=size / vectors,
        files={"x": size},
        fixed_bytes=others if fixed else None,
    )
    return changed(results, index=index)


def test_an_index_that_shrinks_does_not_fail_for_what_is_fixed(plain):
    large, small = indexed(plain, 1000, 36, 2000), indexed(plain, 300, 36, 1500)
    found, report = gate(small, large)
    assert found["index_bytes"].verdict == "improved"
    assert found["bytes_per_vector"].verdict == "unchanged" and report.exit_code == 0
    assert (found["bytes_per_vector"].baseline, found["bytes_per_vector"].candidate) == (36, 36)
    found, _ = gate(indexed(plain, 300, 37, 100), large)
    assert found["bytes_per_vector"].verdict == "regressed"


def test_where_a_side_does_not_know_what_is_fixed_all_bytes_count(plain):
    large, small = indexed(plain, 1000, 36, 2000, fixed=False), indexed(plain, 1000, 36, 2000)
    for candidate, baseline in ((large, small), (small, large)):
        found, _ = gate(candidate, baseline)
        assert found["bytes_per_vector"].baseline == 38
        assert found["bytes_per_vector"].verdict == "unchanged"


def test_limits_are_printed_with_the_digits_that_they_have(plain):
    rules = load_rules("default").model_dump()
    rules |= {"measures": {"ndcg@10": 0.0005}, "alpha": 0.0005}
    rules["costs"] |= {"index_bytes": 0.0005, "peak_rss_bytes": 0.123456}
    larger = indexed(plain, 1000, 36, 2000).systems[0].index
    larger = larger.model_copy(update={"bytes": larger.bytes + 20})
    pair = sides(changed(plain, index=larger), indexed(plain, 1000, 36, 2000))
    report = judge(*pair, GateRules.model_validate(rules))
    (index,) = [cost for cost in report.costs if cost.cost == "index_bytes"]
    assert index.verdict == "regressed"
    assert cost_summary(index).endswith("(+0.0526%, at most +0.05%)")
    page = render_markdown(gate_document(report))
    assert "a drop matters from (points): ndcg@10 0.05;" in page
    assert "alpha 0.0005, Holm" in page and "index 0.05%" in page and "12.3456%" in page
    assert "each at 99.95%" in page
