"""Keyword arguments become the same settings as overrides, and mean exactly what they are."""

from pathlib import Path

import numpy as np
import pytest

from colbench.api.given import settings_from
from colbench.config.compose import compose_run
from colbench.errors import ConfigError


def test_keywords_and_overrides_give_the_same_settings():
    words = ["dataset=beir/scifact", "systems=[bm25,colbert]", "index=residual_2bit", "k=50"]
    words += ["encoder=minilm_colbert", "index.dims=64", "system.bm25.k1=1.2", "latency.trials=5"]
    words += ["measures=[ndcg@10,map]", "reference=colbert", "system.colbert.search=k100"]
    given = {
        "dataset": "beir/scifact",
        "systems": ("bm25", "colbert"),
        "index": "residual_2bit",
        "index.dims": np.int64(64),
        "encoder": "minilm_colbert",
        "k": 50,
        "system": {"bm25": {"k1": 1.2}, "colbert": {"search": "k100"}},
        "latency": {"trials": 5},
        "measures": ["ndcg@10", "map"],
        "reference": "colbert",
    }
    assert settings_from(given, []).model_dump() == compose_run(words).model_dump()
    assert settings_from({}, []).model_dump() == compose_run([]).model_dump()


def test_a_group_is_changed_for_every_system_that_refers_to_it():
    settings = settings_from({"index": {"nbits": 2}, "seed": 7, "systems": "colbert"}, [])
    colbert = settings.system["colbert"].model_dump()
    assert (colbert["index"]["nbits"], colbert["index"]["seed"]) == (2, 7)
    assert settings.systems == ["colbert"]


STRANGE = ["a,b=c", "$HOME", "${seed}", "${oc.env:HOME}", 'it\'s "quoted"', "[1, 2]", "{a: 1}"]
STRANGE += ["null", "true", "1e3", "???", "ä ö 日本 😀", "#x", " a\tb ", "\\", "a: b", "~/x", "@p"]


@pytest.mark.parametrize("text", STRANGE)
def test_a_text_means_itself_wherever_it_stands(text):
    given = {
        "dataset": {"kind": "beir_dir", "path": text, "name": f"x{text.strip()}x"},
        "output_dir": Path(text),
        "cache_dir": text,
        "encoder": {"model": text, "name": text},
        "system": {"bm25": {"about": text}},
        "systems": ["bm25", "colbert"],
    }
    settings = settings_from(given, [])
    assert settings.dataset.name == f"x{text.strip()}x"
    assert (settings.dataset.path, settings.output_dir) == (Path(text), Path(text))
    assert settings.system["bm25"].about == text
    assert settings.encoder.model == settings.system["colbert"].encoder.model == text


def test_rules_of_a_gate_are_completed_and_texts_in_them_mean_themselves():
    settings = settings_from({"gate": {"baseline": "${a}", "measures": {"rbp.95": 0.1}}}, [])
    (rules,) = settings.features.values()
    assert rules.baseline == Path("${a}") and rules.measures["rbp.95"] == 0.1
    assert rules.measures["ndcg@10"] == 0.005


WRONG = {
    "unknown key 'idnex': did you mean 'index'": {"idnex": {"nbits": 2}},
    "unknown key 'index.nbit': did you mean 'index.nbits'": {"index": {"nbit": 2}},
    "unknown key 'latency.trails'": {"latency.trails": 3},
    "'index.nbits' is 3": {"index": {"nbits": 3}},
    "'k' is -1": {"k": -1},
    "unknown encoder 'minilmm': did you mean 'minilm'": {"encoder": "minilmm"},
    "unknown index 'residual_3bit'": {"index": "residual_3bit"},
    "'index' is 2: give the name of an option": {"index": 2},
    "unknown system 'bm52': did you mean 'bm25'": {"systems": ["bm52"]},
    "unknown key 'system.bm25.k11': did you mean 'system.bm25.k1'": {"system.bm25.k11": 1},
    "unknown experiment 'quickstrat': did you mean 'quickstart'": {"experiment": "quickstrat"},
    "unknown measure 'ndgc@10': did you mean 'ndcg@10'": {"measures": "ndgc@10"},
    "'system' is 'bm25': it is a group": {"system": "bm25"},
    "'cache_dir' is '.*' half a surrogate|half a surrogate pair": {"cache_dir": "a\ud800"},
    "reference 'bm52' is not among the systems": {"reference": "bm52"},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_mistake_is_told_as_on_the_command_line(message):
    with pytest.raises(ConfigError, match=message) as told:
        settings_from(WRONG[message], [])
    assert "\n" not in str(told.value) and "given-" not in str(told.value)


def test_an_experiment_and_a_folder_of_ones_own(tmp_path):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "mine.yaml").write_text("kind: bm25\nk1: 2.0\n", encoding="utf-8")
    given = {"experiment": "quickstart", "systems": ["mine"], "latency": {"queries": 7}}
    settings = settings_from(given, [tmp_path])
    assert settings.name == "quickstart" and settings.latency.queries == 7
    assert settings.system["mine"].k1 == 2.0 and settings.reference is None


def test_a_model_is_named_by_its_folder_whatever_that_is_called(tmp_path):
    folder = tmp_path / "my model, 'v2' #1"
    folder.mkdir()
    settings = settings_from({"encoder": str(folder)}, [])
    assert settings.encoder.model == str(folder) and settings.encoder.name == folder.name
