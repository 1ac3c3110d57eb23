"""`colbench train`: fine-tune an encoder or a cross-encoder."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbench.console import add_folders, add_overrides, open_console, tell
from colbench.errors import ConfigError

if TYPE_CHECKING:
    from colbench.config.settings import RunSettings


_DEFAULT = "train=colbert"

_ABOUT = """\
Fine-tune the run's encoder or cross-encoder with sentence-transformers' trainer and save it as a
checkpoint that `colbench run` measures. Writes train.json, report.md with the learning curve, and
model/ with a model card. The judged queries and documents of the dataset are never trained on.

examples:
  colbench train train=colbert dataset=beir/scifact encoder=minilm output_dir=out
  colbench train train=colbertv2 dataset=beir/scifact output_dir=out
  colbench train train=cross_encoder dataset=beir/scifact output_dir=out
  colbench train train=colbert dataset=beir/scifact train.queries=50 output_dir=out
  colbench train dataset=pydocs dataset.split=test train.student.update=lora output_dir=out
  colbench run dataset.split=test encoder=custom encoder.model=out/model systems=colbert_exact

An interrupted training goes on where it was when the same command is given again; recipes: colbench
list recipes. The exit status is 2 when the training stopped before its last step.

frequent keys (all of them: colbench train --show-config):
  train, train.sources, train.queries, train.protect, train.negatives, train.teacher, train.loss,
  train.student, train.epochs, train.batch_size, train.learning_rate, train.dev, dataset, encoder,
  cross_encoder, seed, threads, output_dir
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "train",
        help="fine-tune an encoder or a cross-encoder",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_overrides(parser)
    parser.add_argument(
        "--fresh", action="store_true", help="begin again, whatever checkpoints output_dir holds"
    )
    add_folders(parser, "recipes, encoders, datasets or experiments")
    parser.set_defaults(action=train)


def train(options: argparse.Namespace) -> int:
    """Compose the configuration, train, print the result."""
    settings = compose_train(options.overrides, options.config_dir)
    if options.show_config:
        import yaml

        yaml.safe_dump(settings.model_dump(mode="json"), sys.stdout, sort_keys=False)
        return 0

    from colbench.report.terminal import print_document
    from colbench.train.conductor import Trainer
    from colbench.train.report import train_summary

    folders = [word for folder in options.config_dir for word in ("--config-dir", str(folder))]
    command = [*options.program.split(), "train", *map(shlex.quote, [*options.overrides, *folders])]
    trainer = Trainer(settings, command, options.config_dir, fresh=options.fresh)
    results, folder = trainer.run()
    console = open_console()
    print_document(train_summary(results), console)
    tell(console, "model", folder / "model")
    tell(console, "results", folder / "train.json")
    tell(console, "report", folder / "report.md")
    if results.stopped is not None:
        print(f"colbench: training stopped early: {results.stopped}", file=sys.stderr)
        return 2
    return 0


def compose_train(overrides: Sequence[str], extra: Sequence[Path] = ()) -> RunSettings:
    """Compose and check the configuration of a training; `train=colbert` where none is chosen.

    Args:
        overrides: Hydra overrides, such as `train=colbertv2` or `train.queries=50`.
        extra: further configuration folders.

    Raises:
        ConfigError: an unknown key, option or value, no recipe, or a gate.
    """
    from colbench.config.compose import compose_run
    from colbench.train.settings import TrainSettings

    chosen = any(word.lstrip("+/").startswith(("train=", "experiment=")) for word in overrides)
    settings = compose_run([*([] if chosen else [_DEFAULT]), *overrides], extra)
    if settings.feature(TrainSettings) is None:
        raise ConfigError(f"no recipe is chosen: add an override such as {_DEFAULT}")
    if "gate" in settings.features:
        raise ConfigError("a training is not gated: gate a run of the model it makes")
    return settings
