"""`device`: where MaxSim scans and index builds run, checked before anything else happens."""

import pytest
import sentence_transformers.util
import torch

from benchmarks.features import register
from benchmarks.index_speed.conductor import Conductor
from colbench.config.compose import compose_run
from colbench.errors import ConfigError
from colbench.experiment.bench import Bench, EncodeReply, EncodeTask
from colbench.experiment.job import Job
from colbench.experiment.runner import ENCODE, Runner
from colbench.experiment.worker import perform
from colbench.index.device import check_device, search_device

register()

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def test_it_is_a_key_of_the_run_and_its_default_is_auto():
    assert compose_run([]).device == "auto"
    assert compose_run(["device=cpu", "systems=[bm25]"]).device == "cpu"


@pytest.mark.parametrize("setting", ["cpu", "cpu:0"])
def test_every_name_of_the_cpu_is_cpu(setting):
    assert search_device(setting) == "cpu"


@needs_no_gpu
def test_auto_without_a_gpu_is_the_cpu():
    assert search_device("auto") == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_auto_with_a_gpu_is_the_gpu():
    assert torch.device(search_device("auto")).type == "cuda"


def test_auto_takes_no_device_that_only_encodes(monkeypatch):
    monkeypatch.setattr(sentence_transformers.util, "get_device_name", lambda: "meta")
    assert search_device("auto") == "cpu"


@pytest.mark.parametrize("check", [search_device, check_device])
@pytest.mark.parametrize(
    "setting",
    ["teapot", "", "meta", "cuda:99", pytest.param("cuda", marks=needs_no_gpu)],
)
def test_an_unknown_or_absent_device_is_named_with_those_there_are(setting, check):
    with pytest.raises(ConfigError, match=r"^[^\n]*choose auto, cpu or cuda$") as error:
        check(setting)
    assert f"device={setting!r}" in str(error.value)


def test_a_run_is_refused_before_its_collection_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("colbench.experiment.runner.load_collection", None)
    words = ["device=teapot", f"output_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}"]
    with pytest.raises(ConfigError, match="device='teapot'"):
        Runner(compose_run([*words, "systems=[bm25]"]), ["colbench"]).run()
    assert not any(tmp_path.iterdir())


def test_the_speed_of_the_index_is_measured_on_the_cpu_alone():
    with pytest.raises(ConfigError, match=r"^device='cuda': .*choose cpu$"):
        Conductor(compose_run(["experiment=index_speed", "device=cuda"]), ["colbench"])


def test_a_worker_gives_its_systems_the_device_of_the_job(tmp_path, monkeypatch):
    benches = []
    monkeypatch.setattr("colbench.experiment.bench.read_snapshot", lambda _: None)

    def look(task: EncodeTask, bench):
        benches.append(bench)
        return EncodeReply(docs_encoded=0, docs_cached=0, docs_per_second=None)

    monkeypatch.setattr("colbench.experiment.measurement.encode_documents", look)
    job = Job(
        entry=ENCODE,
        task=EncodeTask(encoder=compose_run([]).encoder, form="tokens"),
        bench=Bench(
            collection=tmp_path, cache=tmp_path, work=tmp_path, device="cpu:0", memory_bytes=1
        ),
        about="encoding",
        reply=tmp_path / "reply.json",
        threads=1,
    )
    perform(Job.model_validate_json(job.model_dump_json()))
    assert (benches[0].device, benches[0].search_device) == ("cpu:0", "cpu")
