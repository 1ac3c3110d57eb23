"""Every process of ours is started in one way: it ends with its conductor and waits alike."""

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.index_speed import own
from benchmarks.index_speed.vectors import VectorFiles
from colbench import processes
from colbench.config.compose import compose_run
from colbench.errors import ColbenchError
from colbench.experiment import spawn
from colbench.experiment.bench import Bench
from colbench.experiment.job import Failure, Job, Message, Reply
from colbench.experiment.worker import perform
from colbench.index.colbert.settings import IndexSettings


class Doubled(Message):
    number: int


def double(task: Doubled) -> Doubled:
    if task.number < 0:
        raise ColbenchError("too small")
    return Doubled(number=2 * task.number)


def job(number, tmp_path):
    return Job(
        entry=f"{__name__}:double",
        task=Doubled(number=number),
        about="doubling",
        reply=tmp_path / "reply.json",
        threads=1,
    )


def test_a_worker_calls_the_function_that_the_job_names(tmp_path):
    read = Job.model_validate_json(job(4, tmp_path).model_dump_json())
    assert perform(read) == Reply(value={"number": 8})
    failed = perform(job(-1, tmp_path))
    assert failed == Reply(failure=Failure(skipped=False, message="too small"))


def leave_a_process(task: Doubled) -> Doubled:
    """Start a program in a group of its own, and end as the task says."""
    left = subprocess.Popen(["sleep", "600"], process_group=0)
    if task.number:
        Path(os.environ["LEFT_AT"]).write_text(str(left.pid))
        os.kill(os.getpid(), task.number)
    return Doubled(number=left.pid)


@pytest.mark.parametrize("ending", [0, signal.SIGKILL])
def test_what_a_worker_has_started_ends_with_it(ending, tmp_path, monkeypatch):
    monkeypatch.setenv("LEFT_AT", str(tmp_path / "left"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    asked = job(int(ending), tmp_path).model_copy(update={"entry": f"{__name__}:leave_a_process"})
    reply = spawn.run_job(asked, Doubled)
    if ending:
        assert "the process was killed" in reply.message
        left = int((tmp_path / "left").read_text())
    else:
        left = reply.number
    wait_for(lambda: not psutil.pid_exists(left) or psutil.Process(left).status() == "zombie")


class Strange(BaseException):
    """No `Exception`, as some libraries raise to get past every `except`."""


def raise_strange(task: Doubled) -> Doubled:
    raise Strange("odd")


def test_what_is_no_exception_fails_in_one_line_too(tmp_path):
    reply = perform(job(1, tmp_path).model_copy(update={"entry": f"{__name__}:raise_strange"}))
    assert reply.failure.message.startswith("Strange: odd (test_spawn.py, line ")


def test_a_worker_has_the_systems_as_they_were_composed(tmp_path):
    systems = compose_run(["systems=[colbert,bm25_colbert]"]).system
    wanted = systems.with_parts(["colbert", "bm25_colbert"])
    place = {"collection": tmp_path, "cache": tmp_path, "work": tmp_path}
    bench = Bench(**place, device="cpu", memory_bytes=1, systems=wanted)
    sent = job(1, tmp_path).model_copy(update={"bench": bench})
    read = Bench.model_validate(Job.model_validate_json(sent.model_dump_json()).bench)
    assert read.systems == wanted
    assert {name: type(one) for name, one in read.systems.items()} == {
        name: type(one) for name, one in wanted.items()
    }


@pytest.fixture
def started(monkeypatch):
    """Record what is started, and start nothing."""
    seen = []

    class Process:
        pid = -1

        def __init__(self, command, *, env, stdin, start_new_session, **streams):
            assert stdin == subprocess.PIPE and start_new_session
            seen.append(env)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def wait(self):
            return 1

    monkeypatch.setattr(spawn.subprocess, "Popen", Process)
    monkeypatch.setenv("GOMP_SPINCOUNT", "77")
    return seen


def vectors(folder):
    made = VectorFiles(folder)
    made.write(iter([np.eye(4, dtype=np.float32)]), np.array([2, 2]), [np.eye(4, dtype=np.float32)])
    return made


def build(tmp_path):
    files = vectors(tmp_path / "vectors")
    place = {"folder": tmp_path / "index", "work": tmp_path, "threads": 3, "encoder": "e"}
    return own.build(files, IndexSettings(), **place)


def test_a_builder_takes_the_openmp_settings_of_every_worker(started, tmp_path):
    died = spawn.run_job(job(1, tmp_path).model_copy(update={"threads": 3}), Doubled)
    assert died.message == "the process ended with status 1 and without a reply"
    with pytest.raises(ColbenchError, match=r"^index_speed: the builder: the process ended"):
        build(tmp_path)
    worker, builder = started
    names = ("GOMP_SPINCOUNT", *processes._THREAD_VARIABLES)
    assert {name: builder[name] for name in names} == {name: worker[name] for name in names}
    assert builder["GOMP_SPINCOUNT"] == "1000" and builder["OMP_NUM_THREADS"] == "3"


def test_what_is_anothers_keeps_its_own_openmp_settings(started, tmp_path):
    spawn.run_process(["engine"], threads=1, default_openmp=True, without=["PYTHONHASHSEED"])
    assert started[0]["GOMP_SPINCOUNT"] == "77"


CONDUCTOR = """
    import sys
    from pathlib import Path
    from benchmarks.index_speed import own
    from benchmarks.index_speed.vectors import VectorFiles
    from colbench.index.colbert.settings import IndexSettings

    root = Path(sys.argv[1])
    own.build(VectorFiles(root / "vectors"), IndexSettings(), folder=root / "index", work=root,
              threads=1, encoder="e")
"""


def test_a_builder_does_not_outlive_a_killed_conductor(tmp_path):
    files = vectors(tmp_path / "vectors")
    files.lengths.unlink()
    os.mkfifo(files.lengths)  # whoever reads it waits until somebody writes
    command = [sys.executable, "-c", textwrap.dedent(CONDUCTOR), str(tmp_path)]
    with subprocess.Popen(command) as conductor:
        wait_for(lambda: psutil.Process(conductor.pid).children())
        (builder,) = psutil.Process(conductor.pid).children()
        wait_for(lambda: builder.num_threads() > 1)  # one of them looks after the conductor
        conductor.kill()
    wait_for(lambda: not builder.is_running() or builder.status() == psutil.STATUS_ZOMBIE)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_worker_for_which_memory_is_short_as_it_starts_is_a_failure_in_one_line(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (100 << 20, resource.RLIM_INFINITY))

    def popen(*words, **more):
        return subprocess.Popen(*words, preexec_fn=limit, **more)

    patched = types.SimpleNamespace(**{**vars(subprocess), "Popen": popen})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colbench.experiment.spawn.subprocess", patched)
        failed = spawn.run_job(job(4, tmp_path), Doubled)
    assert isinstance(failed, Failure) and not failed.fatal
    assert "out of memory (" in failed.message and "\n" not in failed.message


@pytest.mark.parametrize("reason", [errno.EAGAIN, errno.ENOMEM])
def test_a_worker_that_cannot_be_started_is_a_failure_in_one_line(tmp_path, monkeypatch, reason):
    def refuse(*_, **__):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("colbench.experiment.spawn.run_process", refuse)
    failed = spawn.run_job(job(4, tmp_path), Doubled)
    assert isinstance(failed, Failure) and "ulimit -u" in failed.message
