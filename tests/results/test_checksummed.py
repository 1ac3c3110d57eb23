"""The checksum inside a JSON file holds for its values, whatever the layout of its text."""

import json
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from colbench.errors import StorageError
from colbench.results.checksummed import read_checksummed, write_checksummed

HOW = {"what": "a thing", "renew": "make it again"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers() | FLOATS | TEXT
VALUES = st.recursive(PLAIN, lambda x: st.lists(x) | st.dictionaries(TEXT, x), max_leaves=20)
CONTENTS = st.dictionaries(TEXT.filter(lambda key: key != "sha256"), VALUES)
ODD_NUMBERS = {"a": -0.0, "b": 1e16, "c": 10**40, "d": 5e-324, "e": 0.1 + 0.2, "f": 1e22, "g": 1}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("sealed") / "thing.json"


def same(one, other):
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(CONTENTS)
@settings(deadline=None)
def test_what_is_written_is_read(path, content):
    write_checksummed(path, content)
    assert same(read_checksummed(path, **HOW), content)


def test_odd_numbers_survive(path):
    write_checksummed(path, ODD_NUMBERS)
    found = read_checksummed(path, **HOW)
    assert same(found, ODD_NUMBERS)
    assert math.copysign(1, found["a"]) == -1 and isinstance(found["b"], float)


def test_tuples_and_numbers_as_keys_are_sealed_as_what_is_read_back(path):
    write_checksummed(path, {"a": (1, 2), "b": {10: 1, 9: 2}})
    assert read_checksummed(path, **HOW) == {"a": [1, 2], "b": {"10": 1, "9": 2}}


def test_the_checksum_stands_first(path):
    write_checksummed(path, {"a": 1, "Z": 2})
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["sha256", "a", "Z"]


@given(CONTENTS, st.sampled_from([None, 0, 2]), st.booleans(), st.booleans())
@settings(deadline=None)
def test_another_layout_is_as_good(path, content, indent, order, ascii_only):
    write_checksummed(path, content)
    whole = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps(whole, indent=indent, sort_keys=order, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8")
    assert same(read_checksummed(path, **HOW), content)


@given(CONTENTS, CONTENTS)
@settings(deadline=None)
def test_other_values_under_the_same_checksum_are_refused(path, content, other):
    assume(not same(content, other))
    write_checksummed(path, content)
    digest = json.loads(path.read_text(encoding="utf-8"))["sha256"]
    path.write_text(json.dumps({"sha256": digest, **other}), encoding="utf-8")
    with pytest.raises(StorageError, match="changed or damaged after it was written"):
        read_checksummed(path, **HOW)


@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_no_value(path, data):
    content = {"score": 0.7072, "name": "colbert", "ms": [1.25, 3, 1e-07], "none": None}
    write_checksummed(path, content)
    damaged = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[position // 8] ^= 1 << position % 8
    path.write_bytes(damaged)
    try:
        assert same(read_checksummed(path, **HOW), content)
    except StorageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff{}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is not JSON"),
        (b"[1]", "is not a thing: it holds no JSON object"),
        (b'{"a": 1}', "has no checksum (key 'sha256')"),
        (b'{"sha256": 3, "a": 1}', "was changed or damaged"),
        (b'{"sha256": "0", "a": NaN}', "was changed or damaged"),
        (b'{"sha256": "0", "a": 1e999}', "was changed or damaged"),
        (b'{"sha256": "0", "a": "\\ud800"}', "was changed or damaged"),
    ],
)
def test_what_is_no_sealed_file_is_refused_in_one_line(path, text, message):
    path.write_bytes(text)
    with pytest.raises(StorageError, match=r"^[^\n]*make it again$") as error:
        read_checksummed(path, **HOW)
    assert message in str(error.value) and str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read .*none\.json: .*check the path"):
        read_checksummed(tmp_path / "none.json", **HOW)


def test_a_key_for_the_checksum_is_a_mistake_of_the_caller(path):
    with pytest.raises(ValueError, match="taken"):
        write_checksummed(path, {"sha256": "mine"})
