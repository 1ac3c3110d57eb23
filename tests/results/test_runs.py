"""A run beside the results is read only as it was written."""

import pytest

from colbench.digests import sha256_file
from colbench.errors import StorageError
from colbench.results.store import verified_run
from colbench.run.model import Ranking, Run
from colbench.run.trec import write_trec

RUN = Run("bm25", {"q1": Ranking.sort(["a", "b"], [2.0, 1.0])})


@pytest.fixture
def system(example_results, tmp_path):
    write_trec(RUN, tmp_path / "runs" / "bm25.trec")
    digest = sha256_file(tmp_path / "runs" / "bm25.trec")
    update = {"run_file": "runs/bm25.trec", "run_sha256": digest}
    return example_results.systems[0].model_copy(update=update)


def test_a_run_as_it_was_written_is_read(example_results, system, tmp_path):
    found = verified_run(example_results, system, tmp_path)
    assert list(found.rankings["q1"]) == list(RUN.rankings["q1"])


def test_a_run_that_was_changed_is_refused(example_results, system, tmp_path):
    file = tmp_path / system.run_file
    file.write_text(file.read_text().replace("2.0", "0.5"))
    with pytest.raises(StorageError, match=r"bm25\.trec is not the run that was evaluated"):
        verified_run(example_results, system, tmp_path)


def test_a_run_that_is_gone_is_named(example_results, system, tmp_path):
    (tmp_path / system.run_file).unlink()
    with pytest.raises(StorageError, match=r"cannot read .*bm25\.trec: No such file"):
        verified_run(example_results, system, tmp_path)


def test_a_system_without_a_run_file_says_so(example_results, tmp_path):
    with pytest.raises(StorageError, match="no run file of 'bm25'"):
        verified_run(example_results, example_results.systems[0], tmp_path)
