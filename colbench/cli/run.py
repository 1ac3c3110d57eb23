"""`colbench run`: measure systems on a collection."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from colbench.console import add_folders, add_overrides, add_wide, open_console, tell
from colbench.features import entry_point, features

if TYPE_CHECKING:
    from colbench.experiment.task import Finished

_ABOUT = """\
Measure systems on a collection and write results.json, report.md, TREC runs and per-query values.

examples:
  colbench run experiment=quickstart
  colbench run dataset=beir/scifact systems=bm25,bi_encoder,colbert_exact
  colbench run dataset=irds dataset.id=cranfield
  colbench run dataset=beir_dir dataset.path=my_collection dataset.split=test k=100
  colbench run dataset=beir/fiqa dataset.sample.docs=10000 dataset.sample.queries=100
  colbench run encoder=colbertv2 system.bi_encoder.encoder=bge_small
  colbench run encoder=custom encoder.model=path/to/checkpoint output_dir=out
  colbench run system.bm25.k1=1.2 +system@system.bm25_b=bm25 systems=bm25,bm25_b
{examples}
frequent keys (all of them: colbench run --show-config):
  dataset, dataset.sample.docs, dataset.sample.queries, encoder, systems, system.<name>.<key>,
  reference, measures, k, seed, threads, device, memory_gb, latency.queries, strict, output_dir,
  cache_dir

exit status: 0 success; 1 a system failed, the others were measured; 2 a mistake; 3 a defect of
colbench; 130 interrupted. After 1 and 130 the same command resumes.
"""


_TOLD = 3
"""Failures that are told whole at the end of a run."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    examples = [line for feature in features() for line in feature.examples]
    parser = commands.add_parser(
        "run",
        help="measure systems on a collection",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    about = _ABOUT.format(examples="".join(f"  {line}\n" for line in examples))
    parser.description = about.replace("colbench run", parser.prog)
    add_overrides(parser)
    for feature in features():
        if feature.run_options is not None:
            entry_point(feature.run_options)(parser)
    add_wide(parser)
    add_folders(parser, "systems, encoders, datasets or experiments")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Compose the configuration, do its task, show what it found."""
    arguments = list(options.overrides)
    for folder in options.config_dir:
        arguments += ["--config-dir", str(folder)]
    if getattr(options, "instead", None) is not None:  # of a feature's own option
        return int(options.instead(options, arguments))

    from colbench.config.compose import compose_run

    settings = compose_run(options.overrides, options.config_dir)
    if options.show_config:
        import yaml

        yaml.safe_dump(settings.model_dump(mode="json"), sys.stdout, sort_keys=False)
        return 0

    from colbench.experiment.task import Invocation, measure_systems
    from colbench.report.terminal import print_document

    known = features()
    watched = [entry_point(one.after_run)(settings) for one in known if one.after_run is not None]
    task = {one.name: one.task for one in known if one.task is not None}.get(settings.task)
    command = [*options.program.split(), "run", *map(shlex.quote, arguments)]
    invocation = Invocation(settings, command, options.overrides, options.config_dir)
    finished = (measure_systems if task is None else entry_point(task))(invocation)
    console = open_console()
    print_document(finished.document, console, wide=options.wide, brief=finished.brief)
    for name, where in finished.files.items():
        tell(console, name, where)
    verdicts = [after(finished, wide=options.wide) for after in watched if after is not None]
    return max([_tell_failed(finished), *map(int, verdicts)])


def _tell_failed(finished: Finished) -> int:
    """Say last which systems failed; return the exit status that this makes."""
    failed = finished.failed
    if not failed or finished.results is None:
        return 0
    count = len(finished.results.systems)
    told = "; ".join(f"{system.name}: {system.reason}" for system in failed[:_TOLD])
    if len(failed) > _TOLD:
        told += f"; {', '.join(system.name for system in failed[_TOLD:])}: see the report"
    print(
        f"colbench: {len(failed)} of {count} systems failed: {told}; the same command measures "
        "them again and keeps what was measured",
        file=sys.stderr,
    )
    return 1
