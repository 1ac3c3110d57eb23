r"""What strangers have written, made safe for a terminal and for the log of a CI.

Names, ids and texts come out of files that anybody may have written. In a terminal an escape
sequence moves the cursor, sets the clipboard or hides what stands there; in a CI a line that begins
with `::add-mask::` is a command. Here such characters become escapes that can be seen.

Sources: https://docs.github.com/actions/reference/workflow-commands-for-github-actions and
`ActionCommand.cs` of its runner, which knows `##[` too; https://trojansource.codes for characters
that turn the direction of writing.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_COMMANDS = (
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group"),
    *("internal-set-repo-path", "notice", "remove-matcher", "save-state", "set-env", "set-output"),
    *("stop-commands", "warning"),
)
_COMMAND = re.compile(rf":(?=:(?:{'|'.join(_COMMANDS)})\b)|#(?=#\w*\[)", re.IGNORECASE)
"""Beginning of a command to a CI, wherever it stands: a long line may be broken before it."""


def visible(text: str) -> str:
    r"""Return text with an escape for each control character, line break and turn of direction.

    >>> print(visible("a\x1b]0;b\x07\n\u202ec"))
    a\x1b]0;b\x07\n\u202ec
    """
    return _UNSEEN.sub(_escaped, text)


def printable(text: str) -> str:
    r"""Return text as one line that no terminal and no CI takes for a command.

    >>> print(printable("a\n::add-mask::b"), printable("std::vector"), printable("##[error]c"))
    a\n\x3a:add-mask::b std::vector \x23#[error]c
    """
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0]):02x}", visible(text))


def printable_lines(text: str) -> str:
    """Return text whose line breaks are meant, each line as `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
