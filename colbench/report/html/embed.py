"""Putting data and scripts into a page so that neither can break out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from markupsafe import Markup


def json_block(value: Any) -> Markup:
    """Return JSON for a `<script type="application/json">`.

    `<`, `>` and `&` are written as escapes: no text in it can end the element or open a comment.

    >>> print(json_block({"a": "</script>"}))
    {"a":"\\u003c/script\\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def inline_script(source: str) -> Markup:
    """Return JavaScript for a `<script>`: a closing tag or a comment inside a string is split.

    >>> print(inline_script("x = '</script>'"))
    x = '<\\/script>'
    """
    # A browser reads a carriage return as a line feed, which would not match the script's hash.
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    return Markup(re.sub(r"<(?=/script|!--)", r"<\\", lines, flags=re.IGNORECASE))


def source_hash(script: str) -> str:
    """Return the source expression by which a content security policy allows one script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def content_policy(scripts: list[Markup]) -> str:
    """Return a policy under which nothing is loaded and only these scripts run.

    No `unsafe-eval`: Vega is told to interpret its expressions (`ast: true`), where it would
    otherwise compile them with `Function`. Styles must be inline: Vega sets them on its elements.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(source_hash(script) for script in scripts)}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
