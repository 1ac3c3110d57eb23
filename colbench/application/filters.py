"""Filters over metadata: read, checked, and answered as a mask of documents.

    {"lang": "en", "year": {"$gte": 2020, "$lt": 2025}}       all of it holds
    {"$or": [{"tags": {"$contains": "news"}}, {"author": None}]}
    {"$not": {"lang": {"$in": ["en", "de"]}}}

The operators are spelt as in LangChain and Chroma. Every condition is true or false of a document:
one without a value is equal to None and to nothing else, so that `$ne` and `$nin` find it.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colbench.application.metadata import Key, Type, keys_of, type_of
from colbench.errors import ConfigError, did_you_mean

Mask = NDArray[np.bool_]
Relation = Literal["=", ">", ">=", "<", "<=", "part", "any"]

_ORDERED: dict[str, Relation] = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_OPPOSITES = {"$ne": "$eq", "$nin": "$in", "$not_contains": "$contains"}
OPERATORS = ("$eq", "$in", "$contains", "$exists", *_ORDERED, *_OPPOSITES)
COMBINATIONS = ("$and", "$or", "$not")
_DEEPEST = 32
_MOST_VALUES = 10_000


@dataclass(frozen=True)
class Condition:
    """A condition that the database answers.

    Attributes:
        field: name of a field.
        relation: of its value to the key: `=` and order; `part`, it has the key as a part; `any`,
            there is a value.
        key: what it is compared with.
    """

    field: str
    relation: Relation
    key: Key = 0


Answer = Callable[[Condition], Mask]


def matching(filter: Any, fields: Mapping[str, Type], answer: Answer, documents: int) -> Mask:
    """Return which documents a filter is true of, bool (documents,).

    Args:
        filter: as the module describes it; an empty one is true of every document.
        fields: the fields that there are.
        answer: returns of which documents a condition holds.
        documents: how many there are.

    Raises:
        ConfigError: an unknown field or operator, or a value of another type than the field's.

    >>> years = np.array([2019, 2021, 2024])
    >>> def answer(condition): return years >= condition.key
    >>> matching({"year": {"$gte": 2020}}, {"year": "number"}, answer, 3).tolist()
    [False, True, True]
    """
    return _Reader(fields, answer, documents).read(filter, 0)


def named_fields(filter: Any) -> Iterator[str]:
    """Yield the names that may be of fields in a filter, well formed or not.

    >>> sorted(named_fields({"year": {"$gt": 1}, "$or": [{"a": 1}, {"$not": {"b": 2}}]}))
    ['a', 'b', 'year']
    """
    left = [filter]
    while left:
        one = left.pop()
        if isinstance(one, list | tuple):
            left += one
        elif isinstance(one, Mapping):
            for name, value in one.items():
                if isinstance(name, str) and not name.startswith("$"):
                    yield name
                else:
                    left.append(value)


@dataclass(frozen=True)
class _Reader:
    fields: Mapping[str, Type]
    answer: Answer
    documents: int

    def read(self, filter: Any, depth: int) -> Mask:
        if depth > _DEEPEST:
            raise ConfigError(f"filter: more than {_DEEPEST} filters inside each other")
        if not isinstance(filter, Mapping):
            raise ConfigError(
                f"filter: {_shown(filter)} is no mapping: write {{'field': value}} or "
                "{'field': {'$gte': value}}"
            )
        mask = np.ones(self.documents, dtype=np.bool_)
        for name, value in filter.items():
            mask &= self._part(name, value, depth)
        return mask

    def _part(self, name: Any, value: Any, depth: int) -> Mask:
        if name == "$not":
            return ~self.read(value, depth + 1)
        if name in ("$and", "$or"):
            if not isinstance(value, list | tuple) or not value:
                raise ConfigError(f"filter: {name} needs a list of filters, not {_shown(value)}")
            masks = (self.read(one, depth + 1) for one in value)
            return _together(np.logical_and if name == "$and" else np.logical_or, masks)
        if name not in self.fields:
            if isinstance(name, str) and name.startswith("$"):
                hint = did_you_mean(name, COMBINATIONS)
                raise ConfigError(f"filter: unknown operator {_shown(name)}: {hint}")
            hint = did_you_mean(str(name), self.fields) if self.fields else "documents have none"
            raise ConfigError(f"filter: unknown field {_shown(name)}: {hint}")
        if not isinstance(value, Mapping):
            return self._compare(name, "$eq", value, depth)
        if not value:
            hint = did_you_mean("", OPERATORS)
            raise ConfigError(f"filter: field {name!r} has no operator: {hint}")
        masks = (self._compare(name, operator, given, depth) for operator, given in value.items())
        return _together(np.logical_and, masks)

    def _compare(self, field: str, operator: Any, value: Any, depth: int) -> Mask:
        if operator == "$not":  # of one field's operators, as MongoDB has it
            if not isinstance(value, Mapping):
                raise ConfigError(f"filter: $not of field {field!r} needs operators")
            if depth > _DEEPEST:
                raise ConfigError(f"filter: more than {_DEEPEST} filters inside each other")
            return ~self._part(field, value, depth + 1)
        if operator in _OPPOSITES:
            return ~self._compare(field, _OPPOSITES[operator], value, depth)
        if operator not in OPERATORS:
            hint = did_you_mean(str(operator), OPERATORS)
            raise ConfigError(f"filter: unknown operator {_shown(operator)} of {field!r}: {hint}")
        if operator == "$exists":
            if not isinstance(value, bool):
                raise ConfigError(f"filter: $exists of {field!r} is True or False")
            there = self.answer(Condition(field, "any"))
            return there if value else ~there
        if operator == "$in":
            return self._among(field, value)
        if value is None:
            if operator != "$eq":
                raise ConfigError(f"filter: {operator} of {field!r} needs a value, not None")
            return ~self.answer(Condition(field, "any"))
        kind = self.fields[field]
        if operator == "$contains":
            return self.answer(self._containing(field, kind, value))
        if kind == "strings":
            raise ConfigError(
                f"filter: {field!r} holds lists of strings: ask for a member with $contains"
            )
        key = self._key(field, kind, value)
        if operator == "$eq":
            return self.answer(Condition(field, "=", key))
        if kind == "boolean":
            raise ConfigError(f"filter: {operator} of {field!r}: booleans have no order, use $eq")
        return self.answer(Condition(field, _ORDERED[operator], key))

    def _among(self, field: str, values: Any) -> Mask:
        if not isinstance(values, list | tuple | set | frozenset):
            raise ConfigError(f"filter: $in of {field!r} needs a list, not {_shown(values)}")
        if len(values) > _MOST_VALUES:
            raise ConfigError(f"filter: $in of {field!r}: more than {_MOST_VALUES:,} values")
        masks = (self._compare(field, "$eq", value, 0) for value in values)
        return _together(np.logical_or, masks, np.zeros(self.documents, dtype=np.bool_))

    def _containing(self, field: str, kind: Type, value: Any) -> Condition:
        if kind not in ("string", "strings"):
            raise ConfigError(
                f"filter: $contains of {field!r}, which holds a {kind}: it is of strings and lists"
            )
        return Condition(
            field, "part" if kind == "string" else "=", self._key(field, "string", value)
        )

    def _key(self, field: str, kind: Type, value: Any) -> Key:
        if kind == "date" and isinstance(value, str):  # as JSON has it
            with contextlib.suppress(ValueError):
                value = datetime.datetime.fromisoformat(value)
        given = type_of(value)
        if given != kind:
            what = f"a {given}" if given else f"of type {type(value).__name__}"
            raise ConfigError(
                f"filter: {field!r} holds a {self.fields[field]}, and {_shown(value)} is {what}"
            )
        try:
            (key,) = keys_of(value, kind)
        except ValueError as error:
            raise ConfigError(f"filter: {_shown(value)} for {field!r}: {error}") from None
        return key


def _together(join: Any, masks: Iterator[Mask], first: Mask | None = None) -> Mask:
    found = first
    for mask in masks:
        found = mask if found is None else join(found, mask)
    assert found is not None
    return found


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"
