"""What a sweep advises: equivalence, what cannot be told, ties, times that were disturbed."""

from __future__ import annotations

import numpy as np
import pytest

from colbench.measures.significance import compare_to_reference
from colbench.results.schema import Distribution, IndexInfo, Latency, SystemResult
from colbench.sweep.advice import Advice

MEASURE = "ndcg@10"
RANDOM = np.random.default_rng(4)
BASE = RANDOM.random(200)
NOISE = RANDOM.normal(0, 0.01, 200)
NOISE -= NOISE.mean()


def system(name, values, ms, size, share=0.0):
    times = Distribution(p50=ms, p95=ms, p99=ms, mean=ms)
    none = Distribution(p50=0, p95=0, p99=0, mean=0)
    return SystemResult(
        name=name,
        status="ok",
        config={},
        effectiveness={MEASURE: float(np.mean(values))},
        per_query={MEASURE: list(values)},
        latency_ms=Latency(encode=none, search=times, total=times, queries=1, trials=3),
        other_cpu_share=share,
        index=IndexInfo(
            vectors=1, dims=1, bytes=size, bytes_per_doc=1.0, bytes_per_vector=1.0, files={}
        ),
    )


def advice(exact, variants, tolerance=0.005, parameters=None):
    values = {
        one.name: {MEASURE: dict(enumerate(one.per_query[MEASURE]))} for one in [exact, *variants]
    }
    tests = compare_to_reference(exact.name, values, [MEASURE])
    tested = [one.model_copy(update={"significance": tests[one.name]}) for one in variants]
    return Advice(tested, exact, MEASURE, tolerance, parameters).lines()


def test_it_names_the_smallest_and_fastest_that_surely_lose_nothing_and_the_best():
    exact = system("exact", BASE, 100.0, 1000)
    small, fast, best, bad = advice_variants()
    lines = advice(exact, [small, fast, best, bad])
    assert [line.split(":")[0] for line in lines] == [
        "smallest within 0.5 points of exact",
        "fastest within 0.5 points of exact",
        "highest ndcg@10",
    ]
    assert ": small: -0.1 points of ndcg@10 (-0.2 to +0.0), 10.0× smaller, 2.0× faster" in lines[0]
    assert ": fast: " in lines[1] and "2.0× smaller, 10.0× faster than exact" in lines[1]
    assert ": best: +1.0 points of ndcg@10 (+0.9 to +1.1; significant), 2.0× larger" in lines[2]


def advice_variants():
    return (
        system("small", BASE - 0.001 + NOISE, 50.0, 100),
        system("fast", BASE - 0.002 + NOISE, 10.0, 500),
        system("best", BASE + 0.01 + NOISE, 90.0, 2000),
        system("bad", BASE - 0.3, 1.0, 1),
    )


def test_a_mean_within_the_margin_is_nothing_where_the_interval_is_not():
    exact = system("exact", BASE[:15], 100.0, 1000)
    swings = np.resize([0.2, -0.2], 15)
    swings -= swings.mean()
    told = advice(exact, [system("open", BASE[:15] + swings, 50.0, 100)])
    assert told[0].startswith(
        "cannot be told with 15 queries whether any variant is within 0.5 points of exact: about "
    )
    assert told[0].endswith("more would tell it of open")
    assert "too few queries to tell" in told[1]


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_three_queries_tell_nothing_however_much_alike_they_are(shift):
    exact = system("exact", BASE[:3], 100.0, 1000)
    told = advice(exact, [system("same", BASE[:3] + shift, 50.0, 100)])
    assert told[0].startswith("cannot be told with 3 queries")


def test_it_says_where_nothing_is_good_enough():
    (told,) = advice(system("exact", BASE, 9.0, 9), [system("bad", BASE - 0.2 + NOISE, 1.0, 1)])
    assert told.startswith("no variant is within 0.5 points of exact; the best: bad: -20.0 points")


def test_it_says_of_how_many_smaller_variants_it_cannot_be_told():
    exact = system("exact", BASE, 100.0, 1000)
    swings = np.resize([0.3, -0.3], 200)
    open_ = system("open", BASE + swings, 50.0, 10)
    told = advice(exact, [open_, system("good", BASE + NOISE, 50.0, 100)])
    assert ": good: " in told[0]
    assert told[-1] == "of 1 smaller variant it cannot be told with 200 queries"


def test_ties_go_to_the_smaller_and_then_to_the_simpler():
    exact = system("exact", BASE, 100.0, 1000)
    names = ("wide", "large", "narrow", "off")
    sizes = {"wide": 100, "large": 900, "narrow": 100, "off": 100}
    # One trial more would change the order of medians as near as these.
    times = {"wide": 10.0, "large": 9.9, "narrow": 10.4, "off": 10.5}
    variants = [system(name, BASE, times[name], sizes[name]) for name in names]
    probes = {"wide": 8, "large": 1, "narrow": 2, "off": None}
    parameters = {name: {"nprobe": probes[name]} for name in names}
    told = advice(exact, variants, parameters=parameters)
    assert [line.split(": ")[:2] for line in told] == [
        ["smallest and fastest within 0.5 points of exact", "off"],
        ["highest ndcg@10", "off"],
    ]
    told = advice(exact, variants[:3], parameters=parameters)
    assert {line.split(": ")[1] for line in told} == {"narrow"}


@pytest.mark.parametrize("disturbed", ["exact", "small"])
def test_nothing_is_said_of_times_beside_a_busy_process(disturbed):
    share = {disturbed: 0.4}
    exact = system("exact", BASE, 100.0, 1000, share.get("exact", 0.0))
    small = system("small", BASE + NOISE, 50.0, 100, share.get("small", 0.0))
    told = advice(exact, [small, system("fast", BASE + NOISE, 1.0, 500)])
    assert not any("fastest" in line for line in told)
    assert "faster" not in told[0] and "10.0× smaller" in told[0]
    assert told[-1].startswith("nothing can be said of speed: other processes used over 10%")
