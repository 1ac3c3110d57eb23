"""`colbench.load_collection`: what a name, a folder or a collection stands for."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import colbench
from colbench.collection.load import load_collection as load_from
from colbench.config.compose import compose_run


@pytest.fixture
def inside(examples, monkeypatch):
    monkeypatch.chdir(examples)
    return examples


def test_a_folder_is_loaded_as_on_the_command_line(inside):
    words = ["dataset=beir_dir", "dataset.path=my_folder"]
    known = load_from(compose_run(words).dataset)
    for given in ("my_folder", Path("my_folder"), str(inside / "my_folder")):
        assert colbench.load_collection(given) == known
    assert known.qrels == {"q1": {"paris": 2, "berlin": 0}, "q2": {"tides": 1}}


def test_a_name_stands_for_what_the_command_line_loads(irds_home):
    words = ["dataset=beir/scifact", "dataset.sample.docs=50", "dataset.sample.queries=5"]
    known = load_from(compose_run(words).dataset)
    found = colbench.load_collection("beir/scifact", sample={"docs": 50, "queries": 5})
    assert found == known and found.query_length == 48
    assert found.name.startswith("beir/scifact/test")
    train = colbench.load_collection("beir/scifact", split="train", sample={"queries": 3})
    assert train.name.startswith("beir/scifact/train") and len(train.queries) == 3
    whole = colbench.load_collection("beir/scifact/test", query_length=48)
    assert whole.fingerprint == colbench.load_collection("beir/scifact").fingerprint


def test_a_split_is_another_file_of_the_folder(inside):
    with gzip.open(inside / "my_folder" / "qrels" / "dev.tsv.gz", "wt") as stream:
        stream.write("q2\ttides\t3\n")
    found = colbench.load_collection("my_folder", split="dev", name="mine")
    assert found.name == "mine" and found.qrels == {"q2": {"tides": 3}}
    with pytest.raises(colbench.DataError, match="has no split 'tset': did you mean 'test'"):
        colbench.load_collection("my_folder", split="tset")


def test_a_path_is_a_folder_and_a_text_a_name_first(inside):
    Path("cranfield").symlink_to("my_folder")
    assert len(colbench.load_collection(Path("cranfield")).documents) == 4


def test_what_is_no_collection_is_told_with_what_is_near():
    with pytest.raises(colbench.ConfigError, match="did you mean 'beir/scifact'"):
        colbench.load_collection("beir/scifcat")
    with pytest.raises(colbench.DataError, match=r"there is no folder '\./nowhere'"):
        colbench.load_collection("./nowhere")
    with pytest.raises(colbench.ConfigError, match="of type int"):
        colbench.load_collection(3)
    with pytest.raises(colbench.ConfigError, match=r"unknown key 'dataset\.splti': did you mean"):
        colbench.load_collection("pydocs", splti="test")


def test_a_collection_made_by_hand_is_checked(tiny_collection):
    assert colbench.load_collection(tiny_collection).fingerprint == tiny_collection.fingerprint
    twice = replace(tiny_collection, documents=[*tiny_collection.documents] * 2)
    with pytest.raises(colbench.DataError, match="'d1' is used twice"):
        colbench.load_collection(twice)
    with pytest.raises(colbench.DataError, match="grades are whole numbers"):
        colbench.load_collection(replace(tiny_collection, qrels={"q1": {"d1": 0.5}}))
    with pytest.raises(colbench.DataError, match="documents are Document"):
        colbench.load_collection(replace(tiny_collection, documents=["a text"]))
    with pytest.raises(colbench.ConfigError, match="in memory has its settings already"):
        colbench.load_collection(tiny_collection, split="test")


def test_a_folder_of_vectors_is_loaded_and_searched_by_functions(tmp_path):
    rng = np.random.default_rng(0)
    sides = []
    for name, count in (("d", 4), ("q", 2)):
        matrices = rng.standard_normal((count, 3, 16)).astype(np.float32)
        matrices /= np.linalg.norm(matrices, axis=2, keepdims=True)
        sides.append({f"{name}{number}": matrix for number, matrix in enumerate(matrices)})
    folder = colbench.write_vectors(tmp_path / "vectors", *sides, {"q0": {"d1": 1}})
    collection = colbench.load_collection(folder)
    assert collection.given is not None and len(collection.documents) == 4
    assert colbench.load_collection(collection) is collection
    held = colbench.run(
        dataset=collection,
        systems=["bm25", lambda query, k: ["d1"]],
        output_dir=tmp_path / "out",
        measures="mrr@3",
        latency={"queries": 1},
    )
    assert [system.status for system in held.systems] == ["skipped", "ok"]
    assert held["lambda"].effectiveness["mrr@3"] == 1.0
