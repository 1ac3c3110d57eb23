"""A training replaces no model, and no folder, that no training has made."""

import pytest

from colbench.errors import StorageError
from colbench.results.checksummed import write_checksummed
from colbench.train.saving import check_place


@pytest.mark.parametrize("name", ["model", ".model.new", ".model.old"])
def test_a_training_refuses_a_link(tmp_path, name):
    theirs = tmp_path / "theirs" / "0"
    theirs.mkdir(parents=True)
    (theirs / "kept").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(theirs)
    with pytest.raises(StorageError, match=f"{name} is a link"):
        check_place(tmp_path / "out")


@pytest.mark.parametrize("name", ["model/config.json", "update.safetensors"])
def test_a_training_refuses_what_it_has_not_made(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(StorageError, match="is not of a training"):
        check_place(tmp_path)
    assert file.read_text() == "mine"


def test_a_training_keeps_a_file_that_was_put_into_its_model(tmp_path):
    (tmp_path / "model").mkdir()
    write_checksummed(tmp_path / "train.json", {"model_sha256": {"config.json": "0"}})
    for name in ("config.json", "README.md"):
        (tmp_path / "model" / name).write_text("made")
    check_place(tmp_path)
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"'notes\.txt', which is not of colbench"):
        check_place(tmp_path)
