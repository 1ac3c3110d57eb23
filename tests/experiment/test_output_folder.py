"""The output folder: claimed by one run, published as a whole, taken up where a run was killed."""

import datetime

import pytest

from colbench.errors import StorageError
from colbench.experiment import output as module
from colbench.experiment.output import OutputFolder, check_output, half_published
from colbench.results.store import read_results, write_results

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def publish(output, results, run="a run"):
    with output.claimed():
        write_results(results, output.staging)
        (output.staging / "runs").mkdir()
        (output.staging / "runs" / "bm25.trec").write_text(run)
        (output.staging / "report.md").write_text(run)
        output.publish(keep_indexes=False)


class Killed(BaseException):
    """In place of kill -9: nothing is cleaned up after it."""


@pytest.fixture
def killed_after(monkeypatch):
    """Make the n-th move of a file the last thing that happens."""

    def after(moves):
        left = [moves]

        def watch(method):
            def moved(path, target):
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                return method(path, target)

            return moved

        for name in ("rename", "replace"):
            monkeypatch.setattr(module.Path, name, watch(getattr(module.Path, name)))
        monkeypatch.setattr(module, "_remove_scratch", lambda scratch: None)

    return after


@pytest.mark.parametrize("moves", range(12))
@pytest.mark.parametrize("earlier", [True, False])
def test_a_run_killed_while_it_publishes_is_taken_up_again(
    example_results, tmp_path, killed_after, monkeypatch, moves, earlier
):
    output = OutputFolder(tmp_path / "out")
    old = example_results.model_copy(update={"command": "the old one"})
    if earlier:
        publish(output, old, "the old run")
        (tmp_path / "out" / "sweep.csv").write_text("of the old one")
    killed_after(moves)
    finished = False
    try:
        publish(output, example_results)
        finished = True
    except Killed:
        pass
    monkeypatch.undo()
    if earlier or finished:
        assert read_results(output.root) in (old, example_results)
    check_output(output.root)
    publish(output, example_results)
    assert read_results(output.root) == example_results
    assert not half_published(output.root)
    names = sorted(path.name for path in output.root.iterdir())
    assert names == ["report.md", "results.json", "runs"]
    assert (output.root / "runs" / "bm25.trec").read_text() == "a run"


def test_a_file_of_somebody_else_is_not_taken_for_one_that_was_half_published(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / ".colbench").mkdir()
    with pytest.raises(StorageError, match="holds runs but no results"):
        check_output(tmp_path)


def test_what_a_killed_run_left_in_the_folder_of_another_time_goes(
    example_results, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first = OutputFolder.choose(None, "one", NOW)
    publish(first, example_results)
    killed = OutputFolder.choose(None, "one", NOW + datetime.timedelta(hours=1))
    (killed.root / ".colbench" / "work-1" / "indexes").mkdir(parents=True)
    busy = OutputFolder.choose(None, "one", NOW + datetime.timedelta(hours=2))
    last = OutputFolder.choose(None, "one", NOW + datetime.timedelta(hours=3))
    with busy.claimed():
        busy.work.mkdir()
        publish(last, example_results)
        assert busy.work.is_dir()
    assert sorted(path.name for path in first.root.parent.iterdir()) == [
        first.root.name,
        last.root.name,
        "latest",
    ]
    assert read_results(first.root.parent / "latest") == example_results


def test_the_second_run_on_a_folder_is_told_the_process_of_the_first(tmp_path):
    output = OutputFolder(tmp_path)
    with output.claimed():
        output.work.mkdir()
        process = output.work.name.removeprefix("work-")
        told = rf"another run \(process {process} on .*, since .*\) is writing"
        with pytest.raises(StorageError, match=told), OutputFolder(tmp_path).claimed():
            pass
        assert output.work.is_dir()
    assert list(tmp_path.iterdir()) == []
