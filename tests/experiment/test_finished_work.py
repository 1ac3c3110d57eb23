"""Finished work is found again under its key, and done again where it cannot be used."""

import json
from enum import StrEnum
from pathlib import Path

import pytest

from colbench.experiment.store import keep, recall, work_key
from colbench.records import Record


class Kind(StrEnum):
    ONE = "one"


class Work(Record):
    value: float
    name: str = "n"


def found(file, key="k"):
    return recall(file, key, Work.model_validate, what="work")


def test_what_is_kept_comes_back_under_its_key_alone(tmp_path):
    file = tmp_path / "deep" / "work.json"
    assert found(file) is None
    keep(file, "k", Work(value=0.1))
    assert found(file) == Work(value=0.1)
    assert found(file, "other") is None
    keep(file, "other", {"value": 2.0, "name": "plain"})
    assert found(file, "other") == Work(value=2.0, name="plain")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text.replace("0.1", "0.2"), "was changed or damaged"),
        (lambda text: text[:-4], "is not JSON"),
        (lambda text: json.dumps({"key": "k", "value": {"value": 0.1}}), "has no checksum"),
    ],
)
def test_what_is_damaged_is_said_and_done_again(tmp_path, damage, told, capsys):
    file = tmp_path / "work.json"
    keep(file, "k", Work(value=0.1))
    file.write_text(damage(file.read_text()))
    assert found(file) is None
    assert told in capsys.readouterr().err


def test_work_of_another_colbench_is_done_again(tmp_path, capsys):
    file = tmp_path / "work.json"
    keep(file, "k", {"value": 0.1, "since": 3})
    assert found(file) is None
    assert "is of another colbench: it is measured again" in capsys.readouterr().err


def test_a_key_depends_on_every_value_and_on_no_order_of_keys():
    key = work_key(Work(value=1.5), {"b": [1, None], "a": Path("x")}, Kind.ONE)
    assert key == work_key({"name": "n", "value": 1.5}, {"a": "x", "b": [1, None]}, "one")
    others = [
        work_key(Work(value=1.6), {"b": [1, None], "a": Path("x")}, Kind.ONE),
        work_key(Work(value=1.5), {"b": [None, 1], "a": Path("x")}, Kind.ONE),
        work_key(Kind.ONE, {"b": [1, None], "a": Path("x")}, Work(value=1.5)),
    ]
    assert len({key, *others}) == 4
