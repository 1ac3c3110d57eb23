import json

import pytest

from colbench.digests import json_digest
from colbench.errors import StorageError
from colbench.results.schema import SCHEMA_VERSION, AttributionStage, Results, SystemResult
from colbench.results.store import read_results, write_results


def test_results_survive_the_disk(example_results, tmp_path):
    path = write_results(example_results, tmp_path)
    assert read_results(path) == example_results
    assert read_results(tmp_path) == example_results


def test_an_attribution_survives_the_disk(example_results, tmp_path):
    means = {"ndcg@10": 0.7, "mrr@10": 0.6}
    stages = [
        AttributionStage(stage="exact", effectiveness=means, rbo=1.0, intersection={"10": 1.0}),
        AttributionStage(
            stage="final",
            effectiveness=means,
            change=dict.fromkeys(means, 0.0),
            rbo=0.9,
            intersection={"10": 0.8},
        ),
    ]
    system = example_results.systems[0].model_copy(update={"attribution": stages})
    results = example_results.model_copy(update={"systems": [system]})
    write_results(results, tmp_path)
    assert read_results(tmp_path) == results


def content_of(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["sha256"]
    return content


def rewrite(path, content):
    """Write content of our own making, with the checksum it needs to be looked at."""
    sealed = {"sha256": json_digest(content), **content}
    path.write_text(json.dumps(sealed), encoding="utf-8")


def test_results_from_before_the_attribution_are_read(example_results, tmp_path):
    path = write_results(example_results, tmp_path)
    content = content_of(path)
    for system in content["systems"]:
        del system["attribution"]
    rewrite(path, content)
    assert read_results(path) == example_results


def test_the_names_other_programs_read_are_there(example_results, tmp_path):
    content = json.loads(write_results(example_results, tmp_path).read_text(encoding="utf-8"))
    assert {"schema_version", "collection", "environment", "systems"} <= content.keys()
    assert {"name", "docs", "queries", "judgments", "fingerprint", "sampled"} <= content[
        "collection"
    ].keys()
    system = content["systems"][0]
    assert {"name", "status", "reason", "config", "effectiveness", "latency_ms"} <= system.keys()
    assert {"throughput_qps", "build_seconds", "encode_docs_per_second"} <= system.keys()
    assert {"index", "peak_rss_bytes", "significance", "run_file"} <= system.keys()
    assert {"p50", "p95", "p99", "mean"} == system["latency_ms"]["search"].keys()
    sizes = {"bytes", "bytes_per_doc", "bytes_per_vector", "fixed_bytes"}
    assert {"vectors", "dims", "files", *sizes} == system["index"].keys()
    assert {"primary", "margin", "alpha"} <= content.keys()
    assert "total" in system["latency_ms"] and "intervals" in system


@pytest.mark.parametrize("model", [Results, SystemResult, AttributionStage])
def test_every_key_of_the_schema_is_typed(model):
    schema = model.model_json_schema()
    assert schema["additionalProperties"] is False
    assert all(value for value in schema["properties"].values())


def test_another_schema_version_is_refused_before_the_checksum_is_looked_at(
    example_results, tmp_path
):
    path = write_results(example_results, tmp_path)
    content = content_of(path)
    content["schema_version"] = SCHEMA_VERSION + 1
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StorageError, match="schema version 3, this colbench reads up to 2"):
        read_results(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not results of colbench: it holds no JSON object"),
        ("{}", "schema version None"),
        ('{"schema_version": 1}', "has no checksum (key 'sha256')"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "results.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=r"^[^\n]*$") as error:
        read_results(path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_an_unknown_key_is_named(example_results, tmp_path):
    path = write_results(example_results, tmp_path)
    rewrite(path, content_of(path) | {"colection": 1})
    with pytest.raises(StorageError, match="unknown key 'colection': did you mean 'collection'"):
        read_results(path)


def test_a_missing_key_is_named(tmp_path):
    rewrite(tmp_path / "results.json", {"schema_version": SCHEMA_VERSION})
    with pytest.raises(StorageError, match="is required"):
        read_results(tmp_path)


def test_results_that_were_changed_by_hand_are_refused(example_results, tmp_path):
    path = write_results(example_results, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.count("0.7072") == 1
    path.write_text(text.replace("0.7072", "0.7073"), encoding="utf-8")
    with pytest.raises(StorageError, match=r"was changed or damaged .*: run the experiment again"):
        read_results(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read .*results\.json"):
        read_results(tmp_path)
