"""`colbench completion`: words that a shell offers on TAB.

The script of a shell is a few lines that call `colbench completion words` with what was typed; the
words come from the parser and from the configuration as it is then, so that a script need not be
made again. (shtab writes fixed scripts, none for fish, and knows options only; argcomplete would
have to run ahead of the parser in every command; Hydra's own completes nothing but a Hydra
application.)
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from colbench.cli.parser import Parser

_ABOUT = """\
Print the completion script of a shell.

  bash   echo 'source <(colbench completion bash)' >> ~/.bashrc
  zsh    echo 'source <(colbench completion zsh)' >> ~/.zshrc        after compinit
  fish   colbench completion fish > ~/.config/fish/completions/colbench.fish
"""

_BASH = """\
# Completion of colbench for bash: source <(colbench completion bash)
_colbench() {
    local line=${COMP_LINE:0:COMP_POINT} typed reply
    local -a words
    # Split at blanks alone: bash itself splits at "=" and ":" as well.
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    typed=${words[${#words[@]}-1]}
    COMPREPLY=()
    while IFS= read -r reply; do
        # Bash replaces what stands after the last "=" or ":" only.
        local kept=${typed%"${typed##*[=:]}"}
        COMPREPLY+=("${reply#"$kept"}")
    done < <("${words[0]}" completion words -- "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o default 2>/dev/null
    elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=./,] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _colbench colbench
"""

_ZSH = """\
#compdef colbench
# Completion of colbench for zsh, after compinit: source <(colbench completion zsh)
_colbench() {
    local -a replies whole open
    replies=("${(@f)$("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    replies=("${(@)replies:#}")
    if (( ! ${#replies} )); then
        _files
        return
    fi
    open=("${(@M)replies:#*[=./,]}")
    whole=("${(@)replies:#*[=./,]}")
    (( ${#whole} )) && compadd -Q -- "${whole[@]}"
    (( ${#open} )) && compadd -Q -S '' -- "${open[@]}"
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _colbench "$@"
else
    compdef _colbench colbench
fi
"""

_FISH = """\
# Completion of colbench for fish, in ~/.config/fish/completions/colbench.fish
function __colbench_words
    set -l words (commandline -opc) (commandline -ct)
    $words[1] completion words -- $words[2..-1] 2>/dev/null
end
complete -c colbench -f -n 'test (count (__colbench_words)) -gt 0' -a '(__colbench_words)'
complete -c colbench -F -n 'test (count (__colbench_words)) -eq 0'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_LISTS = {"systems": "system", "measures": None}
"""Keys with a list of names → their group; None for what `list` knows in another way."""


def add_parser(commands: Any, whole: Parser) -> None:
    """Add the subcommand.

    Args:
        commands: of the whole command line.
        whole: its parser.
    """
    parser = commands.add_parser(
        "completion",
        help="print the completion script of bash, zsh or fish",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=[*_SCRIPTS, "words"], metavar="bash|zsh|fish")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(action=partial(complete, whole))


def complete(whole: Parser, options: argparse.Namespace) -> int:
    """Print a script, or the words for what was typed so far."""
    if options.shell != "words":
        print(_SCRIPTS[options.shell], end="")
        return 0
    with contextlib.redirect_stderr(io.StringIO()):  # nothing may come between the words
        found = completions(whole, options.words)
    sys.stdout.writelines(f"{word}\n" for word in found)
    return 0


def completions(whole: Parser, words: Sequence[str]) -> list[str]:
    """Return what the last word can become.

    Args:
        whole: the parser of the command line.
        words: after `colbench`, the last of them being typed, perhaps empty.

    Returns:
        Whole words, sorted; nothing where the shell had better offer files.
    """
    *before, typed = words or [""]
    parser = list(whole.chosen(before))[-1]
    known = parser.subcommands()
    if typed.startswith("-"):
        found: Iterable[str] = parser.options()
    elif before and (action := _option(parser, before[-1])) is not None and action.nargs != 0:
        found = map(str, action.choices or [])
    elif known:
        found = known
    else:
        found = [*_choices(parser), *_overrides(parser, before, typed)]
    return sorted({word for word in found if word.startswith(typed)} - {"words"})


def _option(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    return parser._option_string_actions.get(word)


def _choices(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings and action.choices:
            yield from map(str, action.choices)


def _overrides(parser: Any, before: Sequence[str], typed: str) -> Iterator[str]:
    """Yield keys, and behind an equals sign the names that they can take."""
    if not any(action.dest == "overrides" for action in parser._actions):
        return
    from colbench.config.folder import groups, options

    extra = [Path(b) for a, b in pairwise(before) if a == "--config-dir"]
    name, equals, value = typed.partition("=")
    key = name.lstrip("+")
    if not equals:
        yield from (f"{key}=" for key in _keys(groups()))
        if (parts := key.split("."))[0] == "system" and len(parts) > 2:
            yield from _system_keys(parts[1], extra)
        else:
            yield from (f"system.{name}." for name in options("system", extra))
        return
    if key in _LISTS:
        done, comma, _ = value.rpartition(",")
        start = f"{name}={done}{comma}" if comma else f"{name}={'[' if value[:1] == '[' else ''}"
        taken = done.lstrip("[").split(",")
        known = _measures() if key == "measures" else options("system", extra)
        yield from (f"{start}{one}" for one in known if one not in taken)
    elif key in groups() or key.rpartition(".")[2] in ("encoder", "index", "search"):
        yield from (f"{name}={one}" for one in options(key.rpartition(".")[2], extra))
    elif key in ("reference", "system.bm25_colbert.first_stage"):
        yield from (f"{name}={one}" for one in options("system", extra))


def _keys(groups: Iterable[str]) -> Iterator[str]:
    """Yield the groups and the plain keys of `config.yaml`, those of groups of keys in full."""
    from colbench.config.folder import conf_folder, read_yaml

    yield from (group for group in groups if group != "system")
    for key, value in read_yaml(conf_folder() / "config.yaml").items():
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in value)
        elif key != "defaults":
            yield key


def _system_keys(name: str, extra: Sequence[Path]) -> Iterator[str]:
    from colbench.config.folder import options, read_yaml

    file = options("system", extra).get(name)
    if file is not None:
        yield from (f"system.{name}.{key}=" for key in read_yaml(file) if key != "defaults")


def _measures() -> list[str]:
    from colbench.measures.catalogue import METRICS

    return [
        f"{name}@10" if metric.parameter in ("k", "k?") else name
        for name, metric in METRICS.items()
    ]
