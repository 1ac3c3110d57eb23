"""The first sentences of a report: what was not read comes before who won."""

import pytest

from colbench.report.finding import cut_off, finding
from colbench.results.schema import EncodingInfo


def encoding(**update):
    known = {
        "encoder": "minilm",
        "form": "tokens",
        "backend": "torch",
        "precision": "fp32",
        "device": "cpu",
        "docs_per_second": 8.0,
        "tokens_per_second": None,
        "gflops": None,
        "gemm_gflops": None,
        "tokens": 900,
        "truncated_docs": 0,
        "truncated_tokens": 0,
    }
    return EncodingInfo(**(known | update))


def of_exact(results, **update):
    """Return results with fields of `colbert_exact` replaced."""
    systems = [
        system.model_copy(update=update) if system.name == "colbert_exact" else system
        for system in results.systems
    ]
    return results.model_copy(update={"systems": systems})


def test_cut_documents_are_named_before_the_winner_with_the_way_out(example_results):
    cut = encoding(tokens=690, truncated_docs=5, truncated_tokens=310)
    told = finding(of_exact(example_results, encodings=[cut]))
    first, winner = told.split("). ", 1)
    assert first == (
        "colbert_exact did not read 31 % of the tokens of the documents "
        "(encoder.long_documents=chunk reads them whole"
    )
    assert winner.startswith("colbert_exact has the highest ndcg@10")


def test_the_way_out_is_the_key_of_the_encoder_that_cut(example_results):
    """A system with an encoder of its own is not changed by that of the run."""
    run = {"name": "minilm", "model": "a", "long_documents": "truncate"}
    own = {**run, "name": "trained", "model": "b"}
    cut = [encoding(tokens=500, truncated_tokens=500, truncated_query_tokens=9, query_tokens=9)]
    results = example_results.model_copy(
        update={"config": {"encoder": run, "system": {"bm25": {}, "colbert_exact": {}}}}
    )

    def told(encoder):
        return cut_off(of_exact(results, encodings=cut, config={"encoder": encoder}))

    documents, queries = told(run)
    assert documents.endswith("(encoder.long_documents=chunk reads them whole).")
    assert queries.endswith("(a larger encoder.query_length reads more).")
    documents, queries = told(own)
    assert "(system.colbert_exact.encoder.long_documents=chunk reads" in documents
    assert "(a larger system.colbert_exact.encoder.query_length reads" in queries


def test_systems_cut_alike_by_two_encoders_have_two_ways_out(example_results):
    update = {"config": {"encoder": {"name": "a"}, "system": {"bm25": {}, "colbert_exact": {}}}}
    cut = [encoding(tokens=500, truncated_tokens=500)]
    systems = [
        system.model_copy(update={"encodings": cut, "config": {"encoder": {"name": name}}})
        for system, name in zip(example_results.systems[:2], "ab", strict=True)
    ]
    (sentence,) = cut_off(example_results.model_copy(update={**update, "systems": systems}))
    assert "(encoder.long_documents=chunk reads them whole and system." in sentence


def test_times_of_a_busy_machine_are_not_told(example_results):
    assert "Encoding and searching" in finding(of_exact(example_results, other_cpu_share=0.05))
    assert "Encoding" not in finding(of_exact(example_results, other_cpu_share=0.5))


def test_cut_queries_are_named(example_results):
    cut = encoding(queries=3, query_tokens=75, truncated_queries=1, truncated_query_tokens=25)
    told = finding(of_exact(example_results, encodings=[cut]))
    assert told.startswith("colbert_exact did not read 25 % of the tokens of the queries")


def test_pairs_that_a_cross_encoder_did_not_read_are_named(example_results):
    facts = {"pairs": 9, "pairs_truncated": 3, "pair_tokens": 80, "pair_tokens_truncated": 20}
    told = finding(of_exact(example_results, metadata=facts))
    assert told.startswith("colbert_exact did not read 20 % of the tokens of the pairs")


@pytest.mark.parametrize(("cut", "named"), [(100, False), (101, True), (0, False)])
def test_a_tenth_is_not_worth_the_headline(example_results, cut, named):
    results = of_exact(
        example_results, encodings=[encoding(tokens=1000 - cut, truncated_tokens=cut)]
    )
    assert bool(cut_off(results)) is named
    assert finding(results).startswith("colbert_exact did not read") is named


def test_systems_that_are_cut_alike_are_named_together(example_results):
    cut = [encoding(tokens=500, truncated_tokens=500)]
    systems = [
        system.model_copy(update={"encodings": cut}) if system.status == "ok" else system
        for system in example_results.systems
    ]
    (sentence,) = cut_off(example_results.model_copy(update={"systems": systems}))
    assert sentence.startswith("bm25 and colbert_exact did not read 50 %")


def verdict(results, **update):
    test = results.systems[1].significance["ndcg@10"].model_copy(update=update)
    return finding(of_exact(results, significance={"ndcg@10": test}))


def test_the_verdict_is_worded_as_the_gate_words_it(example_results):
    undecided = {"significant": False, "verdict": "open", "p_holm": 0.2, "primary": True}
    told = verdict(example_results, **undecided, more_queries=120)
    assert "+5.72 points against bm25, too few queries to tell: about 120 more" in told
    told = verdict(example_results, verdict="better", primary=True)
    assert "significantly better (p = 0.002, Holm)" in told


def test_without_times_none_are_told(example_results):
    assert "Encoding" not in finding(of_exact(example_results, latency_ms=None))
