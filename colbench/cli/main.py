"""Entry point of the `colbench` command: reads the arguments, calls a subcommand, prints errors.

Only what takes no memory is imported at once: where memory is short, the rest may fail to load, and
that is one line too.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

import colbench
from colbench.cli.parser import Parser
from colbench.errors import ColbenchError
from colbench.features import entry_point, features
from colbench.shortage import careful_threads, shortage, too_little_to_start

_ABOUT = """\
Evaluation and benchmarking harness for late-interaction (ColBERT) retrieval.

  colbench run experiment=quickstart              six to nine minutes on two cores, offline
  colbench run dataset=beir/scifact systems=bm25,colbert_exact
  colbench list systems                           what can run; also datasets, encoders, measures
"""


def build_parser(program: str = "colbench") -> Parser:
    """Return the parser with every subcommand.

    Args:
        program: what is typed before the subcommand.
    """
    from colbench.cli import cache, completion, listing, report, run

    parser = Parser(
        prog=program, description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(program=program)
    parser.add_argument("--version", action="version", version=f"colbench {colbench.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in (run, listing, report):
        module.add_parser(commands)
    for feature in features():
        for command in feature.commands:
            entry_point(command)(commands)
    cache.add_parser(commands)
    completion.add_parser(commands, parser)
    return parser


def main(arguments: Sequence[str] | None = None, program: str = "colbench") -> int:
    """Run the command line.

    Args:
        arguments: the words after the program; None takes those of this process.
        program: what is typed before the subcommand.

    Returns:
        0 on success, 1 when a gate finds a regression or a system failed, 2 for a mistake the user
        can correct, a training that stopped early or what a gate cannot judge, 3 for a defect, 130
        when interrupted.
    """
    if (message := too_little_to_start()) is not None:
        print(f"colbench: {message}", file=sys.stderr)
        return ColbenchError.exit_code
    os.environ.update(careful_threads())
    try:
        return _run(arguments, program)
    except ColbenchError as error:
        print(f"colbench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("colbench: interrupted; the same command resumes", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # not 1, which would pass for a regression
        if (message := shortage(error)) is not None:
            print(f"colbench: {ColbenchError(message)}", file=sys.stderr)
            return ColbenchError.exit_code
        traceback.print_exc()
        return 3


def _run(arguments: Sequence[str] | None, program: str) -> int:
    from colbench.console import take_any_text
    from colbench.files import check_target
    from colbench.progress import quieted

    take_any_text()
    parser = build_parser(program)
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = _parse(parser, words)
    if options.command is None:
        parser.print_help()
        return 0
    action: Callable[[argparse.Namespace], int] = options.action
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for file in parser.files(options, words):
        check_target(file)
    with quieted(getattr(options, "quiet", False)):
        return action(options)


def _parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse; overrides of a configuration may stand before and after options such as -m."""
    options, rest = parser.parse_known_args(words)
    if rest and (not hasattr(options, "overrides") or any(word.startswith("-") for word in rest)):
        parser.refuse(words, rest)
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


if __name__ == "__main__":
    sys.exit(main())
