"""Files of version 1 are read as files of version 2: names change, values do not."""

import copy
import json

import pytest

from colbench.errors import StorageError
from colbench.files import write_json
from colbench.gate.baseline import accept, read_baseline, write_baseline
from colbench.gate.identity import why_not_exact
from colbench.results.checksummed import read_checksummed, write_checksummed
from colbench.results.schema import AttributionStage, EncodingInfo, QueryInfo, Results
from colbench.results.store import read_results, write_results
from colbench.results.upgrade import main, upgrade

CONFIG_1 = {
    "baseline": "bm25",
    "dataset": {"id": "beir/scifact/test", "self_hits": "drop_identical_ids"},
    "train": {"sources": {"a": {"pairs": "judged", "words": ["seed=1"]}}},
    "gate_power": {
        "noise": {"threads": {"about": "x", "words": ["threads=1"]}},
        "degradations": {"cls": {"about": "y", "words": []}},
    },
    "index_speed": {"peers": ["fast_plaid"], "peer_python": None, "peer_timeout": 7200.0},
    "encode_speed": {"forms": ["pooled", "tokens"]},
    "gate": {"baseline": "baseline.json"},
}
CONFIG_2 = {
    "reference": "bm25",
    "dataset": {"id": "beir/scifact/test", "ignore_identical_ids": True},
    "train": {"sources": {"a": {"pairs": "judged", "overrides": ["seed=1"]}}},
    "gate_power": {
        "noise": {"threads": {"about": "x", "overrides": ["threads=1"]}},
        "degradations": {"cls": {"about": "y", "overrides": []}},
    },
    "index_speed": {"engines": ["fast_plaid"], "engine_python": None, "engine_timeout": 7200.0},
    "encode_speed": {"forms": ["dense", "tokens"]},
    "gate": {"baseline": "baseline.json"},
}

KINDS = {
    "gate": (
        {"gate_version": 1, "guards": [{"guard": "identity", "told": "1 differs"}]},
        {"gate_version": 2, "guards": [{"guard": "identity", "finding": "1 differs"}]},
    ),
    "comparison": (
        {"schema_version": 1, "measures": [], "pairs": [], "unpaired": []},
        {"schema_version": 2, "measures": [], "pairs": [], "unpaired": []},
    ),
    "index_speed": (
        {
            "schema_version": 1,
            "engines": [],
            "growth": [],
            "oracle_ndcg": 0.7,
            "oracle_ndcg_all": 0.6,
            "config": CONFIG_1,
        },
        {
            "schema_version": 2,
            "engines": [],
            "growth": [],
            "exact_ndcg": 0.7,
            "exact_ndcg_all": 0.6,
            "config": CONFIG_2,
        },
    ),
    "gate_power": (
        {"schema_version": 1, "collections": [], "rules": {}, "config": CONFIG_1},
        {"schema_version": 2, "collections": [], "rules": {}, "config": CONFIG_2},
    ),
    "encode_speed": (
        {
            "schema_version": 1,
            "measure": "ndcg@10",
            "collections": [
                {
                    "forms": [
                        {
                            "speed": {
                                "form": "pooled",
                                "yardstick": {"gflops": 1.5},
                                "variants": [{"to_yardstick": 1.25, "to_first": None}],
                            }
                        }
                    ]
                }
            ],
            "config": CONFIG_1,
        },
        {
            "schema_version": 2,
            "measure": "ndcg@10",
            "collections": [
                {
                    "forms": [
                        {
                            "speed": {
                                "form": "dense",
                                "reference": {"gflops": 1.5},
                                "variants": [{"to_reference": 1.25, "to_first": None}],
                            }
                        }
                    ]
                }
            ],
            "config": CONFIG_2,
        },
    ),
    "reproduction": (
        {
            "schema_version": 1,
            "averages": [],
            "entries": [
                {
                    "settings_that_differ": [
                        {"setting": "self_hits", "published": "keep", "measured": None}
                    ],
                    "settings_unknown": ["k1", "self_hits"],
                }
            ],
        },
        {
            "schema_version": 2,
            "averages": [],
            "entries": [
                {
                    "settings_that_differ": [
                        {"setting": "ignore_identical_ids", "published": False, "measured": None}
                    ],
                    "settings_unknown": ["k1", "ignore_identical_ids"],
                }
            ],
        },
    ),
    "train": (
        {"schema_version": 1, "sources": [], "curve": [], "steps": 4, "config": CONFIG_1},
        {"schema_version": 2, "sources": [], "curve": [], "steps": 4, "config": CONFIG_2},
    ),
}


@pytest.fixture
def written(example_results):
    """`example_results` with values of single queries, the stages of a search and encodings."""
    stages = [
        AttributionStage(stage="exact", effectiveness={}, rbo=1.0, intersection={"10": 1.0}),
        AttributionStage(stage="final", effectiveness={}, rbo=0.9, intersection={"10": 0.8}),
    ]
    encoding = EncodingInfo(
        encoder="minilm",
        form="dense",
        backend="torch",
        precision="fp32",
        device="cpu",
        docs_per_second=None,
        tokens_per_second=None,
        gflops=None,
        gemm_gflops=None,
        tokens=40,
        truncated_docs=0,
        truncated_tokens=0,
    )
    changes = {
        "metadata": {"engine": "made up"},
        "attribution": stages,
        "encodings": [encoding],
        "per_query": {"ndcg@10": [0.5, 0.25, 1.0]},
        "first_relevant": [1, None, 2],
        "rankings": ["a" * 12, "b" * 12, "c" * 12],
    }
    return example_results.model_copy(
        update={
            "queries": [QueryInfo(id=f"q{n}", text="why", relevant=1) for n in range(3)],
            "config": CONFIG_2,
            "systems": [
                system.model_copy(update=changes) if system.status == "ok" else system
                for system in example_results.systems
            ],
        }
    )


def as_version_1(results: Results) -> dict:
    """Return results as version 1 wrote them."""
    old = results.model_dump(mode="json")
    old["schema_version"] = 1
    old = {("baseline" if key == "reference" else key): value for key, value in old.items()}
    old["config"] = copy.deepcopy(CONFIG_1)
    for system in old["systems"]:
        system["facts"] = system.pop("metadata")
        for stage in system.get("attribution") or []:
            stage["step"] = {"exact": "oracle"}.get(stage["stage"], stage["stage"])
            del stage["stage"]
        for encoding in system.get("encodings") or []:
            encoding["form"] = {"dense": "pooled"}.get(encoding["form"], encoding["form"])
    if old["sweep"]:
        old["sweep"]["points"] = old["sweep"].pop("variants")
    return old


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_has_its_names_of_version_2_and_equal_values(kind):
    old, new = KINDS[kind]
    before = copy.deepcopy(old)
    assert upgrade(old) == new
    assert old == before
    assert upgrade(new) == new


def test_results_of_version_1_are_read(written, tmp_path):
    write_checksummed(tmp_path / "results.json", as_version_1(written))
    assert read_results(tmp_path) == written


def test_the_variants_of_a_sweep_of_version_1_are_read(written, tmp_path):
    old = as_version_1(written)
    old["sweep"] = {
        "system": "colbert",
        "axes": {"index.nbits": [1, 2]},
        "points": {"nbits=1": {"index.nbits": 1}},
        "references": [],
        "measure": "ndcg@10",
        "front_latency": [],
        "front_bytes": [],
        "advice": [],
    }
    write_checksummed(tmp_path / "results.json", old)
    sweep = read_results(tmp_path).sweep
    assert sweep is not None and sweep.variants == {"nbits=1": {"index.nbits": 1}}


def test_a_damaged_file_of_version_1_is_refused(written, tmp_path):
    write_checksummed(tmp_path / "results.json", as_version_1(written))
    text = (tmp_path / "results.json").read_text()
    assert '"facts"' in text
    (tmp_path / "results.json").write_text(text.replace('"facts"', '"metadata"', 1))
    with pytest.raises(StorageError, match="changed or damaged"):
        read_results(tmp_path)


def test_a_file_with_the_names_of_both_versions_is_refused(written, tmp_path):
    both = {**as_version_1(written), "reference": "bm25"}
    write_checksummed(tmp_path / "results.json", both)
    with pytest.raises(StorageError, match="baseline"):
        read_results(tmp_path)


def test_a_baseline_of_version_1_equals_the_one_of_version_2(written, tmp_path):
    accepted = accept(written)
    write_baseline(accepted, tmp_path / "new.json")
    new = read_checksummed(tmp_path / "new.json", what="a baseline", renew="")
    old = {**new, "baseline_version": 1, "results": as_version_1(accepted.results)}
    for system, bare in zip(old["results"]["systems"], new["results"]["systems"], strict=True):
        for key in ("per_query", "first_relevant", "rankings"):
            system[key] = bare.get(key)
    write_checksummed(tmp_path / "old.json", old)
    before, after = read_baseline(tmp_path / "old.json"), read_baseline(tmp_path / "new.json")
    assert before == after
    for first, second in zip(before.results.systems, after.results.systems, strict=True):
        assert why_not_exact(first, second, before.results, after.results) == ""


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"schema_version": 1},
        {"schema_version": 3, "systems": [{"facts": {}}], "measures": [], "baseline": "a"},
        {"baseline_version": [], "results": {"facts": 1}},
    ],
)
def test_content_that_is_not_as_expected_is_left_to_the_reader(content):
    assert upgrade(content) == content


def test_files_are_written_anew_by_the_command(written, tmp_path, capsys):
    run, again = tmp_path / "run", tmp_path / "again"
    run.mkdir()
    again.mkdir()
    write_checksummed(run / "results.json", as_version_1(written))
    old, new = KINDS["index_speed"]
    write_json(tmp_path / "index_speed.json", old)
    (tmp_path / "rows.json").write_text("[1]\n")
    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert json.loads((tmp_path / "index_speed.json").read_text()) == new
    assert json.loads((run / "results.json").read_text()) == json.loads(
        write_results(written, again).read_text()
    )
    assert main([str(tmp_path)]) == 0 and not capsys.readouterr().out
    assert main([str(tmp_path / "rows.json")]) == 2
