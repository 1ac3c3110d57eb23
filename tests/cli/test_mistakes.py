"""What is typed wrong is answered in one line, and where a file cannot go is told before work."""

import pytest

from colbench.cli.main import main
from colbench.results.store import write_results


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "unknown command 'rnu': did you mean 'run'?"),
        (["lists"], "did you mean 'list'?"),
        (["baseline", "acept"], "did you mean 'accept'?"),
        (["cache", "purne"], "did you mean 'prune'?"),
        (["list", "sistems"], "did you mean 'systems'?"),
        (["qqqq"], "choose from: baseline, cache, compare"),
        (["run", "--quite"], "unknown option '--quite': did you mean '--quiet'?"),
        (["report", "x", "--formt=html"], "unknown option '--formt': did you mean '--format'?"),
        (["report", "x", "--format", "htm"], "did you mean 'html'?"),
        (["cache", "list", "--dri=x"], "did you mean '--dir'?"),
        (["completion", "fihs"], "did you mean 'fish'?"),
        (["--quiet", "run"], "'--quiet' belongs behind the command: colbench run --quiet"),
        (["report"], "results"),
    ],
)
def test_a_word_that_is_not_known_is_answered_with_the_nearest(words, told, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert told in error and error.startswith("colbench: ") and error.count("\n") == 1
    assert "--help)" in error


@pytest.mark.parametrize(
    "words",
    [["{}"], ["gate", "--baseline=x", "y", "{}"], ["run", "--{}"], ["list", "{}"], ["cache", "{}"]],
)
def test_a_mistake_is_told_without_what_moves_a_cursor_or_commands_a_ci(words, capsys):
    with pytest.raises(SystemExit):
        main([word.format("x\x1b[31m\n::add-mask::y") for word in words])
    error = capsys.readouterr().err
    assert "\x1b" not in error and "::add-mask" not in error and error.count("\n") == 1


def test_a_defect_is_told_without_them_either(capsys, monkeypatch):
    def fails(*_):
        raise ValueError("x\x1b[31m\n::add-mask::y")

    monkeypatch.setattr("colbench.encoder.cache.store.EmbeddingCache", fails)
    assert main(["cache", "list"]) == 3
    error = capsys.readouterr().err
    assert "Traceback" in error and "\x1b" not in error and "\n::add-mask" not in error


@pytest.mark.parametrize("option", ["--output", "--json", "--markdown", "--junit"])
def test_where_a_file_cannot_be_written_is_told_before_anything_is_read(option, tmp_path, capsys):
    (tmp_path / "file").touch()
    for place, why in ((tmp_path, "it is a folder"), (tmp_path / "file" / "x", "is no folder")):
        words = ["gate", "nowhere", "--baseline", "nowhere", option, str(place)]
        assert main(words) == 2
        error = capsys.readouterr().err
        assert why in error and "nowhere" not in error and error.count("\n") == 1


def test_a_report_into_a_folder_that_is_to_be_made_is_written(tmp_path, capsys, example_results):
    write_results(example_results, tmp_path)
    file = tmp_path / "new" / "deep" / "report.csv"
    assert main(["report", str(tmp_path), "--format", "csv", "--output", str(file)]) == 0
    assert "colbert_exact" in file.read_text(encoding="utf-8")
