"""The parser of the command line: argparse, with mistakes answered in one line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from colbench.errors import did_you_mean
from colbench.printing import printable


class Parser(argparse.ArgumentParser):
    """A parser that says what was meant; its subparsers are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Print one line, without the usage, and exit with 2."""
        self.exit(2, f"colbench: {printable(message)} (see: {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
            if what == "choice":
                where = "/".join(action.option_strings) or action.metavar or action.dest
                what = f"value of {where}"
            hint = did_you_mean(str(value), map(str, action.choices))
            raise argparse.ArgumentError(None, f"unknown {what} '{value}': {hint}")

    def subcommands(self) -> dict[str, Parser]:
        """Return the parsers of subcommands, by name; none where there are none."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def chosen(self, words: Sequence[str]) -> Iterator[Parser]:
        """Yield this parser and that of each subcommand that the words name in turn."""
        yield self
        known = self.subcommands()
        for place, word in enumerate(words):
            if word in known:
                yield from known[word].chosen(words[place + 1 :])
                return

    def options(self) -> list[str]:
        """Return the options in their long form, and those that have no other."""
        known = [action.option_strings for action in self._actions if action.option_strings]
        return [next((o for o in options if o.startswith("--")), options[0]) for options in known]

    def files(self, options: argparse.Namespace, words: Sequence[str]) -> list[Path]:
        """Return the files that the command was told to write."""
        actions = [action for parser in self.chosen(words) for action in parser._actions]
        named = [getattr(options, one.dest, None) for one in actions if one.metavar == "FILE"]
        return [file for file in named if isinstance(file, Path)]

    def refuse(self, words: Sequence[str], unknown: Sequence[str]) -> NoReturn:
        """Exit for words that no parser took, with what may have been meant by the first."""
        last = list(self.chosen(words))[-1]
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            last.error(f"unexpected '{unknown[0]}'")
        name = option.partition("=")[0]
        if name in last.options():
            last.error(f"'{name}' belongs behind the command: {last.prog} {option}")
        last.error(f"unknown option '{name}': {did_you_mean(name, last.options())}")
