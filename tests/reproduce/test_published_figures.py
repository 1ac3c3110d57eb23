"""The shipped figures: complete, with the digits of their sources, and refused where bad."""

import shutil
from collections import Counter

import pytest
import yaml

from colbench.config.folder import conf_folder, options
from colbench.config.models import is_model_name
from colbench.errors import ConfigError
from colbench.reproduce.published import OTHER_METRICS, load_reference

FOLDER = conf_folder() / "published"
REFERENCE = load_reference()
ENTRIES = {entry.id: entry for entry in REFERENCE.entries}
TOLERANCES = {
    "exact": 0.0005,
    "approximate": 0.005,
    "same_engine": 0.0001,
    "other_bm25": 0.01,
    "cost": None,
}

# As printed by the source: points for effectiveness, else the unit of the cost.
PRINTED = {
    "all-minilm-l6-v2/mteb/beir/scifact/ndcg@10": "64.51",
    "all-minilm-l6-v2/mteb/recall/beir/trec-covid/recall@100": "8.55",
    "all-minilm-l6-v2-tokens/qdrant/beir/scifact/ndcg@10": "70.724",
    "all-minilm-l6-v2-tokens-uint8/qdrant/beir/nfcorpus/ndcg@10": "35.572",
    "all-minilm-l6-v2-rerank/qdrant/beir/scifact/ndcg@10": "70.293",
    "bge-small-en-tokens/qdrant/beir/arguana/ndcg@10": "57.648",
    "colbertv2/pylate/beir/nfcorpus/ndcg@10": "33.8",
    "colbertv2/paper/beir/trec-covid/ndcg@10": "73.8",
    "answerai-colbert-small-v1/pylate/beir/cqadupstack/ndcg@10": "38.75",
    "jina-colbert-v2/pylate/beir/fever/ndcg@10": "80.05",
    "gte-moderncolbert-v1/pylate/beir/arguana/ndcg@10": "48.51",
    "gte-moderncolbert-v1/mteb/beir/fiqa/ndcg@10": "45.25",
    "gte-moderncolbert-v1/mteb/mrr/beir/msmarco/mrr@10": "38.85",
    "gte-moderncolbert-v1/next-plaid/beir/arguana/ndcg@10": "34.99",
    "colbert-zero/mteb/beir/climate-fever/ndcg@10": "35.90",
    "lateon/mteb/recall/beir/fiqa/recall@100": "83.20",
    "mlateon/mteb/beir/arguana/ndcg@10": "59.81",
    "denseon/mteb/beir/cqadupstack/ndcg@10": "46.89",
    "bm25/anserini-flat/beir/webis-touche2020/recall@100": "58.22",
    "bm25/anserini-multifield/beir/fever/ndcg@10": "75.30",
    "bm25_lucene/anserini-flat/beir/scifact/recall@100": "92.53",
    "bm25_lucene/anserini-multifield/beir/scifact/ndcg@10": "66.47",
    "bm25/anserini-flat-wp/beir/quora/ndcg@10": "72.95",
    "bm25s/mteb/beir/webis-touche2020/v3/ndcg@10": "65.68",
    "bm25/beir-paper/beir/arguana/ndcg@10": "31.5",
    "bm25+ce/beir-pr91/beir/arguana/ndcg@10": "41.7",
    "colbert-v1/beir-paper/beir/msmarco/ndcg@10": "40.1",
    "splade++ed/pyserini/beir/scifact/ndcg@10": "70.36",
    "bge-base-en-v1.5/pyserini/beir/dbpedia-entity/ndcg@10": "40.73",
    "bm25/pyserini/msmarco/dev_small/mrr@10": "18.4",
    "colbertv2/colbertv2-paper/msmarco/dev_small/recall@50": "86.8",
    "colbertv2-plaid-k1000/plaid-paper/msmarco/dev_small/recall@1000": "97.5",
    "colbertv2-plaid-k100/plaid-paper/lotte/lotte/pooled/dev/hit_rate@5": "69.4",
    "colbertv2-ladr-n1000-nb128/plaidrepro/trec_dl/2019/ndcg@1000": "77.6",
    "colbertv2-plaid-k10/plaid-paper/ms/msmarco/dev_small/search_ms_1cpu": "185.5",
    "colbertv2-plaid-k100/plaidrepro/cost/msmarco/dev_small/rbo": "0.89",
    "colbertv2-2bit/colbertv2-paper/size/msmarco/dev_small/index_gib": "25",
    "xtr-warp-4bit/warp-paper/size/lotte/pooled/index_gib": "43.59",
    "xtr-scann/warp-paper/ms/beir/webis-touche2020/search_ms_1cpu": "560.2",
    "answerai-colbert-small-v1/fast-plaid/beir/trec-covid/ndcg@10": "83",
    "answerai-colbert-small-v1/fast-plaid/cost/beir/quora/qps": "281.51",
    "bm25/anserini-flat/index/beir/scifact/terms": "838128",
}


@pytest.mark.parametrize("name", PRINTED)
def test_an_entry_has_the_digits_of_its_source(name):
    entry = ENTRIES[name]
    factor = 1 if entry.metric in OTHER_METRICS else 100
    assert f"{entry.value * factor:.10g}" == f"{float(PRINTED[name]):.10g}"


def test_every_table_is_there():
    assert len(REFERENCE.entries) > 650
    of = Counter(entry.dataset for entry in REFERENCE.entries)
    assert min(of[name] for name in ("beir/scifact", "beir/nfcorpus", "beir/quora")) > 40
    assert of["msmarco/dev_small"] > 50 and of["trec_dl/2019"] > 20


def test_every_entry_names_what_exists():
    for entry in REFERENCE.entries:
        facts = REFERENCE.collections.get(entry.dataset)
        assert entry.dataset in options("dataset") or (facts and facts.why), entry.id
        assert entry.system is None or entry.system in options("system"), entry.id
        if entry.encoder is not None:
            assert entry.encoder in options("encoder") or is_model_name(entry.encoder), entry.id


def test_ids_are_unique():
    names = [item.id for item in [*REFERENCE.entries, *REFERENCE.averages]]
    assert len(names) == len(set(names))


def test_the_tolerance_follows_the_path_of_each_series():
    for path in FOLDER.glob("*.yaml"):
        for series in yaml.safe_load(path.read_text(encoding="utf-8")).get("series", []):
            entries = [e for e in REFERENCE.entries if _is_of(e.id, series)]
            assert entries, series["id"]
            assert {entry.tolerance for entry in entries} == {TOLERANCES[series["path"]]}
    judged = [entry for entry in REFERENCE.entries if entry.system is not None]
    assert all(entry.tolerance for entry in judged)


def _is_of(name, series):
    return any(name.startswith(f"{series['id']}/{dataset}/") for dataset in series["values"])


def test_effectiveness_is_a_fraction():
    values = [e.value for e in REFERENCE.entries if e.metric not in OTHER_METRICS]
    assert all(0 < value < 1 for value in values)


def test_the_known_copy_error_is_suspect_and_says_why():
    suspects = {entry.id: entry.note for entry in REFERENCE.entries if entry.suspect}
    assert "copy error" in suspects["gte-moderncolbert-v1/pylate/beir/fiqa/ndcg@10"]
    assert "73.8" in suspects["colbertv2/pylate/beir/trec-covid/ndcg@10"]
    assert len(suspects) == 2


@pytest.mark.parametrize(
    "series", ["gte-moderncolbert-v1", "colbert-zero", "lateon", "mlateon", "denseon"]
)
def test_a_derived_average_is_the_mean_of_its_cells(series):
    (average,) = [a for a in REFERENCE.averages if a.id == f"{series}/mteb/beir-15"]
    cells = [ENTRIES[f"{series}/mteb/{member}/ndcg@10"].value for member in average.members]
    assert len(cells) == 15
    assert sum(cells) / 15 == pytest.approx(average.value, abs=5.1e-5)


def test_an_unknown_dataset_or_model_is_met_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'beir/scifact'"):
        REFERENCE.of("beir/scifct")
    with pytest.raises(ConfigError, match="nothing published is listed for dataset 'pydocs'"):
        REFERENCE.of("pydocs")
    with pytest.raises(ConfigError, match="did you mean 'minilm'"):
        REFERENCE.of("beir/scifact", "minilmm")
    assert {e.model for e in REFERENCE.of("beir/scifact", "GTE")} == {
        "lightonai/GTE-ModernColBERT-v1"
    }


GOOD = {
    "id": "made/up",
    "model": "BM25",
    "system": "bm25",
    "metric": "ndcg@10",
    "path": "exact",
    "source": "here",
    "values": {"beir/scifact": 50.0},
}
SOURCES = {"here": {"title": "t", "url": "u", "grade": "primary"}}


def load(tmp_path, **changes):
    series = {key: value for key, value in (GOOD | changes).items() if value is not None}
    shutil.copy(FOLDER / "published.yaml", tmp_path)
    content = yaml.safe_dump({"sources": SOURCES, "series": [series]}, sort_keys=False)
    (tmp_path / "mine.yaml").write_text(content, encoding="utf-8")
    return load_reference(tmp_path)


def test_a_series_becomes_one_entry_a_figure(tmp_path):
    values = {"beir/scifact": {"ndcg@10": 50.5, "recall@100": 90}, "beir/fiqa": {"ndcg@10": 20}}
    but = {
        "beir/fiqa": {"note": "short"},
        "beir/scifact/recall@100": {"ignore_identical_ids": False},
    }
    entries = load(tmp_path, metric=None, values=values, but=but).entries
    assert [(e.id, e.value) for e in entries] == [
        ("made/up/beir/scifact/ndcg@10", 0.505),
        ("made/up/beir/scifact/recall@100", 0.9),
        ("made/up/beir/fiqa/ndcg@10", 0.2),
    ]
    assert [e.note for e in entries] == [None, None, "short"]
    assert [e.ignore_identical_ids for e in entries] == [None, False, None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "minilmm"}, "unknown encoder 'minilmm': did you mean 'minilm'"),
        ({"system": "bm52"}, "unknown system 'bm52': did you mean 'bm25'"),
        ({"system": None}, "without a system, 'why' has to say the reason"),
        ({"metric": "ndgc@10"}, "unknown measure 'ndgc@10'"),
        ({"metric": None}, "neither the series nor the value names a metric"),
        ({"path": "exactly"}, "unknown path 'exactly': did you mean 'exact'"),
        ({"source": "hear"}, "unknown source 'hear': did you mean 'here'"),
        ({"values": {"beir/scifct": 1}}, "unknown collection 'beir/scifct'"),
        ({"suspect": True}, "a suspect figure needs a note"),
        ({"but": {"beir/fiqa": {"note": "x"}}}, "'but' names beir/fiqa"),
        ({"but": {"beir/scifact": {"nota": "x"}}}, "did you mean 'note'"),
        ({"tolerance": 1}, "unknown key"),
        ({"metric": "qps"}, "'qps' is never judged"),
    ],
)
def test_a_bad_figure_is_refused_in_one_line(tmp_path, changes, message):
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, **changes)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
