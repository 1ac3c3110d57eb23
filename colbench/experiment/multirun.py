"""Hydra's multirun: `colbench run -m index.nbits=1,2,4 search=k10,k100`.

Hydra expands the words into jobs and its launcher runs them, one after the other or, with
`hydra/launcher=joblib`, several at once. A job is `colbench run` in a process of its own; its
results go to a folder of its own below the common one. A job that has finished is not run again,
and equal indexes are built once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from colbench import __version__
from colbench.config.compose import ROOT, compose_run, resolved, store_root
from colbench.config.folder import conf_folder
from colbench.errors import ColbenchError, ConfigError, StorageError
from colbench.experiment.output import file_stem
from colbench.files import ensure_writable, write_json
from colbench.results.schema import Results
from colbench.results.store import read_results

JOBS = "jobs"
"""Folder of the jobs' own results."""

_NOTES = ".jobs"
_INDEXES = ".indexes"
_NOT_COMPARED = ("output_dir", "index_dir", "cache_dir")


class Multirun:
    """Jobs from words with several values.

    Args:
        overrides: words in Hydra's grammar; `output_dir` names the common folder.
        extra: further configuration folders.

    Raises:
        ConfigError: no word has several values, or a word cannot be read.
    """

    def __init__(self, overrides: Sequence[str], extra: Sequence[Path] = ()) -> None:
        self.extra = list(extra)
        self.words = [word for word in overrides if not word.startswith("output_dir=")]
        named = [word.partition("=")[2] for word in overrides if word.startswith("output_dir=")]
        try:
            parsed = OverridesParser.create().parse_overrides(self.words)
        except HydraException as error:
            raise ConfigError(f"cannot read the words: {str(error).splitlines()[0]}") from None
        self.varied = [o.key_or_group for o in parsed if o.is_sweep_override()]
        if not any(not key.startswith("hydra") for key in self.varied):
            raise ConfigError("-m needs a word with several values, such as index.nbits=1,2,4")
        self.root = Path(named[-1]) if named else self._default_folder()

    def _default_folder(self) -> Path:
        chosen = [w.partition("=")[2] for w in self.words if w.startswith("experiment=")]
        return Path("results/runs/multirun") / file_stem(chosen[-1] if chosen else "run")

    def run(self) -> list[tuple[dict[str, Any], Results]]:
        """Run all jobs that have not finished; return what varied in each, and its results.

        Raises:
            ColbenchError: a job failed; the others are finished and will not run again.
        """
        ensure_writable(self.root)
        shutil.rmtree(self.root / _NOTES, ignore_errors=True)
        store_root(self.extra)
        search = ",".join(f"file://{folder.resolve()}" for folder in self.extra)
        before = sys.argv
        sys.argv = [
            "colbench",
            "--multirun",
            f"--config-dir={conf_folder()}",
            *self.words,
            f"hydra.sweep.dir={(self.root / _NOTES).resolve()}",
            "hydra.sweep.subdir=${hydra.job.num}",
            "hydra.output_subdir=null",
            "hydra/job_logging=none",
            "hydra/hydra_logging=none",
            *([f"hydra.searchpath=[{search}]"] if search else []),
        ]
        job = _Job(self.root.resolve(), self.varied, self.extra)
        try:
            hydra.main(config_path=None, config_name=ROOT, version_base="1.3")(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(str(error).splitlines()[0]) from None
        except SystemExit:
            raise ConfigError("Hydra could not start the jobs; see above") from None
        finally:
            sys.argv = before
        return self._collect()

    def _collect(self) -> list[tuple[dict[str, Any], Results]]:
        found = []
        jobs = sorted(
            (self.root / _NOTES).glob("*/job.json"), key=lambda path: int(path.parent.name)
        )
        for file in jobs:
            job = json.loads(file.read_text(encoding="utf-8"))
            if job["failed"]:
                raise ColbenchError(
                    f"{job['name']}: failed, see above; the same command runs it again and keeps "
                    "the jobs that have finished"
                )
            found.append((job["varied"], read_results(self.root / JOBS / job["name"])))
        for folder in (_NOTES, _INDEXES):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        return found


class _Job:
    """What Hydra calls for each job; it travels to the processes of the launcher."""

    def __init__(self, root: Path, varied: Sequence[str], extra: Sequence[Path]) -> None:
        self.root = root
        self.varied = list(varied)
        self.extra = list(extra)

    def __call__(self, _: Any) -> None:
        config = HydraConfig.get()
        words = list(config.overrides.task)
        parsed = OverridesParser.create().parse_overrides(words)
        varied = {o.key_or_group: o.value() for o in parsed if o.key_or_group in self.varied}
        name = _folder_name(varied)
        failed = False
        if not self._finished(name, words):
            failed = bool(self._start(name, words))
        note = {"name": name, "varied": varied, "failed": failed}
        write_json(Path(config.runtime.output_dir) / "job.json", note)

    def _finished(self, name: str, words: Sequence[str]) -> bool:
        try:
            results = read_results(self.root / JOBS / name)
        except StorageError:
            return False
        wanted = resolved(compose_run(words, self.extra))
        same = _comparable(results.config) == _comparable(wanted)
        return same and results.colbench_version == __version__

    def _start(self, name: str, words: Sequence[str]) -> int:
        command = [sys.executable, "-P", "-m", "colbench.cli.main", "run", *words]
        command += [
            f"output_dir='{self.root / JOBS / name}'",
            f"index_dir='{self.root / _INDEXES}'",
        ]
        for folder in self.extra:
            command += ["--config-dir", str(folder)]
        print(f"job {name}", file=sys.stderr)
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode


def _folder_name(varied: dict[str, Any]) -> str:
    """Return a readable name, and a digest for values that look alike as file names."""
    text = "-".join(f"{key}={value}" for key, value in varied.items())
    return f"{file_stem(text)[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(config))
    return {key: value for key, value in plain.items() if key not in _NOT_COMPARED}
