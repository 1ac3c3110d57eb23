import pytest

from colbench.cli.main import main


def test_list_shows_the_figures_and_runs_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "beir/scifact", "--list", "--model", "minilm-l6"]) == 0
    out = capsys.readouterr().out
    assert "all-minilm-l6-v2-tokens/qdrant/beir/scifact/ndcg@10" in out and "0.7072" in out
    assert "colbertv2" not in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["beir/scifct"], "unknown dataset 'beir/scifct': did you mean 'beir/scifact'"),
        (["beir/scifact", "--model", "colbertv3"], "did you mean 'colbertv2'"),
        (["beir/scifact", "systems=[bm25]"], "systems is decided by the published figures"),
        (["beir/scifact", "--from", "nowhere"], "cannot read nowhere"),
        (["beir/scifact", "threads=1", "--from", "nowhere"], "--from runs nothing"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""
