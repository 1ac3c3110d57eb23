"""Whole gates: what passes, what fails, and what is never passed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pairs import QUERIES, results_with

from colbench.digests import sha256_file
from colbench.errors import StorageError
from colbench.gate.baseline import accept
from colbench.gate.judge import judge
from colbench.gate.rules import GateRules, load_rules
from colbench.gate.sides import GatedSide
from colbench.results.schema import Calibration, IndexInfo
from colbench.run.model import Ranking, Run
from colbench.run.trec import write_trec

RULES = GateRules(measures={"ndcg@10": 0.005}, lost_queries=None)


@pytest.fixture
def plain(example_results):
    """Results of one approximate system, forty queries."""
    return results_with(example_results)


def side(results, path=Path("somewhere")):
    return GatedSide.of_results(path, results)


def change_system(results, **update):
    return results.model_copy(update={"systems": [results.systems[0].model_copy(update=update)]})


def with_values(results, values, **update):
    values = list(values)
    return change_system(
        results,
        per_query={"ndcg@10": values, "recall@100": values},
        effectiveness={"ndcg@10": sum(values) / len(values)},
        rankings=[f"{round(value * 1e9):012x}" for value in values],
        **update,
    )


def gate(candidate, baseline, rules=RULES):
    return judge(side(candidate), side(baseline), rules)


def verdict_of(candidate, baseline, rules=RULES):
    (found,) = gate(candidate, baseline, rules).verdicts
    return found


def test_the_same_results_pass_and_are_unchanged(plain):
    report = gate(plain, plain)
    assert (report.status, report.exit_code, report.unjudged) == ("pass", 0, [])
    (found,) = report.verdicts
    assert (found.verdict, found.judged_by, found.lower, found.higher) == (
        "unchanged",
        "test",
        0,
        0,
    )


def test_a_shown_drop_is_a_regression_with_its_worst_queries(plain, example_results):
    report = gate(results_with(example_results, -0.1), plain)
    (found,) = report.verdicts
    assert found.verdict == "regressed" and found.p_holm <= 0.05
    assert found.difference == pytest.approx(-0.1) and found.high < 0
    assert report.exit_code == 1
    (worst,) = report.worst
    assert len(worst.queries) == 5 and worst.queries[0].difference == pytest.approx(-0.1)
    assert worst.queries[0].text == "text 0"


def test_a_shown_drop_too_small_to_matter_is_unchanged(plain, example_results):
    found = verdict_of(results_with(example_results, -0.003), plain)
    assert found.verdict == "unchanged" and found.p_drop < 0.001


def test_a_shown_rise_is_an_improvement_and_passes(plain, example_results):
    report = gate(results_with(example_results, 0.1), plain)
    assert report.verdicts[0].verdict == "improved"
    assert "accept a new baseline" in report.verdicts[0].reason
    assert report.status == "pass"


def test_what_chance_explains_is_inconclusive_and_says_how_many_queries_would_decide(
    plain, example_results
):
    candidate = results_with(example_results, -0.4, only=1)
    found = verdict_of(candidate, plain)
    assert found.verdict == "inconclusive" and found.difference == pytest.approx(-0.01)
    assert found.more_queries > 0 and f"{found.more_queries:,}" in found.reason
    assert gate(candidate, plain).status == "pass"
    strict = RULES.model_copy(update={"inconclusive": "fail"})
    assert gate(candidate, plain, strict).exit_code == 1


def test_as_many_more_queries_as_promised_decide(plain):
    random = np.random.default_rng(3)
    before = 0.5 + 0.1 * random.random(QUERIES)
    noise = random.choice([-0.06, 0.03], QUERIES)
    found = verdict_of(with_values(plain, before + noise), with_values(plain, before))
    assert found.verdict == "inconclusive"
    times = 2 + (QUERIES + found.more_queries) // QUERIES
    ids = [
        query.model_copy(update={"id": f"q{n}"}) for n, query in enumerate(plain.queries * times)
    ]
    longer = [
        with_values(
            plain.model_copy(update={"queries": ids}),
            np.tile(values, times),
            first_relevant=[1] * len(ids),
        )
        for values in (before + noise, before)
    ]
    assert verdict_of(*longer).verdict in ("regressed", "unchanged")


def test_holm_counts_every_system_and_measure(plain):
    random = np.random.default_rng(0)
    before = random.random(QUERIES)
    after = before - 0.02 + random.normal(0, 0.05, QUERIES)
    first, second = with_values(plain, before), with_values(plain, after)
    alone = verdict_of(second, first)
    many = [
        r.model_copy(
            update={
                "systems": [
                    r.systems[0],
                    *(plain.systems[0].model_copy(update={"name": f"s{n}"}) for n in range(9)),
                ]
            }
        )
        for r in (first, second)
    ]
    crowd = next(v for v in gate(many[1], many[0]).verdicts if v.system == "colbert")
    assert crowd.p_drop == alone.p_drop
    assert crowd.p_holm == pytest.approx(min(10 * alone.p_drop, 1))


def test_another_collection_or_set_of_queries_cannot_be_judged(plain):
    other = plain.collection.model_copy(update={"fingerprint": "0" * 64})
    renamed = plain.collection.model_copy(update={"name": "another"})
    for changed, told in (
        (plain.model_copy(update={"collection": other}), "accept a new baseline"),
        (plain.model_copy(update={"collection": renamed}), "another"),
        (fewer(plain, QUERIES - 1), f"1 in the baseline alone (q{QUERIES - 1})"),
    ):
        report = gate(changed, plain)
        assert (report.status, report.exit_code, report.verdicts) == ("unjudged", 2, [])
        assert told in report.unjudged[0]


def test_a_missing_or_skipped_system_cannot_be_judged(plain):
    missing = change_system(plain, name="colbart")
    skipped = change_system(plain, status="skipped", reason="no weights")
    assert gate(missing, plain).exit_code == 2
    assert "did you mean 'colbart'" in gate(missing, plain).unjudged[0]
    assert "no weights" in gate(skipped, plain).unjudged[0]
    assert gate(skipped, plain).exit_code == 2


def test_a_system_skipped_on_both_sides_is_no_pass_unless_it_was_accepted_so(plain):
    skipped = plain.systems[0].model_copy(
        update={"name": "rerank", "status": "skipped", "reason": "no weights"}
    )
    both = plain.model_copy(update={"systems": [*plain.systems, skipped]})
    report = gate(both, both)
    assert report.exit_code == 2 and "rerank: skipped in both" in report.unjudged[0]
    accepted = GatedSide.of_baseline(Path("base.json"), accept(both))
    report = judge(side(both), accepted, RULES)
    assert report.exit_code == 0 and any("rerank was skipped here" in n for n in report.notes)
    named = RULES.model_copy(update={"systems": ["colbert"]})
    assert gate(both, both, named).exit_code == 0
    newly = judge(side(both), GatedSide.of_baseline(Path("base.json"), accept(plain)), RULES)
    assert newly.exit_code == 0 and any("rerank is new and was skipped" in n for n in newly.notes)


def test_what_the_rules_ask_for_and_nobody_measured_cannot_be_judged(plain):
    rules = GateRules(measures={"map": 0.005}, lost_queries=None)
    assert "map not measured in the baseline" in gate(plain, plain, rules).unjudged[0]
    named = RULES.model_copy(update={"systems": ["bm25"]})
    assert gate(plain, plain, named).exit_code == 2
    without = change_system(plain, per_query=None)
    assert gate(without, plain).exit_code == 2
    deeper = change_system(plain, depth=7)
    assert "documents per query" in gate(deeper, plain).unjudged[0]


def test_a_regression_outweighs_what_cannot_be_judged(plain, example_results):
    rules = GateRules(measures={"ndcg@10": 0.005, "map": 0.01}, lost_queries=None)
    assert gate(results_with(example_results, -0.1), plain, rules).exit_code == 1


def test_a_new_system_is_named_and_not_gated(plain):
    newer = plain.systems[0].model_copy(update={"name": "newer"})
    report = gate(plain.model_copy(update={"systems": [*plain.systems, newer]}), plain)
    assert report.status == "pass" and any("newer is new" in note for note in report.notes)


def test_the_order_of_queries_makes_no_difference(plain):
    values = np.linspace(0, 1, QUERIES)
    first = with_values(plain, values, first_relevant=list(range(1, QUERIES + 1)))
    turned = with_values(
        plain.model_copy(update={"queries": plain.queries[::-1]}),
        values[::-1],
        first_relevant=list(range(QUERIES, 0, -1)),
    )
    rules = load_rules("default")
    report = gate(turned, first, rules)
    assert report.status == "pass" and report.verdicts[0].lower == 0
    assert all(guard.passed for guard in report.guards)


def exact(results, **update):
    index = results.systems[0].index.model_copy(update={"vectors": 10, "bytes_per_vector": 8.0})
    return change_system(results, **{"config": {"kind": "bm25"}, "index": index, **update})


def test_an_exact_path_must_be_identical_and_names_the_first_query(plain):
    same = gate(exact(plain), exact(plain))
    assert same.verdicts[0].judged_by == "identity" and same.guards[0].passed
    values = [0.5 + 0.002 * n for n in range(QUERIES)]
    values[7] += 0.001
    changed = exact(with_values(plain, values))
    report = gate(changed, exact(plain))
    assert report.exit_code == 1 and report.verdicts[0].verdict == "improved"
    guard = report.guards[0]
    assert not guard.passed and guard.queries == ["q7"] and "text 7" in guard.finding
    assert "0.5140 → 0.5150" in guard.finding


def test_a_deterministic_system_that_ranks_differently_fails_though_no_measure_sees_it(plain):
    rankings = [*plain.systems[0].rankings]
    rankings[3] = "0" * 12
    index = {"index": plain.systems[0].index.model_copy(update={"vectors": 0})}
    report = gate(exact(plain, rankings=rankings, **index), exact(plain, **index))
    assert report.exit_code == 1 and report.verdicts[0].verdict == "unchanged"
    assert report.guards[0].queries == ["q3"] and "no measure sees it" in report.guards[0].finding


def test_a_deterministic_system_with_vectors_is_held_to_what_measures_see(plain):
    rankings = [*plain.systems[0].rankings]
    rankings[3] = "0" * 12
    report = gate(exact(plain, rankings=rankings), exact(plain))
    assert report.status == "pass" and "1 are ranked differently" in report.guards[0].finding


def test_an_exact_path_is_tested_where_settings_versions_or_machine_differ(plain):
    before = exact(plain)
    packages = {**plain.environment.packages, "bm25s": "0"}
    environments = [{"packages": packages}, {"threads": 99}, {"cpu": "another"}]
    for update in environments:
        environment = plain.environment.model_copy(update=update)
        report = gate(exact(plain).model_copy(update={"environment": environment}), before)
        assert report.verdicts[0].judged_by == "test" and "deterministic system" in report.notes[0]
    changed = gate(exact(plain, config={"kind": "bm25", "k1": 1.2}), before)
    assert changed.verdicts[0].judged_by == "test" and "settings" in changed.notes[0]


def test_a_lexical_index_is_exact_on_any_machine(plain):
    index = plain.systems[0].index
    lexical = IndexInfo(**{**index.model_dump(), "vectors": 0, "bytes_per_vector": None})
    before = exact(plain, index=lexical)
    environment = plain.environment.model_copy(update={"cpu": "another"})
    report = gate(before.model_copy(update={"environment": environment}), before)
    assert report.verdicts[0].judged_by == "identity"


def ranked(plain, lost):
    ranks = [None if n < lost else 1 for n in range(QUERIES)]
    return change_system(plain, first_relevant=ranks)


def test_no_more_queries_than_allowed_may_fall_out(plain):
    rules = GateRules(measures={"ndcg@10": 0.005}, lost_queries={"at_most": 2}, costs={})
    (guard,) = gate(ranked(plain, 2), plain, rules).guards
    assert guard.passed and guard.queries == ["q0", "q1"]
    report = gate(ranked(plain, 3), plain, rules)
    assert report.exit_code == 1 and report.guards[0].queries == ["q0", "q1", "q2"]
    share = GateRules(measures={"ndcg@10": 0.005}, lost_queries={"at_most": 0, "share": 0.1})
    assert gate(ranked(plain, 4), plain, share).guards[0].passed
    assert not gate(ranked(plain, 5), plain, share).guards[0].passed


def test_rank_eleven_does_not_answer(plain):
    rules = GateRules(measures={"ndcg@10": 0.005}, lost_queries={"at_most": 0, "share": 0.0})
    ranks = [11, *[10] * (QUERIES - 1)]
    (guard,) = gate(change_system(plain, first_relevant=ranks), plain, rules).guards
    assert guard.queries == ["q0"]


@pytest.fixture
def with_runs(plain, tmp_path):
    """Results whose run ranks d1 and d2 for query q0, in a folder."""
    run = Run("colbert", {"q0": Ranking.sort(["d1", "d2", "d3"], [3.0, 2.0, 1.0])})
    file = tmp_path / "runs" / "colbert.trec"
    write_trec(run, file)
    named = change_system(plain, run_file="runs/colbert.trec", run_sha256=sha256_file(file))
    return named, tmp_path


def must_find(**values):
    rule = {"name": "capital", "query": "q0", "documents": ["d1"], **values}
    return GateRules(measures={"ndcg@10": 0.005}, lost_queries=None, must_find=[rule])


@pytest.mark.parametrize(
    ("rule", "passed", "told"),
    [
        ({"documents": ["d2"], "within": 2}, True, "d2 at rank 2"),
        ({"documents": ["d3"], "within": 2}, False, "d3 at rank 3"),
        ({"documents": ["d1", "d9"]}, False, "d9 not retrieved"),
    ],
)
def test_critical_queries_must_find_their_documents(with_runs, rule, passed, told):
    results, folder = with_runs
    report = judge(side(results, folder), side(results, folder), must_find(**rule))
    (guard,) = report.guards
    assert guard.passed == passed and told in guard.finding
    assert report.exit_code == (0 if passed else 1)


def test_a_critical_query_that_cannot_be_looked_up_is_no_pass(with_runs, plain):
    results, folder = with_runs
    unknown = judge(side(results, folder), side(results, folder), must_find(query="nothing"))
    assert unknown.exit_code == 2 and "no query 'nothing'" in unknown.unjudged[0]
    assert gate(plain, plain, must_find()).exit_code == 2
    elsewhere = judge(side(results, folder), side(results), must_find(systems=["bm25"]))
    assert elsewhere.exit_code == 2 and "'bm25' was not gated" in elsewhere.unjudged[0]
    (folder / "runs" / "colbert.trec").write_text("q0 Q0 d1 1 9.0 colbert\n")
    damaged = judge(side(results, folder), side(results, folder), must_find())
    assert damaged.exit_code == 2 and "sha256 differs" in damaged.unjudged[0]


def test_an_exact_path_without_digests_of_its_rankings_is_no_pass(plain):
    report = gate(exact(plain, rankings=None), exact(plain))
    assert report.exit_code == 2 and "digests" in report.unjudged[0]


def test_a_release_of_ours_does_not_excuse_an_exact_path(plain):
    packages = {**plain.environment.packages, "colbench": "9.9"}
    environment = plain.environment.model_copy(update={"packages": packages})
    report = gate(exact(plain).model_copy(update={"environment": environment}), exact(plain))
    assert report.verdicts[0].judged_by == "identity"


def fewer(results, count):
    system = results.systems[0]
    return change_system(
        results,
        per_query={name: values[:count] for name, values in system.per_query.items()},
        first_relevant=system.first_relevant[:count],
        rankings=system.rankings[:count],
    ).model_copy(update={"queries": results.queries[:count]})


def test_too_few_queries_to_show_any_drop_are_no_pass(plain, example_results):
    for count, status in ((4, "unjudged"), (5, "regression")):
        worse = fewer(results_with(example_results, -0.4), count)
        report = gate(worse, fewer(plain, count))
        assert report.status == status
    assert "need at least 5" in gate(fewer(plain, 4), fewer(plain, 4)).unjudged[0]


def test_draws_suffice_for_any_level(plain, example_results):
    strict = GateRules(measures={"ndcg@10": 0.005}, alpha=1e-5, resamples=1000, lost_queries=None)
    assert gate(results_with(example_results, -0.4), plain, strict).exit_code == 1


def test_a_drop_that_is_shown_and_may_matter_is_said_to_be_open(plain):
    values = np.full(QUERIES, 0.5)
    lower = values.copy()
    lower[: QUERIES // 2] -= 0.009
    found = verdict_of(with_values(plain, lower), with_values(plain, values))
    assert found.verdict == "inconclusive" and "a drop is shown" in found.reason


def test_an_improvement_shows_the_p_value_of_a_rise(plain, example_results):
    found = verdict_of(results_with(example_results, 0.1), plain)
    assert found.p_rise_holm <= 0.05 < found.p_holm


def test_the_same_run_on_both_sides_is_told(plain):
    assert any("the same run" in note for note in gate(plain, plain).notes)


def test_lists_that_do_not_fit_the_queries_are_refused(plain):
    for update in ({"rankings": ["a"]}, {"first_relevant": [1]}):
        with pytest.raises(StorageError, match="run the experiment again"):
            side(change_system(plain, **update))
    with pytest.raises(StorageError, match="twice"):
        side(plain.model_copy(update={"queries": [plain.queries[0]] * QUERIES}))


def timed(plain, factor=1.0, gemm=10.0, **update):
    system = plain.systems[0]
    latency = system.latency_ms
    slower = latency.encode.model_copy(update={"p50": 20.0 * factor})
    search = latency.search.model_copy(update={"p50": 30.0 * factor})
    return change_system(
        plain,
        latency_ms=latency.model_copy(update={"encode": slower, "search": search}),
        calibration=Calibration(gemm_ms=gemm, scan_ms=gemm),
        other_cpu_share=0.0,
        **update,
    )


def costs_of(candidate, baseline, **rules):
    given = GateRules(measures={"ndcg@10": 0.005}, lost_queries=None, **rules)
    report = gate(candidate, baseline, given)
    return {cost.cost: cost for cost in report.costs}, report


def test_latency_counts_only_beside_the_machines_own_speed(plain):
    slow_machine, _ = costs_of(timed(plain, factor=3, gemm=30.0), timed(plain))
    assert slow_machine["search_latency"].verdict == "unchanged"
    assert slow_machine["search_latency"].ratio == pytest.approx(1)
    slower, report = costs_of(timed(plain, factor=2), timed(plain))
    assert slower["search_latency"].verdict == slower["encode_latency"].verdict == "regressed"
    assert report.exit_code == 1
    faster, report = costs_of(timed(plain, factor=0.5), timed(plain))
    assert faster["search_latency"].verdict == "improved" and report.exit_code == 0


def test_latency_is_not_judged_where_it_means_nothing(plain):
    before, slow = timed(plain), timed(plain, factor=5)
    busy = change_system(slow, other_cpu_share=0.4)
    threads, accelerator = (
        slow.model_copy(update={"environment": plain.environment.model_copy(update=update)})
        for update in ({"threads": 99}, {"accelerator": "a GPU"})
    )
    for candidate, told in ((busy, "40%"), (threads, "threads"), (accelerator, "accelerator")):
        found, report = costs_of(candidate, before)
        assert found["search_latency"].verdict == "inconclusive" and report.exit_code == 0
        assert told in found["search_latency"].reason
    tiny, _ = costs_of(timed(plain, factor=0.004), timed(plain, factor=0.001))
    assert tiny["search_latency"].verdict == "inconclusive"


def test_a_cost_that_the_candidate_lacks_is_no_pass(plain):
    for update in ({"calibration": None}, {"latency_ms": None}):
        _, report = costs_of(change_system(timed(plain), **update), timed(plain))
        assert report.exit_code == 2 and "search_latency was measured" in report.unjudged[1]
    _, report = costs_of(change_system(plain, peak_rss_bytes=None), plain)
    assert report.exit_code == 2
    found, report = costs_of(sized(plain, 5), sized(plain, 0))
    assert found["index_bytes"].verdict == "regressed"


def sized(plain, count, **update):
    index = plain.systems[0].index.model_copy(update={"bytes": count, "vectors": 10})
    return change_system(plain, index=index, **update)


def test_a_byte_more_is_a_regression_on_the_same_machine_and_rounding_elsewhere(plain):
    before, after = sized(plain, 100_000), sized(plain, 100_001)
    found, report = costs_of(after, before)
    assert found["index_bytes"].verdict == "regressed" and report.exit_code == 1
    environment = plain.environment.model_copy(update={"cpu": "another"})
    found, _ = costs_of(after.model_copy(update={"environment": environment}), before)
    assert found["index_bytes"].verdict == "unchanged"
    smaller, report = costs_of(sized(plain, 99_999), before)
    assert smaller["index_bytes"].verdict == "improved" and report.exit_code == 0


def test_memory_may_grow_by_what_the_rules_say(plain):
    before = change_system(plain, peak_rss_bytes=100)
    for now, said in ((125, "unchanged"), (126, "regressed"), (79, "improved")):
        found, _ = costs_of(change_system(plain, peak_rss_bytes=now), before)
        assert found["peak_rss_bytes"].verdict == said
    off = {"costs": {"peak_rss_bytes": None}}
    found, _ = costs_of(change_system(plain, peak_rss_bytes=900), before, **off)
    assert "peak_rss_bytes" not in found


def test_what_changed_in_configuration_and_environment_is_told(plain):
    environment = plain.environment.model_copy(update={"python": "4.0"})
    changed = change_system(plain, config={"kind": "colbert", "nbits": 1}).model_copy(
        update={"environment": environment, "config": {"seed": 7}}
    )
    report = gate(changed, plain)
    assert ("python", "4.0") in [(change.key, change.b) for change in report.environment]
    assert "seed" in [change.key for change in report.config]
    assert [change.key for change in report.systems[0].changes] == ["nbits"]
