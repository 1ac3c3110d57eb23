"""The wheel carries all it needs: it runs where there is no source tree."""

import configparser
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from colbench.encoder.loading.updates import update_files

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (path,) = folder.glob("colbench-*.whl")
    return path


def test_the_wheel_holds_every_configuration_file_and_no_tests(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"colbench/{path.relative_to(ROOT).as_posix()}" in names
    assert update_files()
    for path in update_files():
        assert f"colbench/encoder/shipped/{path.name}" in names
    assert not [name for name in names if name.startswith(("tests/", "results/"))]


def test_the_wheel_brings_the_pytest_plugin(wheel):
    archive = zipfile.ZipFile(wheel)
    (path,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
    points = configparser.ConfigParser()
    points.read_string(archive.read(path).decode())
    module = points["pytest11"]["colbench"]
    assert f"{module.replace('.', '/')}.py" in archive.namelist()


@pytest.mark.nightly
def test_the_installed_command_runs_the_quickstart_from_another_folder(wheel, tmp_path):
    """Dependencies come from this environment, to spare two gigabytes; colbench from the wheel."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    site = next((home / "lib").glob("python3*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "-q"]
    subprocess.run([*install, "--no-index", str(wheel)], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    where = subprocess.run(
        [python, "-c", "import colbench; print(colbench.__file__)"],
        **{"capture_output": True, "text": True, "check": True, "cwd": elsewhere},
        env=environment,
    )
    assert where.stdout.startswith(str(site))
    done = subprocess.run(
        [home / "bin" / "colbench", "run", "--quiet", "experiment=quickstart", "systems=[bm25]"],
        **{"capture_output": True, "text": True, "check": False, "cwd": elsewhere},
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "pydocs/small" in done.stdout
    latest = elsewhere / "results" / "runs" / "quickstart" / "latest"
    assert (latest / "results.json").is_file() and (latest / "report.md").is_file()
