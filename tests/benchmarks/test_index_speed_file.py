"""`index_speed.json` is held to what every other result is held to."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks.index_speed.record import GrowthPoint, IndexSpeed
from colbench.errors import StorageError
from colbench.records import Record
from colbench.results.checksummed import read_checksummed, write_checksummed

COMMITTED = Path(__file__).parents[2] / "results" / "index_speed" / "index_speed.json"
HOW = {"what": "index_speed", "renew": "measure it again"}


def test_the_committed_figures_are_sealed_and_a_changed_value_is_noticed(tmp_path):
    content = read_checksummed(COMMITTED, **HOW)
    results = IndexSpeed.model_validate(content)
    assert results.engines[0].searches
    raw = json.loads(COMMITTED.read_text(encoding="utf-8"))
    raw["machine"]["fp32_gigaops"] += 1
    changed = tmp_path / "index_speed.json"
    changed.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(StorageError, match="changed or damaged"):
        read_checksummed(changed, **HOW)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_refused_in_memory_and_on_the_way_to_the_file(
    value, tmp_path
):
    point = {"tokens": 1, "documents": 1, "centroids": 1, "build_seconds": 1.0}
    assert GrowthPoint(**point, p50_ms=2.0).p50_ms == 2.0
    with pytest.raises(ValidationError, match="finite"):
        GrowthPoint(**point, p50_ms=value)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checksummed(tmp_path / "index_speed.json", {"growth": [{**point, "p50_ms": value}]})
    assert issubclass(IndexSpeed, Record)
