"""Strategies for damaged files: bytes that were changed, and JSON with wrong values in it."""

from __future__ import annotations

import copy
import json
import re

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)
"""Text of any characters, half surrogate pairs too."""

_DIGITS = b"9" * 5000
TOKENS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"1e999", b"-1e999", b"1e-999", b"-0"),
    *(b"0x10", b"1_000", b"+1", b"1.", b".5", b"007", b"1e5", b"12345678901234567890", _DIGITS),
    *(b"null", b"true", b"false", b"~", b"{}", b"[]", b'""', b'"', b"'", b"\\", b":", b",", b"\t"),
    *(b"[" * 3000, b"[" * 100_000, b'{"a":' * 3000, b"x" * 10_000, b"[]" * 500),
    *(b"\\ud800", b"\\u0000", b"\\n", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\x00", b"\x1b[2J"),
    *("\u2028\u2029\x85\xa0\u3000\ufeff\u202e\u00e9e\u0301١２".encode(), b"\x0b", b"\x0c", b"\r"),
    *("\u2028".encode(), "\x85".encode(), "\ufeff".encode(), "١".encode(), b"\x1c", b" ", b"\n"),
    *(b"${", b"${a}", b"???", b"&a", b"*a", b"<<", b"!!int x", b"2020-13-45", b"#", b"- ", b"%"),
]
"""What files should not hold, or not there."""

_FRAMES = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\n", b"\r\n", b" ", b"\x1f\x8b"]


def _flip(draw, data):
    if not data:
        return data
    place = draw(st.integers(0, len(data) - 1))
    changed = data[place] ^ (1 << draw(st.integers(0, 7)))
    return data[:place] + bytes([changed]) + data[place + 1 :]


def _insert(draw, data):
    place = draw(st.integers(0, len(data)))
    return data[:place] + draw(st.sampled_from(TOKENS) | st.binary(max_size=6)) + data[place:]


def _delete(draw, data):
    place = draw(st.integers(0, len(data)))
    return data[:place] + data[place + draw(st.integers(1, 20)) :]


def _truncate(draw, data):
    return data[: draw(st.integers(0, len(data)))]


def _frame(draw, data):
    end = draw(st.sampled_from(_FRAMES))
    return end + data if draw(st.booleans()) else data + end


def _line_ends(draw, data):
    return data.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b"\n\n", b"\n \t\n", b""])))


def _lines(draw, data):
    """Repeat a line elsewhere, or exchange two."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    a, b = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    if draw(st.booleans()):
        lines.insert(b, lines[a])
    else:
        lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def _replace(draw, data):
    """Put something else in place of a word or a number."""
    words = list(re.finditer(rb"[^\s:,{}\[\]\"]+", data))
    if not words:
        return data
    word = draw(st.sampled_from(words))
    return data[: word.start()] + draw(st.sampled_from(TOKENS)) + data[word.end() :]


_CHANGES = [_flip, _insert, _delete, _truncate, _frame, _line_ends, _lines, _replace, _replace]


@st.composite
def mangled(draw, valid):
    """Bytes of a valid file with one to four changes."""
    data = draw(valid)
    for _ in range(draw(st.integers(1, 4))):
        data = draw(st.sampled_from(_CHANGES))(draw, data)
    return data


def raw(valid):
    """Bytes of every kind: mostly mangled valid ones."""
    text = ANY_TEXT.map(lambda value: value.encode("utf-8", "surrogatepass"))
    return st.one_of(mangled(valid), mangled(valid), mangled(valid), st.binary(max_size=60), text)


def either(a, b):
    """Draw from both equally often; `a | b` would count the branches within them."""
    return st.booleans().flatmap(lambda first: a if first else b)


_PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from([2**31, 2**63, 2**64, 10**400, -(10**400), 0.5, 1e308, -0.0]),
    st.floats(),
    ANY_TEXT,
    st.sampled_from(["", " ", "1", "nan", "a\nb", "\ud800", "..", "/", "a\0b", "x" * 5000]),
)
JSON = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
"""Any JSON value, with what Python's writer adds to it: NaN, infinity, half surrogate pairs."""


@st.composite
def altered(draw, tree):
    """A JSON value with one to three places replaced, removed or added to."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        tree = _altered(draw, tree)
    return tree


def _altered(draw, node):
    if not isinstance(node, dict | list) or not draw(st.integers(0, 9)):
        return draw(JSON)
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    change = draw(st.sampled_from(["inside", "inside", "inside", "remove", "add"]))
    if change == "add" or not keys:
        if isinstance(node, dict):
            node[draw(ANY_TEXT | st.sampled_from(["kind", "name", "SystemResult", "a.b"]))] = draw(
                JSON
            )
        else:
            node.append(draw(JSON if not node else JSON | st.just(copy.deepcopy(node[0]))))
        return node
    key = draw(st.sampled_from(keys))
    if change == "remove":
        del node[key]
    else:
        node[key] = _altered(draw, node[key])
    return node


def json_bytes(value):
    return json.dumps(value).encode()
