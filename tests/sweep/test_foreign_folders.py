"""A multirun and a sweep leave alone what they have not made."""

import pytest

from colbench.config.compose import compose_run
from colbench.errors import StorageError
from colbench.sweep.multirun import Multirun, _folder_name
from colbench.sweep.runner import SweepRunner

JOBS = ["systems=[bm25]", "k=10,20"]


@pytest.fixture
def theirs(tmp_path):
    """A folder that a link leads to."""
    (tmp_path / "theirs" / "0").mkdir(parents=True)
    (tmp_path / "theirs" / "0" / "kept").write_text("kept")
    return tmp_path / "theirs"


@pytest.mark.parametrize("name", [".jobs", ".indexes", "jobs"])
def test_a_multirun_refuses_a_link(tmp_path, theirs, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(theirs)
    with pytest.raises(StorageError, match=f"{name} is a link"):
        Multirun([*JOBS, f"output_dir={tmp_path / 'out'}"]).run("colbench")
    assert (theirs / "0" / "kept").exists()


@pytest.mark.parametrize("place", [".jobs/notes.txt", ".indexes/mine/a", ".indexes/colbert-x"])
def test_a_multirun_refuses_what_it_has_not_made(tmp_path, place):
    file = tmp_path / "out" / place
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(StorageError, match="not of colbench"):
        Multirun([*JOBS, f"output_dir={tmp_path / 'out'}"]).run("colbench")
    assert file.read_text() == "mine"


def test_jobs_with_other_values_have_other_folders():
    varied = [
        *({"a": "1", "b": "2-b=3"}, {"a": "1-b=2", "b": "3"}, {"a": 1, "b": 2}, {"a": "1", "b": 2}),
        *({"a": "x+y"}, {"a": "x-y"}, {"a": "X-y"}, {"a": "../x"}, {"a": ""}, {"a": "é" * 200}),
    ]
    names = [_folder_name(values) for values in varied]
    assert len({name.lower() for name in names}) == len(varied)
    assert all("/" not in name and len(name) < 100 for name in names)


@pytest.mark.parametrize("name", [".variants", ".variants/indexes"])
def test_a_sweep_refuses_a_link(tmp_path, theirs, name):
    link = tmp_path / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(theirs)
    words = ["experiment=sweep_search", "dataset=pydocs", f"output_dir={tmp_path / 'out'}"]
    runner = SweepRunner(compose_run(words))
    runner._load = lambda: None
    runner._chosen_measure = lambda: "ndcg@10"
    with pytest.raises(StorageError, match=f"{name} is a link"):
        runner.run()
    assert (theirs / "0" / "kept").exists()
