import re

import pytest

import colbench.features
from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.errors import ConfigError
from colbench.experiment.runner import Runner
from colbench.retriever.registry import system_settings


def test_defaults_compose_without_a_word():
    settings = compose_run([])
    assert settings.dataset.kind == "pydocs"
    assert set(settings.systems) <= set(settings.system)


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_composes(experiment):
    settings = compose_run([f"experiment={experiment}"])
    assert set(settings.systems) <= set(settings.system.with_parts(settings.systems))


@pytest.mark.parametrize("system", options("system"))
def test_every_system_composes_and_says_what_it_is(system):
    settings = compose_run([f"systems=[{system}]"])
    assert settings.system[system].about


@pytest.mark.parametrize("encoder", [e for e in options("encoder") if e != "custom"])
def test_every_encoder_can_serve_the_systems(encoder):
    settings = compose_run([f"encoder={encoder}", "systems=[colbert_exact]"])
    assert settings.system["colbert_exact"].encoder.model == settings.encoder.model


def test_an_experiment_is_stronger_than_a_system_file_and_weaker_than_the_command_line(tmp_path):
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text(
        "# @package _global_\nsystem:\n  bm25:\n    k1: 1.5\n    b: 0.3\nsystems: [bm25]\nk: 7\n",
        encoding="utf-8",
    )
    settings = compose_run(["experiment=mine", "system.bm25.b=0.9"], [tmp_path])
    assert (settings.name, settings.systems, settings.k) == ("mine", ["bm25"], 7)
    assert settings.system["bm25"].k1 == 1.5
    assert settings.system["bm25"].b == 0.9


def test_a_system_file_of_ones_own_joins_the_others(tmp_path):
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "bm25_long.yaml").write_text("kind: bm25\nb: 0.9\n", encoding="utf-8")
    settings = compose_run(["systems=[bm25,bm25_long]"], [tmp_path])
    assert settings.system["bm25_long"].b == 0.9


def test_one_kind_can_run_twice_under_two_names():
    settings = compose_run(
        ["+system@system.bm25_b=bm25", "system.bm25_b.b=0.1", "systems=[bm25,bm25_b]"]
    )
    systems = settings.system
    assert (systems["bm25"].b, systems["bm25_b"].b) == (0.4, 0.1)


def test_a_system_names_its_own_model():
    settings = compose_run(["system.bi_encoder.encoder=bge_small", "systems=[bi_encoder]"])
    assert "bge-small" in settings.system["bi_encoder"].encoder.model
    hub = compose_run(["system.bi_encoder.encoder=owner/model", "systems=[bi_encoder]"])
    assert hub.system["bi_encoder"].encoder.model == "owner/model"


def test_a_part_names_its_own_model_too(tmp_path):
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "first.yaml").write_text("kind: bi_encoder\nencoder: bge_small\n", encoding="utf-8")
    words = ["systems=[bm25_colbert]", "system.bm25_colbert.first_stage=first"]
    systems = compose_run(words, [tmp_path]).system.with_parts(["bm25_colbert"])
    assert "bge-small" in systems["first"].encoder.model


def test_a_broken_system_stops_those_alone_who_ask_for_it(tmp_path):
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "broken.yaml").write_text("kind: nowhere.at_all\n", encoding="utf-8")
    settings = compose_run(["systems=[bm25]"], [tmp_path])
    assert "broken" in settings.system
    for words in (["systems=[broken]"], ["systems=[bm25]", "system.broken.about=x"]):
        with pytest.raises(ConfigError, match="unknown system kind"):
            compose_run(words, [tmp_path])


def test_each_system_is_checked_once_and_stays_as_it_is(monkeypatch):
    checked = []

    def check(name, values):
        checked.append(name)
        return system_settings(name, values)

    monkeypatch.setattr("colbench.config.systems.system_settings", check)
    settings = compose_run(["systems=[colbert,bm25_colbert]", "system.bm25.k1=1.5"])
    runner = Runner(settings)
    assert runner.settings.system.with_parts(["bm25_colbert"])["bm25"] is settings.system["bm25"]
    assert settings.model_dump(mode="json")["system"]["bm25"]["k1"] == 1.5
    assert sorted(checked) == ["bm25", "bm25_colbert", "colbert"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experment=quickstart"], "unknown key 'experment': did you mean 'experiment'"),
        (["experiment=quick"], "unknown experiment 'quick': did you mean 'quickstart'"),
        (["dataset=beir/scifct"], "did you mean 'beir/scifact'"),
        (["encoder=colbertv"], "did you mean 'colbertv2'"),
        (["systems=[bm52]"], "unknown system 'bm52': did you mean 'bm25'"),
        (["systems=[bm25,bm25]"], "more than once"),
        (["systems=[]"], "'systems' is"),
        (["system.bm25.k=1"], "unknown key 'system.bm25.k': did you mean 'system.bm25.k1'"),
        (["latency.trails=4"], "did you mean 'latency.trials'"),
        (["latency.trials=2"], "'latency.trials' is 2"),
        (["latency.client=4"], "did you mean 'latency.clients'"),
        (["latency.clients=[1,0]"], "'latency.clients' is [1, 0]: 0 clients: between 1 and 256"),
        (["latency.clients=257"], "257 clients: between 1 and 256"),
        (["latency.clients=[2,1,2]"], "2 stands there twice"),
        (["latency.clients=[1.5]"], "'latency.clients.0' is 1.5"),
        (["latency.clients=many"], "'latency.clients.0' is 'many'"),
        (["latency.load_seconds=0"], "'latency.load_seconds' is 0"),
        (["latency.load_seconds=1e9"], "'latency.load_seconds' is"),
        (["system.bm25.k1=abc"], "'system.bm25.k1' is 'abc'"),
        (["atribution=false"], "did you mean 'attribution'"),
        (["k=-3"], "'k' is -3"),
        (["task=swep"], "unknown task 'swep': did you mean 'sweep'"),
        (["features.sweep=3"], "unknown key 'features.sweep'"),
        (["sweep=3"], "'sweep' is 3"),
        (["sweep.axes.k=[1]", "sweep.sytem=bm25"], "did you mean 'sweep.system'"),
        (["+foo=3"], "unknown key 'foo'"),
        (["dataset=irds"], "'dataset.id' is required"),
        (["dataset=beir_dir"], "'dataset.path' is required"),
        (["dataset.sample.doc=3"], "did you mean 'dataset.sample.docs'"),
        (
            ["dataset=beir/scifact", "dataset.ignore_identical_ids=x"],
            "'dataset.ignore_identical_ids' is 'x'",
        ),
        (["measures=[ndgc@10]"], "did you mean 'ndcg@10'"),
        (["system.bi_encoder.encoder=custom"], "does not set model"),
        (["encoder=custom"], "'encoder.model' is required"),
        (["encoder.presicion=bf16"], "did you mean 'encoder.precision'"),
        (["system=bm25"], "systems=bm25"),
        (["system.bm25=null"], "is a group of keys"),
        (["system.bm52.k1=1"], "unknown system 'bm52': did you mean 'bm25'"),
        (["system.bi_encoder_hnsw.ef_serch=3"], "did you mean 'system.bi_encoder_hnsw.ef_search'"),
        (["k=1,2"], "several values"),
        (["~k"], "cannot be removed"),
        (["name=/a (b)/c"], "quote"),
        (["reference=bm26"], "did you mean 'bm25'"),
        (["foo"], "KEY=VALUE"),
        (["system.bi_encoder.encoder=bge_smal"], "did you mean 'bge_small'"),
        (["system.bm25_colbert.first_stage=bm52"], "needed by 'bm25_colbert'"),
        (["system.bm25_colbert.first_stage=bm25_colbert"], "made of itself"),
    ],
)
def test_a_mistake_is_named_with_what_is_near(overrides, message):
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as error:
        compose_run(overrides)
    assert message in str(error.value)


def test_a_missing_configuration_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        compose_run([], [tmp_path / "nowhere"])


def test_every_key_of_the_settings_can_be_set_whether_or_not_a_file_names_it():
    settings = compose_run(
        [
            *("encoder.precision=bf16", "encoder.batch_tokens=800", "systems=[bi_encoder]"),
            "system.bi_encoder.ef_search=64",
        ]
    )
    assert settings.encoder.precision == "bf16"
    system = settings.system["bi_encoder"]
    assert (system.encoder.precision, system.encoder.batch_tokens, system.ef_search) == (
        "bf16",
        800,
        64,
    )


def test_a_system_changes_its_own_copy_of_the_encoder():
    words = [
        "system.colbert_exact.encoder.document_length=128",
        "systems=[colbert_exact,bi_encoder]",
    ]
    systems = compose_run(words).system
    assert systems["colbert_exact"].encoder.document_length == 128
    assert systems["bi_encoder"].encoder.document_length == 256


def test_a_hub_name_or_folder_needs_no_file(tmp_path):
    settings = compose_run(["encoder=owner/model-name", "systems=[colbert_exact]"])
    assert (settings.encoder.model, settings.encoder.name) == ("owner/model-name", "model-name")
    folder = tmp_path / "my checkpoint"
    folder.mkdir()
    assert compose_run([f"encoder='{folder}'"]).encoder.name == "my checkpoint"


def test_an_experiment_combines_with_other_systems_and_collections():
    settings = compose_run(
        ["experiment=quickstart", "systems=[bi_encoder,colbert_exact]", "dataset=beir/scifact"]
    )
    assert settings.reference is None and settings.dataset.id == "beir/scifact/test"


def test_the_loss_attribution_can_be_left_out():
    assert compose_run([]).model_dump(mode="json")["attribution"] is True
    assert compose_run(["attribution=false"]).attribution is False


def test_the_resolved_configuration_spells_out_every_default_of_what_runs():
    values = compose_run(["systems=[bm25_colbert]"]).model_dump(mode="json")
    assert set(values["system"]) == {"bm25", "bm25_colbert"}
    assert values["system"]["bm25"]["analyser"]["stemmer"] == "english"
    assert values["system"]["bm25_colbert"]["encoder"]["precision"] == "fp32"


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("baseline=bm25", "renamed to 'reference'"),
        ("dataset.self_hits=keep", "dataset.ignore_identical_ids=true"),
        ("system.colbert_exact.measure_gemm=true", "leave it out"),
        ("+gate_power.noise.threads.words=[]", "python -m benchmarks run experiment=gate_power"),
        ("experiment=index_speed", "python -m benchmarks run experiment=index_speed"),
    ],
)
def test_a_key_of_an_earlier_version_is_answered_with_what_to_write_now(
    monkeypatch, override, hint
):
    own = [name for name in colbench.features.REGISTERED if name.startswith("colbench.")]
    monkeypatch.setattr(colbench.features, "REGISTERED", own)  # tests of benchmarks add theirs
    with pytest.raises(ConfigError, match=re.escape(hint)):
        compose_run([override])


@pytest.mark.parametrize(
    ("given", "clients"), [("[4,1,2]", [1, 2, 4]), ("3", [3]), ("[]", []), ("null", [])]
)
def test_numbers_of_clients_are_in_order(given, clients):
    assert compose_run([f"latency.clients={given}"]).latency.clients == clients
    assert compose_run([]).latency.clients == []
