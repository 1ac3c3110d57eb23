"""Hydra's multirun: `colbench run -m index.nbits=1,2,4 search=k10,k100`, as one table.

Hydra expands the overrides into jobs and its launcher runs them, one after the other or, with
`hydra/launcher=joblib`, several at once. A job is `colbench run` in a process of its own; its
results go to a folder of its own below the common one. A job that has finished is not run again,
and equal indexes are built once.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from colbench.config.compose import check_folders, compose_run, store_root
from colbench.config.folder import conf_folder, further_folders, quoted, reason, search_path
from colbench.config.foreign import ROOT, check_hydra
from colbench.config.overrides import multirun_overrides
from colbench.digests import text_digest
from colbench.errors import ColbenchError, ConfigError
from colbench.experiment.output import OutputFolder, file_stem
from colbench.experiment.repeat import is_repeat
from colbench.files import write_json
from colbench.paths import clear_made, own_folder, refuse_foreign
from colbench.report.write import write_report
from colbench.results.axes import short_names, shown
from colbench.results.schema import Results, SweepInfo, SystemResult
from colbench.results.store import read_results, write_results
from colbench.sweep.rows import OVERLAP, with_unjudged, with_variants

_SYSTEM = "system_name"


def combine(
    runs: Sequence[tuple[dict[str, Any], Results]], *, command: str, tolerance: float = 0.005
) -> Results:
    """Return one results file with every system of every run as a variant.

    Args:
        runs: what varied in each run, and its results.
        command: that made them all.
        tolerance: loss that the advice takes for none.

    Raises:
        ConfigError: the runs are of several collections, or nothing was measured.
    """
    if len({results.collection.fingerprint for _, results in runs}) > 1:
        raise ConfigError("the runs are of several collections and make no one table")
    first = runs[0][1]
    axes = list(runs[0][0])
    labels = short_names(axes)
    measures = [m for m in first.measures if all(_has(results, m) for _, results in runs)]
    rows: list[SystemResult] = []
    variants: dict[str, dict[str, Any]] = {}
    for varied, results in runs:
        label = ", ".join(f"{labels[axis]}={shown(value)}" for axis, value in varied.items())
        for system in results.systems:
            if system.status == "ok":
                name = f"{system.name}, {label}"
                variants[name] = {_SYSTEM: system.name, **varied}
                rows.append(_row(system, name))
    unjudged = not any(results.measures for _, results in runs)
    if not rows or not (measures or unjudged):
        raise ConfigError("the runs have no system, or no measure, in common that was measured")
    named = [row for row in rows if variants[row.name][_SYSTEM] == first.config.get("reference")]
    exact = [row for row in rows if row.config.get("precision") == "fp16"]
    bare = first.model_copy(
        update={
            "command": command,
            "measures": measures,
            "systems": [],
            "documents": [],
            "queries": [query.model_copy(update={"judged": None}) for query in first.queries],
            "notes": list(dict.fromkeys(_notes([results for _, results in runs]))),
        }
    )
    info = SweepInfo(
        system="every system of the runs",
        axes={
            axis: list(dict.fromkeys(shown(variant[axis]) for variant in variants.values()))
            for axis in (_SYSTEM, *axes)
        },
        variants=variants,
        references=[],
        measure=OVERLAP if unjudged else measures[0],
        front_latency=[],
        front_bytes=[],
        advice=[],
    )
    if unjudged:
        return with_unjudged(bare, rows, info)
    return with_variants(bare, rows, (named or exact or rows)[0], info, tolerance=tolerance)


def _notes(runs: Sequence[Results]) -> list[str]:
    """Return what the runs note, and which systems they did not measure."""
    notes = [note for results in runs for note in results.notes]
    return notes + [
        f"{system.name} was not measured, {system.status}: {system.reason}"
        for results in runs
        for system in results.systems
        if system.status != "ok"
    ]


def _has(results: Results, measure: str) -> bool:
    """Return whether every system that ran has values of a measure for each query."""
    ran = [system for system in results.systems if system.status == "ok"]
    return all(measure in (system.per_query or {}) for system in ran)


def _row(system: SystemResult, name: str) -> SystemResult:
    """Return a system as a variant: without what belongs to its own run."""
    alone = {
        "name": name,
        "significance": None,
        "attribution": None,
        "top": None,
        "run_file": None,
        "per_query_file": None,
    }
    return system.model_copy(update=alone)


JOBS = "jobs"
"""Folder of the jobs' own results."""

_NOTES = ".jobs"
_INDEXES = ".indexes"
_MADE = {
    _NOTES: re.compile(r"\d+|multirun\.yaml"),
    _INDEXES: re.compile(r"(?:colbert|pooled|exact)-[0-9a-f]{16}(?:\.(?:json|lock|hits|part))?"),
}
"""Folder that is removed at the end → names of what lies in it."""


@dataclass(frozen=True)
class Done:
    """A job that has finished.

    Attributes:
        varied: the overrides that had several values, and the value it had.
        results: what it measured.
    """

    varied: dict[str, Any]
    results: Results


class Multirun:
    """Jobs from overrides with several values.

    Args:
        overrides: `KEY=VALUE` in Hydra's grammar; `output_dir` names the common folder.
        extra: further configuration folders.

    Raises:
        ConfigError: no override has several values, or an override or a file cannot be read.
    """

    def __init__(self, overrides: Sequence[str], extra: Sequence[Path] = ()) -> None:
        self.extra = list(extra)
        check_folders(extra)
        parsed = multirun_overrides(overrides, extra)
        self.overrides, self.varied = parsed.hydra, parsed.varied
        self.failed: list[str] = []
        self.own_indexes = "index_dir" not in parsed.keys
        named = parsed.output_dir
        self.root = Path(named) if named is not None else self._default_folder(parsed.experiment)

    def _default_folder(self, experiment: str | None) -> Path:
        mark = text_digest(" ".join(sorted(self.overrides)))[:6]
        return Path("results/runs/multirun") / f"{file_stem(experiment or 'run')}-{mark}"

    def run(self, command: str) -> tuple[list[Done], Results | None]:
        """Run all jobs that have not finished, and write one table of them all.

        Args:
            command: the command line, for the results.

        Returns:
            The jobs in Hydra's order, and what the folder's `results.json` holds; None where they
            are of several collections, which make no one table.

        Jobs that failed are left out, and named in `failed`; those that have finished will not run
        again.

        Raises:
            ColbenchError: every job failed.
        """
        output = OutputFolder(self.root)
        for folder, made in _MADE.items():
            refuse_foreign(self.root / folder, made)
        own_folder(self.root / JOBS)
        with output.claimed():
            done = self._run()
            output.staging.mkdir(parents=True)
            results = None
            collections = {job.results.collection.fingerprint for job in done}
            measured = any(s.status == "ok" for job in done for s in job.results.systems)
            if len(collections) == 1 and measured:
                results = combine([(job.varied, job.results) for job in done], command=command)
                if self.failed:
                    told = f"left out, failed: {', '.join(self.failed)}"
                    results = results.model_copy(update={"notes": [*results.notes, told]})
                write_results(results, output.staging)
                write_report(results, output.staging)
            output.publish(keep_indexes=False)
        return done, results

    def _run(self) -> list[Done]:
        clear_made(self.root / _NOTES, _MADE[_NOTES])
        store_root(self.extra)
        further = further_folders(self.extra)
        if self.extra:
            own = [text for text in self.overrides if text.lstrip("+~").startswith("hydra")]
            check_hydra(ROOT, self.overrides, own, further)
        before = sys.argv
        sys.argv = [
            "colbench",
            "--multirun",
            f"--config-dir={conf_folder()}",
            *self.overrides,
            f"hydra.sweep.dir={quoted(str((self.root / _NOTES).resolve()))}",
            "hydra.sweep.subdir=${hydra.job.num}",
            "hydra.output_subdir=null",
            "hydra/job_logging=none",
            "hydra/hydra_logging=none",
            *search_path(further),
        ]
        indexes = self.root.resolve() / _INDEXES if self.own_indexes else None
        job = _Job(self.root.resolve(), indexes, self.varied, self.extra)
        try:
            hydra.main(config_path=None, config_name=ROOT, version_base="1.3")(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(reason(error)) from None
        except SystemExit:
            raise ConfigError("Hydra could not start the jobs; see above") from None
        finally:
            sys.argv = before
        return self._collect()

    def _collect(self) -> list[Done]:
        done = []
        notes = (self.root / _NOTES).glob("*/job.json")
        for file in sorted(notes, key=lambda path: int(path.parent.name)):
            job = json.loads(file.read_text(encoding="utf-8"))
            if job["failed"]:
                self.failed.append(job["name"])
                continue
            done.append(Done(job["varied"], read_results(self.root / JOBS / job["name"])))
        if not done:
            raise ColbenchError(f"every job failed, see above: {', '.join(self.failed)}")
        for folder, made in _MADE.items():
            clear_made(self.root / folder, made)
        return done


class _Job:
    """What Hydra calls for each job; it travels to the processes of the launcher."""

    def __init__(
        self, root: Path, indexes: Path | None, varied: Sequence[str], extra: Sequence[Path]
    ) -> None:
        self.root = root
        self.indexes = indexes
        self.varied = list(varied)
        self.extra = list(extra)

    def __call__(self, _: Any) -> None:
        config = HydraConfig.get()
        overrides = list(config.overrides.task)
        parsed = [(o.key_or_group, o.value()) for o in map(_parsed, overrides)]
        varied = {key: value for key, value in parsed if key in self.varied}
        name = _folder_name(varied)
        try:
            done = is_repeat(compose_run(overrides, self.extra), self.root / JOBS / name)
            # 1: systems failed, others may have been measured; the results say which.
            failed = not done and self._start(name, overrides) not in (0, 1)
        except ColbenchError as error:  # Hydra would print a traceback
            print(f"colbench: {error}", file=sys.stderr)
            failed = True
        note = {"name": name, "varied": varied, "failed": failed}
        write_json(Path(config.runtime.output_dir) / "job.json", note)

    def _start(self, name: str, overrides: Sequence[str]) -> int:
        own_folder(self.root / JOBS / name)
        command = [sys.executable, "-P", "-m", "colbench.cli.main", "run", *overrides]
        command.append(f"output_dir={quoted(str(self.root / JOBS / name))}")
        if self.indexes is not None:
            command.append(f"index_dir={quoted(str(self.indexes))}")
        for folder in self.extra:
            command += ["--config-dir", str(folder)]
        print(f"job {name}", file=sys.stderr)
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode


def _parsed(override: str) -> Any:
    return OverridesParser.create().parse_overrides([override])[0]


def _folder_name(varied: dict[str, Any]) -> str:
    """Return a readable name, and a digest: distinct values have distinct folders."""
    text = "-".join(f"{key}={value}" for key, value in varied.items())
    stem = re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-.")[:60]
    return f"{stem}-{text_digest(repr(list(varied.items())))[:16]}"
