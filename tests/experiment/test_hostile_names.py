"""A whole run of a configuration that names systems after folders, and after each other."""

import beir_folder
import pytest
import yaml

from colbench.results.store import read_results
from colbench.run.trec import read_trec

DOCUMENTS = {
    "one": "the sea and the moon and the sea",
    "two": "the sea is deep and wide and long and far away from here",
    "three": "bread is baked",
}


@pytest.fixture
def place(tmp_path):
    """A collection, and a folder of somebody's that a system is named after."""
    beir_folder.write_folder(
        tmp_path / "data", DOCUMENTS, {"q": "sea moon deep"}, [("q", "two", 1), ("q", "one", 0)]
    )
    (tmp_path / "victim" / "deep").mkdir(parents=True)
    (tmp_path / "victim" / "deep" / "kept").write_text("kept")
    return tmp_path


def test_no_system_deletes_a_folder_or_has_the_numbers_of_another(fork_server, place):
    victim = str(place / "victim")
    systems = {
        victim: {"kind": "bm25"},
        "../../../../victim": {"kind": "bm25"},
        "a+b": {"kind": "bm25", "b": 0.0},
        "a-b": {"kind": "bm25", "b": 1.0, "k1": 0.1},
    }
    experiment = {"system": systems, "systems": list(systems), "name": "../../victim"}
    (place / "conf" / "experiment").mkdir(parents=True)
    text = f"# @package _global_\n{yaml.safe_dump(experiment)}"
    (place / "conf" / "experiment" / "mine.yaml").write_text(text)
    done = fork_server.run(
        *("run", "--quiet", "experiment=mine", "dataset=beir_dir", "--config-dir", place / "conf"),
        *(f"dataset.path={place / 'data'}", f"output_dir={place / 'out'}", "k=3"),
        *(f"cache_dir={place / 'cache'}", "measures=[ndcg@3]", "latency.queries=1"),
    )
    assert done.returncode == 0, done.stderr
    assert (place / "victim" / "deep" / "kept").read_text() == "kept"
    assert sorted(path.name for path in place.iterdir()) == [
        *("cache", "conf", "data", "out", "victim")
    ]
    found = {system.name: system for system in read_results(place / "out").systems}
    assert set(found) == set(systems)
    files = {place / "out" / system.run_file for system in found.values()}
    assert files == set((place / "out" / "runs").iterdir()) and len(files) == len(systems)
    one, other = (read_trec(place / "out" / found[name].run_file) for name in ("a+b", "a-b"))
    assert (one.name, other.name) == ("a+b", "a-b")
    assert one.rankings["q"].scores.tolist() != other.rankings["q"].scores.tolist()
