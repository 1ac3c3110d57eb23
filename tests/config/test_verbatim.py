"""Paths of the command line are taken as they stand, lists need no brackets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.config.compose import compose_run
from colbench.config.overrides import multirun_overrides
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError
from colbench.gate.rules import GateRules

ODD = [
    *("2024", "a=b", "my,folder", "x#1", "two words", "[b](r)", "süß", "ひ", "{c}", "it's"),
    *('a "b"', "1e5", "true", "a:b", "~x", "tail\\", "-m", "007"),
]


@pytest.mark.parametrize("path", ODD)
def test_a_path_is_what_was_written(path):
    settings = compose_run(
        [
            *("dataset=beir_dir", f"dataset.path={path}", f"output_dir={path}/out"),
            *(f"index_dir={path}", f"cache_dir={path}", "gate=default"),
            *(f"gate.baseline={path}.json", f"system.bi_encoder.encoder.model={path}/m"),
        ]
    )
    assert str(settings.dataset.path) == path
    assert str(settings.output_dir) == f"{path}/out"
    assert str(settings.index_dir) == str(settings.cache_dir) == path
    assert str(settings.feature(GateRules).baseline) == f"{path}.json"
    assert settings.system["bi_encoder"].encoder.model == f"{path}/m"


@pytest.mark.nightly
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_name_of_a_folder_is_taken(name):
    if name == "null" or "$" in name or "/" in name or name == ".":
        return  # no folder, or an interpolation
    if name[0] == name[-1] and name[0] in "'\"":
        return  # quotes, as Hydra has them
    assert str(compose_run([f"output_dir={name}"]).output_dir) == name


def test_quotes_null_and_interpolations_are_as_before(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", "there")
    written = {"'a b'": "a b", '"a,b"': "a,b", "${oc.env:PLACE}/x": "there/x"}
    for text, meant in written.items():
        assert str(compose_run([f"output_dir={text}"]).output_dir) == meant
    assert compose_run(["output_dir=null"]).output_dir is None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "'a'").mkdir()
    assert str(compose_run(["output_dir='a'"]).output_dir) == "'a'"


def test_a_model_is_a_path_where_it_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("my,model=2", "2024"):
        (tmp_path / name).mkdir()
        assert compose_run([f"encoder={name}"]).encoder.model == name
        assert compose_run([f"cross_encoder={name}"]).cross_encoder.model == name


@pytest.mark.parametrize("text", ["bm25,colbert", "[bm25,colbert]", "bm25, colbert"])
def test_a_list_needs_no_brackets(text):
    assert compose_run([f"systems={text}"]).systems == ["bm25", "colbert"]


def test_every_list_of_names_may_be_written_so():
    settings = compose_run(
        [
            *("systems=bm25", "measures=ndcg@10,mrr@10", "gate=default"),
            *("gate.systems=bm25,colbert", "gate.exact=bm25"),
        ]
    )
    assert settings.systems == ["bm25"] and settings.measures == ["ndcg@10", "mrr@10"]
    rules = settings.feature(GateRules)
    assert rules.systems == ["bm25", "colbert"] and rules.exact == ["bm25"]


def test_several_values_of_what_is_no_list_are_still_refused():
    for text in ("k=1,2", "system.bm25.k1=1,2", "dataset=pydocs,cranfield"):
        with pytest.raises(ConfigError, match="names several values"):
            compose_run([text])


def test_in_a_multirun_a_comma_separates_values_unless_the_path_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b").mkdir()
    parsed = multirun_overrides(["systems=bm25,colbert", "dataset.path=a,b", "k=5,10"], [])
    assert parsed.varied == ["systems", "k"]
    assert multirun_overrides(["dataset.path=c,d"], []).varied == ["dataset.path"]
    odd = multirun_overrides(["output_dir=x=y#1", "k=5,10"], [])
    assert odd.output_dir == "x=y#1"


def test_every_setting_that_is_a_path_is_covered():
    paths = [name for name, field in RunSettings.model_fields.items() if "Path" in str(field)]
    for name in paths:
        assert str(getattr(compose_run([f"{name}=1,2"]), name)) == "1,2"
