"""Digests of JSON values: what indexes, caches and results were sealed with stays readable."""

import hashlib
import json

import pytest

from colbench.digests import json_digest, sha256_file, text_digest

VALUE = {"b": [0.5, "é"], "a": {"y": None, "x": 1}}


def test_a_digest_does_not_depend_on_the_order_of_keys_and_refuses_what_json_cannot_hold():
    assert json_digest({"a": 1, "b": {"c": 2.0, "d": None}}) == json_digest(
        {"b": {"d": None, "c": 2.0}, "a": 1}
    )
    assert json_digest({"a": 1}) != json_digest({"a": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        json_digest({"a": float("nan")})


def test_the_spaced_form_is_the_one_that_indexes_and_shards_have_carried_from_the_first():
    text = '{"a": {"x": 1, "y": null}, "b": [0.5, "\\u00e9"]}'
    assert json.loads(text) == VALUE
    assert json_digest(VALUE, spaced=True) == hashlib.sha256(text.encode()).hexdigest()
    plain = '{"a":{"x":1,"y":null},"b":[0.5,"é"]}'
    assert json_digest(VALUE) == text_digest(plain) != json_digest(VALUE, spaced=True)


def test_a_file_has_the_digest_of_its_bytes(tmp_path):
    file = tmp_path / "file"
    file.write_bytes("é".encode() * 100_000)
    assert sha256_file(file) == text_digest("é" * 100_000)
