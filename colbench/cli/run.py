"""`colbench run`: measure systems on a collection."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from colbench.cli.output import add_wide
from colbench.cli.words import add_folders, add_words
from colbench.errors import ConfigError
from colbench.gate.command import gate_run, open_baseline

if TYPE_CHECKING:
    from rich.console import Console

    from colbench.config.settings import RunSettings

_ABOUT = """\
Measure systems on a collection and write results.json, report.md, TREC runs and per-query values.

examples:
  colbench run experiment=quickstart
  colbench run dataset=beir/scifact systems=[bm25,bi_encoder,colbert_exact]
  colbench run dataset=irds dataset.id=cranfield
  colbench run dataset=beir_dir dataset.path=my_collection dataset.split=test k=100
  colbench run dataset=beir/fiqa dataset.sample.docs=10000 dataset.sample.queries=100
  colbench run encoder=colbertv2 system.bi_encoder.encoder=bge_small
  colbench run encoder=custom encoder.model=path/to/checkpoint output_dir=out
  colbench run experiment=sweep_compression dataset=beir/scifact
  colbench run -m index.nbits=1,2,4 search=k10,k100 systems=[colbert]
  colbench run experiment=quickstart gate=default gate.baseline=results/quickstart
  colbench run system.bm25.k1=1.2 +system@system.bm25_b=bm25 systems=[bm25,bm25_b]

frequent keys (all of them: colbench run --show-config):
  dataset, dataset.sample.docs, dataset.sample.queries, encoder, systems, system.<name>.<key>,
  baseline, measures, k, seed, threads, device, memory_gb, latency.queries, strict, output_dir,
  cache_dir
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "run",
        help="measure systems on a collection",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_words(parser)
    parser.add_argument(
        "-m",
        "--multirun",
        action="store_true",
        help="run all combinations of words with several values, such as index.nbits=1,2,4",
    )
    add_wide(parser)
    add_folders(parser, "systems, encoders, datasets or experiments")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Compose the configuration, run it, print the table."""
    from colbench.config.compose import compose_run

    folders = [word for folder in options.config_dir for word in ("--config-dir", str(folder))]
    words = [*(["-m"] if options.multirun else []), *options.overrides, *folders]
    command = ["colbench", "run", *map(shlex.quote, words)]
    if options.multirun:
        return _multirun(options, command)
    settings = compose_run(options.overrides, options.config_dir)
    if options.show_config:
        import yaml

        from colbench.config.compose import resolved

        yaml.safe_dump(resolved(settings), sys.stdout, sort_keys=False)
        return 0

    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 200)
    if settings.gate is not None and settings.task != "systems":
        raise ConfigError(
            f"task={settings.task} cannot be gated: gate a run of systems, or set gate=null"
        )
    if settings.task == "index_speed":
        return _index_speed(settings, command, console)
    if settings.task == "encode_speed":
        return _encode_speed(settings, command, options, console)
    if settings.task == "gate_power":
        return _gate_power(settings, command, options, console)
    baseline = open_baseline(settings.gate) if settings.gate else None

    from colbench.experiment.runner import Runner
    from colbench.report.run import run_document
    from colbench.report.terminal import print_document
    from colbench.sweep.runner import SweepRunner

    if settings.task == "sweep":
        results, folder = SweepRunner(settings, command, options.config_dir).run()
    else:
        results, folder = Runner(settings, command).run()
    print_document(run_document(results), console, wide=options.wide, brief=True)
    console.print(f"results: {folder / 'results.json'}", soft_wrap=True)
    console.print(f"report:  {folder / 'report.html'}, and report.md beside it", soft_wrap=True)
    if settings.gate is None or baseline is None:
        return 0
    from colbench.gate.sides import GatedSide

    return gate_run(GatedSide.of_results(folder, results), baseline, settings.gate)


def _index_speed(settings: RunSettings, command: list[str], console: Console) -> int:
    from benchmarks.index_speed.conductor import Conductor
    from benchmarks.index_speed.report import index_speed_document
    from colbench.report.terminal import print_document

    results, folder = Conductor(settings, command).run()
    print_document(index_speed_document(results), console)
    console.print(f"results: {folder / 'index_speed.json'}", soft_wrap=True)
    console.print(f"report:  {folder / 'report.md'}", soft_wrap=True)
    return 0


def _encode_speed(
    settings: RunSettings, command: list[str], options: argparse.Namespace, console: Console
) -> int:
    from benchmarks.encode_speed.conductor import Conductor
    from benchmarks.encode_speed.report import encode_speed_document
    from colbench.report.terminal import print_document

    results, folder = Conductor(settings, command, options.overrides, options.config_dir).run()
    print_document(encode_speed_document(results), console)
    console.print(f"results: {folder / 'encode_speed.json'}", soft_wrap=True)
    console.print(f"report:  {folder / 'report.md'}", soft_wrap=True)
    return 0


def _gate_power(
    settings: RunSettings, command: list[str], options: argparse.Namespace, console: Console
) -> int:
    from benchmarks.gate_power.conductor import Conductor
    from benchmarks.gate_power.report import gate_power_document
    from colbench.report.terminal import print_document

    results, folder = Conductor(settings, command, options.overrides, options.config_dir).run()
    print_document(gate_power_document(results), console)
    console.print(f"results: {folder / 'gate_power.json'}", soft_wrap=True)
    console.print(f"report:  {folder / 'report.md'}", soft_wrap=True)
    return 0


def _multirun(options: argparse.Namespace, command: list[str]) -> int:
    from rich.console import Console

    from colbench.report.run import run_document
    from colbench.report.terminal import print_document
    from colbench.sweep.multirun import JOBS, Multirun

    if options.show_config:
        raise ConfigError("-m has a configuration for every job: show that of one without -m")
    if any(word.lstrip("+").split("=")[0].split(".")[0] == "gate" for word in options.overrides):
        raise ConfigError("-m has no gate: run the jobs, then gate each with colbench gate")
    jobs = Multirun(options.overrides, options.config_dir)
    done, results = jobs.run(" ".join(command))
    console = Console(width=None if sys.stdout.isatty() else 200)
    for one in [results] if results else [job.results for job in done]:
        print_document(run_document(one), console, wide=options.wide, brief=True)
    if results:
        console.print(f"results: {jobs.root / 'results.json'}", soft_wrap=True)
        console.print(f"report:  {jobs.root / 'report.html'}", soft_wrap=True)
    console.print(f"jobs:    {jobs.root / JOBS}", soft_wrap=True)
    return 0
