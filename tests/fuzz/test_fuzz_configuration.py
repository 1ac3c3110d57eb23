"""Words of a command line and YAML files of users compose, or are refused in one line."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import strategies as st
from mangling import ANY_TEXT, TOKENS, altered, either, json_bytes, raw
from omegaconf import OmegaConf
from trying import answer, check_line, fuzz

from colbench.cli.main import main
from colbench.config.compose import compose_run
from colbench.config.folder import quoted
from colbench.config.overrides import multirun_overrides, read_overrides
from colbench.errors import ConfigError
from colbench.gate.rules import load_rules

WORDS, FILES, RULES = "words of a configuration", "YAML of a configuration", "YAML of gate rules"

KEY_NAMES = """
    dataset dataset.id dataset.path dataset.sample.docs encoder encoder.model index index.nbits
    search search.nprobe system system.bm25 system.bm25.k1 system.colbert.search systems seed k
    name measures reference gate gate.alpha gate.measures experiment sweep sweep.axes.k
    output_dir cross_encoder latency.trials hydra.run.dir system.x.y dataset@x .
"""
VALUE_WORDS = """
    null 1 0 -1 1.5 true bm25 [bm25] [] {} {a:1} [1,2] 1,2 beir/scifact k10,k100 quickstart
    a/b 'a' "a" 'a,b' range(1,3) int(a) sort(2,1) glob(*) choice(a,b) shuffle(1,2) nan inf
    tag(a,1) ${seed} ${nope} ${oc.env:NOPE} ??? a=b 16 residual_1bit ndcg@10 [ndcg@10]
"""
KEYS = st.sampled_from(re.findall(r"\S+", KEY_NAMES))
VALUES = st.one_of(
    st.sampled_from(re.findall(r"\S+", VALUE_WORDS)),
    st.sampled_from([token.decode("utf-8", "replace")[:3000] for token in TOKENS]),
    ANY_TEXT,
    ANY_TEXT.map(quoted),
    st.integers().map(str),
)
SIGNS = st.sampled_from(["", "", "", "+", "++", "~"])
ONE_WORD = st.builds("{}{}={}".format, SIGNS, KEYS | ANY_TEXT, VALUES) | ANY_TEXT | VALUES

YAML = {
    "system": b"# @package _group_\nkind: bm25\nabout: a system\nk1: 1.2\nb: 0.75\n",
    "encoder": b"name: mine\nmodel: owner/model\nquery_length: 32\nnormalize: true\n",
    "dataset": b"defaults:\n  - _common\nkind: irds\nid: cranfield\nname: null\n",
    "index": b"nbits: 4\ncentroids: null\nseed: ${seed}\npooling: 2\n",
    "experiment": (
        b"# @package _global_\ndefaults:\n  - override /dataset: cranfield\n"
        b"systems: [bm25, colbert_exact]\nsystem:\n  bm25:\n    k1: 1.5\nmeasures:\n"
        b"- ndcg@10\nk: 100\nreference: bm25\nlatency: {queries: 10}\n"
    ),
}
GATE = (
    b"defaults: [default, _self_]\nmeasures:\n  ndcg@10: 0.01\nalpha: 0.05\nexact: [bm25]\n"
    b"must_find:\n- {name: a, query: q1, documents: [d1]}\nlost_queries: null\n"
)


def damaged(content):
    """Return a strategy of the file with other bytes, and with other values (JSON is YAML)."""
    values = altered(yaml.safe_load(content)).map(json_bytes)
    head = content.split(b"\n")[0] + b"\n" if content.startswith(b"#") else b""
    return either(raw(st.just(content)), values.map(lambda part: head + part))


@fuzz(WORDS, words=st.lists(ONE_WORD, min_size=1, max_size=3))
def test_words_are_sorted_or_refused(words):
    found = answer(WORDS, lambda: read_overrides(words, []))
    if found is not None:
        assert found.keys and all(isinstance(word, str) for word in found.hydra)
    answer(WORDS, lambda: multirun_overrides(words, []))


def check_settings(settings):
    """What is composed has to fit into results.json, or a run would end without results."""
    assert settings.systems
    assert json.dumps(
        settings.model_dump(mode="json"), allow_nan=False, ensure_ascii=False
    ).encode()


@fuzz(WORDS, cost=3, words=st.lists(ONE_WORD, min_size=1, max_size=2))
def test_words_compose_or_are_refused(words):
    found = answer(WORDS, lambda: compose_run(words))
    if found is not None:
        check_settings(found)


@fuzz(WORDS, value=ANY_TEXT, cost=2)
def test_a_quoted_value_arrives_as_it_is(value):
    words = answer(WORDS, lambda: read_overrides([f"system.bm25.about={quoted(value)}"], []))
    if words is not None and "${" not in value:
        ((keys, found),) = words.system
        assert (keys, found([str])) == (["bm25", "about"], value)


def chosen(group):
    return ["systems=[mine]"] if group == "system" else [f"{group}=mine"]


@fuzz(FILES, cost=10, group=st.sampled_from(list(YAML)), data=st.data())
def test_a_damaged_file_of_a_folder_is_refused_or_composes(tmp_path, group, data):
    for other in YAML:
        (tmp_path / other / "mine.yaml").unlink(missing_ok=True)
    path = tmp_path / group / "mine.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.draw(damaged(YAML[group])))
    names = [] if is_yaml(path) else [path]
    found = answer(FILES, lambda: compose_run(chosen(group), [tmp_path]), *names)
    if found is not None:
        check_settings(found)


@pytest.mark.filterwarnings("ignore:.*Defaults list is missing")
@fuzz(RULES, cost=5, content=damaged(GATE))
def test_damaged_rules_of_a_gate_are_refused_or_checked(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    found = answer(RULES, lambda: load_rules(str(path)), path)
    if found is not None:
        assert found.measures and all(0 < drop < 1 for drop in found.measures.values())
        assert 0 < found.alpha < 0.5


def is_yaml(path):
    try:
        return isinstance(OmegaConf.to_container(OmegaConf.load(path)), dict)
    except Exception:
        return False


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("dataset=[a,b]", "choose one dataset"),
        ("encoder={a:1}", "unknown encoder"),
        ("index=null", "choose one index"),
        (f"seed={'9' * 5000}", "cannot read 'seed=999"),
        (f"systems={'[' * 3000}{']' * 3000}", "cannot read 'systems="),
        ("name='\udcff'", "cannot read"),
    ],
)
def test_what_fuzzing_found_in_words(word, message):
    with pytest.raises(ConfigError, match=message) as caught:
        compose_run([word])
    check_line(str(caught.value))


def test_no_experiment_and_no_gate_can_be_chosen():
    settings = compose_run(["experiment=null", "gate=default", "gate=null"])
    assert (settings.name, settings.features) == (None, {})


def test_an_experiment_in_quotes_gives_the_run_its_name():
    assert compose_run(["experiment='quickstart'"]).name == "quickstart"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind: [", "mine.yaml:1 is not valid YAML"),
        ("kind: bm25\nkind: bm25\n", "mine.yaml:2 is not valid YAML: found duplicate key kind"),
        ("a: " + "9" * 5000, "mine.yaml is not valid YAML: Exceeds the limit"),
        ("&a [*a]", "mine.yaml is not valid YAML"),
        ("a: ${", "mine.yaml is not valid YAML"),
        ("5", "mine.yaml: Invalid loaded object"),
        ("- a", "mine.yaml holds a list"),
        ('about: "\\ud800"', "mine.yaml is not valid YAML: 'utf-8' codec can't encode"),
        ("# @package a b\nkind: bm25", "Too many components"),
        ("kind: 1", "system.mine has no kind"),
        ("kind: ..", "unknown system kind"),
        ('kind: "a\\nb"', r"unknown system kind 'a\\nb'"),
    ],
)
def test_what_fuzzing_found_in_files(tmp_path, content, message, capsys):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError) as caught:
        compose_run(["systems=[mine]"], [tmp_path])
    check_line(str(caught.value))
    assert message.replace("\\\\", "\\") in str(caught.value)
    assert main(["list", "systems", "--config-dir", str(tmp_path)]) in (0, 2)
    assert len(capsys.readouterr().err.splitlines()) <= 1


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "mine.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigError, match=r"mine\.yaml is not valid YAML: 'utf-8' codec"):
        compose_run([], [tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"defaults: [{'x' * 300}]", r"rules '.*mine\.yaml': \[Errno 36\] File name too long"),
        ("measures: {ndcg@10: ${", r"mine\.yaml:1 is not valid YAML"),
        ('defaults: [{"": null}]', r"mine\.yaml: 'defaults' has 'None': name an"),
        ("measures: {odcg@10: 0.1}", r"rules '.*mine\.yaml': unknown measure 'odcg@10'"),
        ("measures: {ndcg@10: .nan}", "'measures.ndcg@10' is nan"),
    ],
)
def test_what_fuzzing_found_in_rules(tmp_path, content, message):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_rules(str(tmp_path / "mine.yaml"))
    check_line(str(caught.value))


@pytest.mark.parametrize("name", ["\udcff", "x" * 300])
def test_a_folder_that_cannot_be_named_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="configuration folder") as caught:
        compose_run([], [tmp_path / name])
    check_line(str(caught.value))


@pytest.mark.parametrize("name", ["a b", "a,b", "a[b", "a'b", "a=b", "ü", "a{b}", 'a"b', "a#b"])
def test_a_folder_may_have_any_name(tmp_path, name):
    folder = tmp_path / name / "system"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("kind: bm25\n")
    assert "mine" in compose_run([], [folder.parent]).system
    rules = tmp_path / name / "rules.yaml"
    rules.write_bytes(GATE)
    assert load_rules(str(rules)).measures["ndcg@10"] == 0.01
