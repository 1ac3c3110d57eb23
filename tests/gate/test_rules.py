"""Rules: the shipped ones, one's own, and what is wrong with them."""

import pytest

from colbench.cli.main import main
from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.errors import ConfigError
from colbench.gate.rules import GateRules, load_rules


@pytest.mark.parametrize("name", list(options("gate")))
def test_shipped_rules_are_right(name):
    assert load_rules(name).measures


def test_rules_of_ones_own_begin_with_the_shipped_ones(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [default, _self_]\nalpha: 0.01\nmeasures: {map: 0.02}\n")
    rules = load_rules(str(file))
    assert (rules.alpha, rules.measures["map"], rules.measures["ndcg@10"]) == (0.01, 0.02, 0.005)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("measures: {ndgc@10: 0.1}", "did you mean"),
        ("measures: {ndcg@10: 0.1}\nalhpa: 0.1", "did you mean 'alpha'"),
        ("measures: {ndcg@10: 2}", "measures.ndcg@10"),
        ("measures: {}", "measures"),
        ("alpha: 0.05", "measures"),
        ("measures: [", "rules"),
        ("defaults: [nothing]", "rules"),
        ("measures: {ndcg@10: 0.1}\nmust_find: [{query: q}]", "must_find"),
        ("measures: {ndcg@10: 0.1}\nexact: [bm52]", "did you mean 'bm25'"),
        ("measures: {ndcg@10: 0.1}\nsystems: []", "systems"),
        ("measures: {ndcg@10: 0.1}\nsystems: [bm25, bm25]", "twice"),
    ],
)
def test_a_mistake_in_rules_is_told_in_one_line(tmp_path, content, told):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=told) as refused:
        load_rules(str(file))
    assert "\n" not in str(refused.value)


def test_unknown_rules_name_what_is_near():
    with pytest.raises(ConfigError, match="did you mean 'default'"):
        load_rules("defualt")


def test_a_run_takes_a_gate_by_name_or_by_its_keys():
    assert compose_run([]).feature(GateRules) is None
    named = compose_run(["gate=default", "gate.baseline=b.json"]).feature(GateRules)
    keyed = compose_run(["gate.baseline=b.json"]).feature(GateRules)
    assert named == keyed and str(named.baseline) == "b.json"
    changed = compose_run(["gate=default", "gate.measures.map=0.01"]).feature(GateRules)
    assert changed.measures["map"] == 0.01
    with pytest.raises(ConfigError, match=r"did you mean 'gate\.alpha'"):
        compose_run(["gate.alhpa=0.1"])
    with pytest.raises(ConfigError, match="unknown gate 'must'"):
        compose_run(["gate=must"])


def test_another_ending_is_refused_where_another_file_would_be_read(tmp_path):
    (tmp_path / "mine.yaml").write_text("measures: {ndcg@10: 0.5}\n")
    (tmp_path / "mine.yml").write_text("measures: {ndcg@10: 0.001}\n")
    with pytest.raises(ConfigError, match=r"name the file \.yaml"):
        load_rules(str(tmp_path / "mine.yml"))


@pytest.mark.parametrize("words", [["experiment=sweep_search"], ["task=sweep"]])
def test_what_cannot_be_gated_says_so_before_any_work(words, capsys):
    assert main(["run", *words, "gate.baseline=nowhere.json"]) == 2
    assert "cannot be gated" in capsys.readouterr().err


def test_a_multirun_has_no_gate(capsys):
    assert main(["run", "-m", "k=10,100", "gate=default", "gate.baseline=b.json"]) == 2
    assert "gate each with colbench gate" in capsys.readouterr().err
