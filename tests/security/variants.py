"""What strangers would try, drawn at random: the name of a trial is its seed.

The first trials of a test are the same every time and take a moment. The others are drawn anew each
day, or from COLBENCH_SECURITY_SEED, and are marked `nightly`.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import random
from pathlib import Path

import pytest

SEED = int(os.environ.get("COLBENCH_SECURITY_SEED", datetime.date.today().toordinal()))
MORE = int(os.environ.get("COLBENCH_SECURITY_TRIALS", "30"))


def trials(fixed: int = 3, nightly: int = MORE):
    """Parametrise a test by `draw`, the random numbers of a trial.

    Args:
        fixed: trials that are part of `make test`; the same every time.
        nightly: further ones.
    """
    seeds = [(f"fixed-{number}", ()) for number in range(fixed)]
    seeds += [(f"{SEED}-{number}", pytest.mark.nightly) for number in range(nightly)]
    return pytest.mark.parametrize(
        "draw", [pytest.param(seed, marks=marks, id=seed) for seed, marks in seeds], indirect=True
    )


PARTS = [
    *("a", "b", "A", "é", "e\u0301", "ß", "ſ", "K", "\u212a", "İ", "日本", "x" * 120, "0", "1"),
    *("/", "//", "\\", "..", "../", "/..", ".", "~", "~/", "-", "--", "_", " ", "+", "=", "@", ";"),
    *("con", "nul", "COM1", "aux.trec", "shared", "sweep", "exact", "runs", "pictures", "latest"),
    *(".colbench", ".unfinished", "work-1", "results.json", "manifest.json", "*", "?", "$HOME"),
    *("%2e%2e%2f", "\u202e", "\ufeff", "\u200b", "::add-mask::", "##[error]", "<b>", "|", "`", "'"),
]
"""Pieces of names; none has a control character, which are refused wherever names are read."""

CONTROL = [
    *("\n", "\r", "\r\n", "\x1b[31m", "\x1b]0;t\x07", "\x9b2J", "\x07", "\x08", "\x7f", "\x85"),
    *("\u2028", "\u2029", "\u202e", "\u2066", "\x00", "\ud800"),
]
COMMANDS = [
    *("::add-mask::x", "::error::x", "::set-output name=a::b", "::stop-commands::x", "##[error]x"),
    *("##vso[task.setvariable variable=a]b", "::SET-ENV name=PATH::x", "::add-path::/x"),
]
FORMULAS = ["=1+1", "+1+cmd", "-1+cmd", "@SUM(A1)", "＝1", "=cmd|' /C calc'!A0"]


def name(draw: random.Random) -> str:
    """Return a name that tries to be a path, another name, or a name of colbench's own."""
    return "".join(draw.choices(PARTS, k=draw.randint(1, 5))).strip() or "."


def names(draw: random.Random, count: int) -> list[str]:
    """Return distinct names, some of which differ in little."""
    found = {name(draw) for _ in range(count)}
    for one in list(found)[: count // 2]:
        found.add(
            draw.choice([one.upper(), one.replace("a", "á"), one + ".", "./" + one, one + "/"])
        )
    return sorted(found)


def text(draw: random.Random) -> str:
    """Return text that moves a cursor, commands a CI, or is a formula."""
    parts = draw.choices([*CONTROL, *COMMANDS, *FORMULAS, "word", " ", ";"], k=draw.randint(1, 6))
    return "".join(parts)


def tree(folder: Path) -> dict[str, str]:
    """Return all that is in a folder: path → what it is, links not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            what = f"link to {path.readlink()}"
        elif path.is_file():
            what = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            what = "folder" if path.is_dir() else "something else"
        found[path.relative_to(folder).as_posix()] = what
    return found


def one_line(error: BaseException) -> str:
    """Return the message of an error, which is a line without anything that does not print."""
    message = str(error)
    assert message.isprintable() and message, ascii(message)
    return message
