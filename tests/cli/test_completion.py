"""What a shell offers on TAB, and that bash takes it."""

import shlex
import shutil
import subprocess
import sys

import pytest

from colbench.cli.completion import _SCRIPTS, completions
from colbench.cli.main import build_parser, main


def offered(line):
    """What is offered for a line after `colbench `, its last word being typed."""
    words = line.split(" ")
    return completions(build_parser(), words)


@pytest.mark.parametrize(
    ("line", "some", "none"),
    [
        ("", ["run", "report", "completion"], ["words", "--help"]),
        ("re", ["report", "reproduce"], ["run"]),
        ("run --q", ["--quiet"], ["--wide"]),
        ("run ", ["dataset=", "systems=", "latency.queries=", "encoder="], ["run"]),
        ("run --quiet dataset=beir/sci", ["dataset=beir/scifact"], ["dataset=vaswani"]),
        ("run systems=", ["systems=bm25"], []),
        ("run systems=bm25,colb", ["systems=bm25,colbert"], ["systems=bm25,bm25"]),
        ("run systems=[bm25,colb", ["systems=[bm25,colbert"], []),
        ("run measures=ndcg@10,mr", ["measures=ndcg@10,mrr@10"], []),
        ("run reference=bm2", ["reference=bm25"], []),
        ("run system.bm25.", ["system.bm25.k1="], ["system.bm25."]),
        ("run system.bi_encoder.encoder=mini", ["system.bi_encoder.encoder=minilm"], []),
        ("train train=", ["train=colbertv2"], []),
        ("list ", ["systems", "datasets"], []),
        ("baseline ", ["accept"], []),
        ("gate x --format ", ["junit", "json"], []),
        ("completion ", ["bash", "zsh", "fish"], ["words"]),
    ],
)
def test_what_can_follow_is_offered(line, some, none):
    found = offered(line)
    assert set(some) <= set(found) and not set(none) & set(found)
    assert all(word.startswith(line.split(" ")[-1]) for word in found)


@pytest.mark.parametrize("line", ["report ", "run --config-dir ", "gate x --baseline ", "run zz"])
def test_where_nothing_is_known_the_shell_offers_files(line):
    assert offered(line) == []


def test_systems_of_ones_own_are_offered(tmp_path):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "mine.yaml").write_text("kind: ./mine.py\n", encoding="utf-8")
    found = completions(build_parser(), ["run", "--config-dir", str(tmp_path), "systems=mi"])
    assert found == ["systems=mine"]


def test_words_are_found_without_the_heavy_libraries():
    code = (
        "import sys; from colbench.cli.main import main; "
        "main(['completion', 'words', '--', 'run', 'systems=']); "
        "heavy = {'torch', 'transformers', 'numba', 'faiss', 'ranx'} & {*sys.modules}; "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "systems=bm25\n" in done.stdout


@pytest.fixture
def script(capsys):
    def printed(shell):
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return printed


def test_bash_completes_with_its_script(script, tmp_path):
    program = tmp_path / "colbench"
    command = f'exec {shlex.quote(sys.executable)} -m colbench.cli.main "$@"'
    program.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    program.chmod(0o755)
    tried = f"""
        PATH={shlex.quote(str(tmp_path))}:$PATH
        {script("bash")}
        complete -p colbench
        try() {{
            COMP_LINE=$1 COMP_POINT=${{#1}} COMPREPLY=()
            _colbench
            echo "$1 > ${{COMPREPLY[*]}}"
        }}
        try "colbench rep"
        try "colbench run dataset=beir/scif"
        try "colbench run systems=bm25,colbert_exa"
    """
    done = subprocess.run(["bash", "-c", tried], capture_output=True, text=True, check=False)
    assert "complete -F _colbench colbench" in done.stdout, done.stderr
    assert "colbench rep > report reproduce" in done.stdout
    # Bash replaces what stands behind the equals sign alone.
    assert "colbench run dataset=beir/scif > beir/scifact" in done.stdout
    exact = "bm25,colbert_exact bm25,colbert_exact_int8"
    assert f"colbench run systems=bm25,colbert_exa > {exact}" in done.stdout


@pytest.mark.parametrize("shell", sorted(_SCRIPTS))
def test_a_script_is_one_that_its_shell_can_read(shell, script):
    text = script(shell)
    assert "completion words --" in text and text.endswith("\n")
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}, which is not here, to check its syntax")
    subprocess.run([shell, "-n"], input=text, text=True, check=True)
