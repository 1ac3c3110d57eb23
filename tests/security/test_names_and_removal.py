"""Items 1 and 2: names are not paths, distinct names have distinct files, and nothing is deleted
that was not made."""

from __future__ import annotations

import contextlib
import unicodedata

import beir_folder
import numpy as np
import pytest
import yaml
from fake_encoder import FakeEncoder
from variants import name, names, one_line, tree, trials

from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError, StorageError
from colbench.experiment.output import OutputFolder, file_stem
from colbench.paths import plain_name
from colbench.results.store import read_results, write_results
from colbench.retriever.registry import system_folder
from colbench.run.trec import read_trec

OWN = [
    *(".colbench", ".unfinished", "runs", "per_query", "pictures", "logs", "stages", "indexes"),
    *(".colbench/replacing", ".colbench/placing", "steps", "stages/bm25", "indexes/shared"),
]
"""Folders of an output folder that are colbench's own."""


def publish(root, results):
    """Do what a run does with its output folder."""
    output = OutputFolder(root)
    with output.claimed():
        write_results(results, output.staging)
        for system in results.systems:
            for file in (
                output.run_file(system.name),
                output.per_query_file(system.name),
                output.stage_file(system.name, "exact"),
                output.log_file(system.name),
            ):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(system.name, "utf-8", "surrogatepass")
            system_folder(output.indexes, system.name).mkdir(parents=True)
        output.publish(keep_indexes=True)


def named(results, chosen):
    """Return results of systems with these names."""
    system = results.systems[0]
    rows = [
        system.model_copy(
            update={
                "name": one,
                "run_file": f"runs/{plain_name(one)}.trec",
                "run_sha256": "0" * 64,
                "per_query_file": f"per_query/{plain_name(one)}.json",
            }
        )
        for one in chosen
    ]
    return results.model_copy(update={"systems": rows, "reference": chosen[0]})


@trials(fixed=5, nightly=200)
def test_1_and_2_names_are_one_part_of_a_path_and_distinct(draw, tmp_path):
    chosen = names(draw, 30)
    files = [plain_name(one) for one in chosen]
    folded = {unicodedata.normalize("NFKC", file).casefold() for file in files}
    assert len(folded) == len(chosen)
    folders = {system_folder(tmp_path, one).name.casefold() for one in chosen}
    assert len(folders) == len(chosen)
    assert not folders & {"shared", "sweep", "exact", "token_vectors"}
    for one in chosen:
        for file in (plain_name(one), file_stem(one)):
            assert (tmp_path / file).parent == tmp_path and file.isascii() and file.strip("._-")


@trials(fixed=3)
def test_1_and_2_an_output_folder_holds_what_any_names_lead_to(
    draw, example_results, tmp_path, theirs
):
    results = named(example_results, names(draw, 8))
    for _ in range(2):
        publish(tmp_path / "out", results)
        runs = [file.read_text("utf-8") for file in (tmp_path / "out" / "runs").iterdir()]
        assert sorted(runs) == sorted(system.name for system in results.systems)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "theirs"]


@trials(fixed=4)
def test_1_no_link_of_an_output_folder_is_followed(draw, example_results, tmp_path, theirs):
    """Planted before a run, or while it goes on; beside results, or where there are none."""
    out, place, late = tmp_path / "out", draw.choice(OWN), draw.random() < 0.5
    results = named(example_results, ["bm25", name(draw)])
    if draw.random() < 0.7:
        publish(out, results)

    def plant():
        if (out / place).exists():
            (out / place).rename(tmp_path / "aside")
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).symlink_to(draw.choice([theirs, theirs / "photos", tmp_path / "nowhere"]))

    output = OutputFolder(out)
    with contextlib.suppress(StorageError):
        if not late:
            plant()
        with output.claimed():
            write_results(results, output.staging)
            if late and not place.startswith(".colbench/"):
                plant()
            output.publish(keep_indexes=False)
    assert not (tmp_path / "nowhere").exists()


@trials(fixed=4)
def test_1_files_of_the_owner_in_an_output_folder_stay(draw, example_results, tmp_path):
    out = tmp_path / "out"
    results = named(example_results, ["bm25", "other"])
    publish(out, results)
    file = out / draw.choice(OWN[2:8]) / draw.choice(["mine.txt", "me.png", "mine/x", ".hidden"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    with pytest.raises(StorageError) as refused:
        publish(out, results)
    assert "not of colbench" in one_line(refused.value)
    assert file.read_text() == "mine" and read_results(out) == results


class Words(FakeEncoder):
    """An encoder of the cache's own tests, in a few lines."""

    settings = EncoderSettings(name="words", model="words")
    form, dims = Form.TOKENS, 4
    fingerprint = document_fingerprint = "a" * 64

    def encode_documents(self, texts):
        return [np.eye(4, dtype=np.float32)[: 1 + len(text) % 3] for text in texts]

    encode_queries = encode_documents


@trials(fixed=4)
def test_1_no_link_of_the_cache_is_followed(draw, tmp_path, theirs):
    cache = EmbeddingCache(tmp_path / "cache")
    embed_documents(Words(), ["one"], cache, description="documents")
    space = cache.root / Words.fingerprint
    place = draw.choice(
        [
            *(space, cache.root / "models", cache.root / "collections", cache.root / "locks"),
            *(space / ("0" * 32), space / "photos", space / f".{'0' * 32}.1.tmp"),
            *(space / "space.json", space / "last_used", cache.root / "models" / ("a" * 64)),
            next(path for path in space.iterdir() if path.is_dir()),
        ]
    )
    if place.exists():
        place.rename(tmp_path / "aside")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(draw.choice([theirs, theirs / "photos"]))
    for work in draw.sample([_fill, _prune], 2):
        try:
            work(cache)
        except ColbenchError as error:
            one_line(error)


def _fill(cache):
    embed_documents(Words(), ["two", "three"], cache, description="documents")


def _prune(cache):
    cache.prune(everything=True)


@pytest.mark.nightly
@trials(fixed=0, nightly=6)
def test_1_and_2_a_whole_run_of_hostile_names(draw, fork_server, tmp_path, theirs):
    documents = {f"d{n}": f"tide number {n} of the {'sea' if n % 3 else 'lake'}" for n in range(9)}
    beir_folder.write_folder(tmp_path / "data", documents, {"q": "sea tide 3"}, [("q", "d1", 1)])
    chosen = [str(theirs / "photos"), "../../../../theirs", *names(draw, 3)]
    settings = {one: {"kind": "bm25", "k1": 0.1 + place} for place, one in enumerate(chosen)}
    content = {"system": settings, "systems": chosen, "name": name(draw)}
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.write_text(f"# @package _global_\n{yaml.safe_dump(content)}", encoding="utf-8")
    done = fork_server.run(
        *("run", "--quiet", "experiment=mine", "dataset=beir_dir", "k=3", "latency.queries=1"),
        *("--config-dir", tmp_path / "conf", f"dataset.path={tmp_path / 'data'}"),
        *(f"output_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}", "measures=[ndcg@3]"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert set(tree(tmp_path)) & {"out", "conf", "data", "cache", "theirs"} == {
        path.name for path in tmp_path.iterdir()
    }
    rows = read_results(tmp_path / "out").systems
    assert [row.name for row in rows] == chosen
    assert [read_trec(tmp_path / "out" / row.run_file).name for row in rows] == chosen
    assert len({row.run_file for row in rows}) == len(chosen)
