"""Output in another encoding than UTF-8: characters are replaced, the exit status is as ever."""

import io
import os
import subprocess
import sys
from pathlib import Path

import beir_folder
import pytest
from comparable import VALUES, results_of

from colbench.cli.main import main
from colbench.results.store import write_results

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    *("run", "train", "list", "report", "compare", "explain", "reproduce", "gate", "baseline"),
    *("cache", "completion"),
]
ENCODINGS = ("ascii", "cp1252", "latin-1")


@pytest.fixture(params=ENCODINGS)
def redirected(request, monkeypatch):
    """Call it to have the standard streams in another encoding: pytest sets its own until then.

    Returns what tells what was written so far.
    """
    return lambda: _redirect(request.param, monkeypatch)


def _redirect(encoding, monkeypatch):
    streams = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, errors in (("stdout", "strict"), ("stderr", "backslashreplace")):
        stream = io.TextIOWrapper(streams[name], encoding=encoding, errors=errors)
        monkeypatch.setattr(sys, name, stream)

    def text(name="stdout"):
        getattr(sys, name).flush()
        return streams[name].getvalue().decode(encoding)

    return text


@pytest.fixture
def folders(tmp_path, example_results):
    """Results whose names no such encoding has, and worse ones."""
    worse = {
        name: {measure: [value * 0.2 for value in values] for measure, values in known.items()}
        for name, known in VALUES.items()
    }
    for name, values in {"süß→ひ": VALUES, "worse": worse}.items():
        write_results(results_of(example_results, values, notes=["→ ひ süß"]), tmp_path / name)
    return tmp_path / "süß→ひ", tmp_path / "worse"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_is_printed(command, redirected):
    written = redirected()
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0 and "usage: colbench" in written()


def test_lists_and_mistakes_are_printed(redirected):
    written = redirected()
    for what in ("systems", "datasets", "measures", "encoders"):
        assert main(["list", what]) == 0
    assert main(["run", "dataset=süß→ひ"]) == 2
    assert "bm25" in written() and "unknown dataset" in written("stderr")


def test_every_form_of_a_report_is_printed(redirected, folders):
    written = redirected()
    good, _ = map(str, folders)
    assert main(["report", good]) == 0
    for form in ("terminal", "markdown", "html", "latex", "csv"):
        assert main(["report", good, "--format", form]) == 0
    assert "colbert_exact" in written() and "results.json" not in written("stderr")
    assert "→ ひ süß" in (folders[0] / "report.md").read_text(encoding="utf-8")


def test_a_gate_that_fails_ends_with_1(redirected, folders, tmp_path):
    written = redirected()
    good, worse = map(str, folders)
    rules = tmp_path / "rules→.yaml"
    rules.write_text("measures: {ndcg@10: 0.005}\nexact: [bm25]\ncosts: {}\n", encoding="utf-8")
    for form in ("terminal", "markdown", "json", "junit"):
        words = ["--baseline", good, "--rules", str(rules), "--format", form]
        assert main(["gate", worse, *words]) == 1
    assert "bm25" in written()


def test_comparisons_and_the_cache_are_printed(redirected, folders, tmp_path):
    written = redirected()
    good, worse = map(str, folders)
    for form in ("terminal", "markdown", "json"):
        assert main(["compare", good, worse, "--format", form]) == 0
    assert main(["cache", "list", "--dir", str(tmp_path / "→")]) == 0
    assert "bm25" in written()


@pytest.mark.nightly
def test_a_run_with_progress_in_another_encoding(tmp_path):
    place = tmp_path / "süß"
    beir_folder.write_folder(
        place, {"d1": "the → sea", "d2": "ひ"}, {"q1": "the sea"}, [("q1", "d1", 1)]
    )
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "colbench.cli.main", "run", "dataset=beir_dir"),
            *(f"dataset.path={place}", f"output_dir={tmp_path / 'out→'}", "systems=bm25"),
            *("latency.queries=1", f"cache_dir={tmp_path / 'cache'}"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"bm25" in done.stdout.decode("ascii").encode() and b"searching" in done.stderr
    assert done.stderr.decode("ascii")
    assert (tmp_path / "out→" / "report.html").is_file()
