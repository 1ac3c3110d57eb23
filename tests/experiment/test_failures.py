"""One failing part does not take the rest: failed rows, what is kept, and what is done again."""

import beir_folder
import pytest

from colbench.experiment import spawn
from colbench.experiment.job import Job, Message
from colbench.experiment.measurement import _one_a_query
from colbench.experiment.worker import perform
from colbench.report.csv import csv_text
from colbench.report.html.page import render_html
from colbench.report.latex import render_latex
from colbench.report.tidy import tidy
from colbench.results.store import read_results

MODULE = """
import ctypes, os, sys
import numpy as np
from colbench.hits import top_k
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings


class Settings(SystemSettings):
    end: str = "well"


class Fragile(Retriever):
    Settings = Settings

    def build(self):
        end = os.environ.get("FRAGILE", self.settings.end)
        if end == "raises":
            raise ValueError("the weather\\nis bad")
        if end == "crashes":
            sys.stderr.write("on its way down\\n")
            ctypes.string_at(0)
        if end == "killed":
            os.kill(os.getpid(), 9)
        if end == "exits":
            raise SystemExit(4)
        if end == "asks":
            input("May I? ")
        if end == "starves":
            raise MemoryError
        self.lengths = np.array([-len(text) for text in self.bench.collection.texts])

    def encode(self, queries):
        return queries

    def search(self, queries, k):
        return [top_k(self.bench.all_docs, self.lengths, k, self.bench.ranks) for _ in queries]

    def size(self):
        return IndexSize()


SYSTEM = Fragile
"""
ENDS = ("raises", "crashes", "killed", "exits", "starves", "asks")
DOCUMENTS = {f"d{n:02d}": f"tide number {n} of the {'sea' if n % 3 else 'lake'}" for n in range(20)}
QUERIES = {f"q{n}": f"tide {n}" for n in range(4)}
QRELS = [(f"q{n}", f"d{n:02d}", 1) for n in range(4)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to work in, with a collection and a module beside the user."""
    place = tmp_path_factory.mktemp("failures")
    beir_folder.write_folder(place / "data", DOCUMENTS, QUERIES, QRELS)
    (place / "fragile.py").write_text(MODULE, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def colbench(fork_server, place):
    def run(output, *overrides, **env):
        words = [
            *("run", "--quiet", "dataset=beir_dir", "dataset.path=data", f"output_dir={output}"),
            *("cache_dir=cache", "latency.queries=2", "measures=ndcg@5", *overrides),
        ]
        return fork_server.run(*words, cwd=place, env=env)

    return run


def systems(*ends):
    """Overrides that make a system of each way to end."""
    return [
        word
        for end in ends
        for word in (f"system.{end}.kind=./fragile.py", f"system.{end}.end={end}")
    ]


@pytest.fixture(scope="module")
def failed(colbench, place):
    chosen = f"systems=bm25,{','.join(ENDS)}"
    return colbench("out", chosen, *systems(*ENDS)), place / "out"


def test_systems_that_fail_are_rows_beside_those_that_ran(failed):
    done, output = failed
    assert done.returncode == 1
    rows = {row.name: row for row in read_results(output).systems}
    assert [row.status for row in rows.values()] == ["ok", *["failed"] * len(ENDS)]
    assert rows["bm25"].effectiveness["ndcg@5"] > 0
    assert rows["raises"].reason.startswith("ValueError: the weather (fragile.py, line ")
    assert rows["crashes"].reason.startswith("the process was ended by SIGSEGV")
    assert "memory" in rows["killed"].reason and "memory_gb" in rows["starves"].reason
    assert rows["exits"].reason.startswith("SystemExit: 4")
    assert rows["asks"].reason.startswith("EOFError")  # it would wait for ever
    assert all("\n" not in row.reason for row in rows.values() if row.reason)
    assert "is bad" in (output / rows["raises"].log).read_text(encoding="utf-8")
    assert "in build" in (output / rows["crashes"].log).read_text(encoding="utf-8")
    assert list(rows["raises"].metadata["module_sha256"]) == ["fragile.py"]


def test_no_crash_reaches_the_user_as_it_is(failed):
    told = failed[0].stderr
    assert "6 of 7 systems failed: raises: ValueError: the weather" in told
    assert "Fatal Python error" not in told and "Traceback" not in told


def test_every_report_names_what_failed_and_why(failed):
    done, output = failed
    results = read_results(output)
    page = render_html([results])
    for text in (
        done.stdout,
        (output / "report.md").read_text(encoding="utf-8"),
        page,
        render_latex([results]),
        csv_text(tidy(results)),
    ):
        assert "the weather" in text and "failed" in text


def test_what_has_finished_is_not_measured_again(colbench, place):
    chosen = ["systems=bm25,raises", *systems("raises")]
    assert colbench("again", *chosen).returncode == 1
    before = read_results(place / "again").systems[0]
    done = colbench("again", *chosen, FRAGILE="well")
    assert done.returncode == 0, done.stderr
    results = read_results(place / "again")
    bm25, mended = results.systems
    assert mended.status == "ok"
    assert bm25.latency_ms == before.latency_ms and bm25.build_seconds == before.build_seconds
    assert any(note.startswith("bm25: measured before") for note in results.notes)
    assert not (place / "again" / ".unfinished").exists()
    assert not (place / "again" / "logs").exists()
    fresh = colbench("again", *chosen, FRAGILE="well")
    assert fresh.returncode == 0, fresh.stderr
    assert read_results(place / "again").systems[0].latency_ms != before.latency_ms


def test_what_was_measured_otherwise_is_measured_again(colbench, place):
    chosen = ["systems=bm25,raises", *systems("raises")]
    assert colbench("other", *chosen).returncode == 1
    for change in ("system.bm25.k1=1.3", "k=5", "seed=3"):
        assert colbench("other", *chosen, change).returncode == 1
        notes = read_results(place / "other").notes
        assert not any(note.startswith("bm25: measured before") for note in notes), change
    assert colbench("other", *chosen, "k=5").returncode == 1
    notes = read_results(place / "other").notes
    assert any(note.startswith("bm25: measured before") for note in notes)


def test_strict_stops_at_once_and_leaves_earlier_results(colbench, place, failed):
    before = (failed[1] / "results.json").read_bytes()
    done = colbench("out", "systems=raises,bm25", *systems("raises"), "strict=true")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "raises: ValueError: the weather" in done.stderr and "(strict=true)" in done.stderr
    log = done.stderr.rpartition("log: ")[2].strip()
    assert "is bad" in (place / log).read_text(encoding="utf-8")
    assert (failed[1] / "results.json").read_bytes() == before


def test_a_log_is_written_through_no_link(colbench, place):
    (place / "theirs").write_text("theirs")
    (place / "strict" / ".unfinished").mkdir(parents=True)
    (place / "strict" / ".unfinished" / "raises.log").symlink_to(place / "theirs")
    done = colbench("strict", "systems=raises,bm25", *systems("raises"), "strict=true")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (place / "theirs").read_text() == "theirs"


def test_where_all_fail_there_are_rows_and_a_message(colbench, place):
    done = colbench("all", "systems=raises,exits", *systems("raises", "exits"))
    assert done.returncode == 1
    assert "2 of 2 systems failed" in done.stderr and "Traceback" not in done.stderr
    rows = read_results(place / "all").systems
    assert [row.status for row in rows] == ["failed", "failed"]
    assert "the weather" in (place / "all" / "report.md").read_text(encoding="utf-8")


def test_without_its_encoder_a_system_fails_and_the_others_go_on(colbench, place):
    model = place / "damaged"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"no tensors")
    done = colbench("encoder", "systems=colbert_exact,bm25", "encoder=./damaged")
    assert done.returncode == 1, done.stderr
    exact, bm25 = read_results(place / "encoder").systems
    assert (exact.status, bm25.status) == ("failed", "ok")
    assert exact.reason.startswith("encoding with damaged: ")


def test_a_failed_system_fails_the_gate_and_is_named_in_a_comparison(
    failed, fork_server, colbench, place
):
    done = colbench("base", "systems=bm25,raises", *systems("raises"), FRAGILE="well")
    assert done.returncode == 0, done.stderr
    gated = fork_server.run("gate", "out", "--baseline", "base", cwd=place)
    assert gated.returncode == 1
    assert "raises" in gated.stdout and "it failed: ValueError" in gated.stdout
    against = fork_server.run("gate", "base", "--baseline", "out", cwd=place)
    assert against.returncode in (1, 2)  # a baseline without it cannot pass for one with it
    compared = fork_server.run("compare", "base", "out", cwd=place)
    assert compared.returncode == 0, compared.stderr
    assert "failed in B: ValueError: the weather" in " ".join(compared.stdout.split())
    chosen = fork_server.run("compare", "base", "out", "--systems", "raises", cwd=place)
    assert chosen.returncode == 2 and "'raises' failed in B: ValueError" in chosen.stderr


def test_a_variant_that_fails_is_a_row_and_the_others_are_measured(colbench, place):
    words = [
        *("task=sweep", "systems=bm25", "system.fragile.kind=./fragile.py"),
        *("sweep.system=fragile", "sweep.axes={end: [well, raises, crashes]}"),
    ]
    done = colbench("sweep", *words)
    assert done.returncode == 1, done.stderr
    results = read_results(place / "sweep")
    status = {row.name: row.status for row in results.systems}
    ends = {"end=well": "ok", "end=raises": "failed", "end=crashes": "failed"}
    assert status == {"bm25": "ok", **ends}
    assert list(results.sweep.variants) == ["end=well"]
    assert "the weather" in (place / "sweep" / "report.md").read_text(encoding="utf-8")


def test_a_job_of_a_multirun_that_fails_leaves_a_table_of_the_others(colbench, place):
    words = ["-m", "systems=fragile", "system.fragile.kind=./fragile.py"]
    done = colbench("jobs", *words, "system.fragile.end=well,raises")
    assert done.returncode == 1, done.stderr
    results = read_results(place / "jobs")
    assert [row.name for row in results.systems] == ["fragile, end=well"]
    assert any("failed: ValueError" in note for note in results.notes)


class Wish(Message):
    error: str


def wished(wish: Wish) -> Wish:
    raise {"oserror": OSError(28, "No space left on device"), "runtime": RuntimeError("a\nb")}[
        wish.error
    ]


@pytest.mark.parametrize(
    ("error", "fatal", "message"),
    [
        ("oserror", True, "OSError: [Errno 28]"),
        ("runtime", False, "RuntimeError: a (test_failures"),
    ],
)
def test_a_worker_tells_a_full_disk_from_other_errors(tmp_path, error, fatal, message):
    job = Job(
        entry=f"{__name__}:wished",
        task=Wish(error=error),
        about="wishing",
        reply=tmp_path / "reply.json",
        threads=1,
    )
    failure = perform(job).failure
    assert failure.fatal is fatal and failure.message.startswith(message)
    assert "Traceback" in failure.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            "Traceback (most recent call last):\n  File x\nKeyError: 'a'\nFatal Python error: x\n",
            "KeyError: 'a'",
        ),
        ("terminate called after throwing\n  what():  bad_alloc\nAborted\n", "what():  bad_alloc"),
        ("some words\n", "some words"),
        ("", ""),
    ],
)
def test_the_last_words_of_a_process_are_those_about_an_error(tmp_path, log, told):
    file = tmp_path / "log"
    file.write_text(log, encoding="utf-8")
    assert spawn.last_words(file) == told
    assert spawn.last_words(tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("hits", "found"),
    [(None, "not NoneType"), ([], "not 0 of nothing"), (["d1", "d2"], "not 2 of str")],
)
def test_what_a_search_returns_is_told_where_it_is_no_result(hits, found):
    with pytest.raises(TypeError, match=f"a list of 2 Hits, one a query, {found}"):
        _one_a_query(hits, 2)
