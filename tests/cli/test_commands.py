import pytest

import colbench
from colbench.cli.main import main
from colbench.results.store import write_results


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("systems", "colbert_exact"),
        ("datasets", "beir/scifact"),
        ("encoders", "minilm"),
        ("cross_encoders", "ms_marco_minilm_l6"),
        ("experiments", "quickstart"),
        ("measures", "ndcg"),
    ],
)
def test_list_shows_what_can_be_chosen_with_a_line_about_each(capsys, what, expected):
    assert main(["list", what]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    (row,) = [line for line in lines if line.split()[0].startswith(expected + "@")] or [
        line for line in lines if line.split()[0].removesuffix("[@K]") == expected
    ]
    assert len(row.split()) > 1


def test_no_command_prints_the_help(capsys):
    assert main([]) == 0
    assert "colbench run experiment=quickstart" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert colbench.__version__ in capsys.readouterr().out


def test_a_mistake_is_one_line_on_standard_error_and_status_2(capsys):
    assert main(["run", "dataset=beir/scifct"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("colbench: unknown dataset 'beir/scifct'")


def test_show_config_prints_the_resolved_configuration_and_stops(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "system.bm25.k1=1.25", "--show-config"]) == 0
    assert "k1: 1.25" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("told", "width"), [("100", 100), ("72", 72), ("0", 200), ("wide", 200), ("", 200)]
)
def test_columns_is_honoured_where_output_is_no_terminal(
    capsys, tmp_path, example_results, monkeypatch, told, width
):
    write_results(example_results, tmp_path)
    monkeypatch.setenv("COLUMNS", told)
    assert main(["report", str(tmp_path), "--format", "terminal"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert max(map(len, lines)) <= width
    assert (len([line for line in lines if "colbert_exact" in line]) > 1) == (width < 150)


@pytest.mark.parametrize("command", [["list", "systems"], ["reproduce", "beir/scifact", "--list"]])
def test_every_command_honours_columns(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(command) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 70


def test_report_is_made_again_from_results_alone(capsys, tmp_path, example_results):
    write_results(example_results, tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    assert "0.7072" in capsys.readouterr().out
    assert "0.7072" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_report_of_nothing_is_one_line(capsys, tmp_path):
    assert main(["report", str(tmp_path)]) == 2
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize("after", [True, False])
def test_a_cache_folder_is_named_before_or_after_the_verb(capsys, tmp_path, monkeypatch, after):
    monkeypatch.setenv("COLBENCH_CACHE", str(tmp_path / "other"))
    folder = ["--dir", str(tmp_path / "chosen")]
    for verb in (["list"], ["prune", "--all"]):
        assert main(["cache", *verb, *folder] if after else ["cache", *folder, *verb]) == 0
    out = "".join(capsys.readouterr().out.split())
    assert str(tmp_path / "chosen") in out and str(tmp_path / "other") not in out
    assert "freed0B" in out


def test_without_a_folder_the_cache_is_the_users(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLBENCH_CACHE", str(tmp_path / "mine"))
    assert main(["cache", "list"]) == 0
    assert str(tmp_path / "mine") in "".join(capsys.readouterr().out.split())
