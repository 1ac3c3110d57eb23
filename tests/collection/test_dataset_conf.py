from __future__ import annotations

from pathlib import Path

import ir_datasets
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from colbench.collection.settings import DatasetSettings, IrdsSettings

CONF = Path(__file__).resolve().parents[2] / "conf"
CHOICES = sorted(
    path.relative_to(CONF / "dataset").with_suffix("").as_posix()
    for path in (CONF / "dataset").rglob("*.yaml")
    if not path.name.startswith("_")
)
REQUIRED = {
    "irds": ["dataset.id=cranfield"],
    **dict.fromkeys(("beir_dir", "vectors"), ("dataset.path=somewhere",)),
}


def settings_of(choice, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=[f"+dataset={choice}", *REQUIRED.get(choice, []), *overrides])
    values = OmegaConf.to_container(config.dataset, throw_on_missing=True)
    return TypeAdapter(DatasetSettings).validate_python(values)


def test_the_collections_of_the_published_tables_are_there():
    groups = {choice.rpartition("/")[0] for choice in CHOICES}
    assert groups == {"", "beir", "beir/cqadupstack", "nano_beir", "lotte", "msmarco", "trec_dl"}
    assert sum(choice.startswith("beir/cqadupstack/") for choice in CHOICES) == 12
    assert sum(choice.count("/") == 1 and choice.startswith("beir/") for choice in CHOICES) == 14
    assert sum(choice.startswith("nano_beir/") for choice in CHOICES) == 13
    assert sum(choice.startswith("lotte/") for choice in CHOICES) == 12


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_is_valid_and_every_id_has_documents_queries_and_qrels(choice):
    settings = settings_of(choice, "dataset.sample.docs=10", "dataset.sample.seed=3")
    assert (settings.sample.docs, settings.sample.seed) == (10, 3)
    if isinstance(settings, IrdsSettings):
        assert settings.id in set(ir_datasets.registry)
        dataset = ir_datasets.load(settings.id)
        assert dataset.has_docs() and dataset.has_queries() and dataset.has_qrels()


@pytest.mark.parametrize("choice", CHOICES)
def test_self_hits_follow_beir_only_where_ids_mean_the_same(choice):
    without = ("irds", "beir_dir", "pydocs", "pydocs_full", "vectors")
    expected = None if choice in without else False
    if choice.startswith("beir/") and choice != "beir/msmarco":
        expected = True
    assert settings_of(choice).ignore_identical_ids == expected


@pytest.mark.parametrize(
    ("choice", "dataset_id", "query_length"),
    [
        ("beir/arguana", "beir/arguana", 64),
        ("beir/climate-fever", "beir/climate-fever", 64),
        ("beir/scifact", "beir/scifact/test", 48),
        ("beir/scidocs", "beir/scidocs", 48),
        ("beir/trec-covid", "beir/trec-covid", 48),
        ("beir/msmarco", "beir/msmarco/dev", 32),
        ("beir/dbpedia-entity", "beir/dbpedia-entity/test", 32),
        ("beir/webis-touche2020", "beir/webis-touche2020/v2", 32),
        ("nano_beir/arguana", "nano-beir/arguana", 64),
        ("msmarco/dev_small", "msmarco-passage/dev/small", 32),
        ("trec_dl/2019", "msmarco-passage/trec-dl-2019/judged", 32),
        ("lotte/pooled_search", "lotte/pooled/test/search", 32),
        ("cranfield", "cranfield", None),
    ],
)
def test_splits_and_query_lengths_are_those_of_published_numbers(choice, dataset_id, query_length):
    settings = settings_of(choice)
    assert (settings.id, settings.query_length) == (dataset_id, query_length)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_file_says_where_its_collection_comes_from(choice):
    comment = [
        line
        for line in (CONF / "dataset" / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
        if line.startswith("# Source: ")
    ]
    assert len(comment) == 1


def test_numbers_typed_on_the_command_line_are_taken_as_names():
    settings = settings_of("beir_dir", "dataset.split=2019", "dataset.name=17")
    assert (settings.split, settings.name) == ("2019", "17")
