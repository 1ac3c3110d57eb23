"""Training examples from a file.

`.jsonl` (and `.jsonl.gz`) holds one JSON object a line, of one of two forms:

* `{"query", "positive", "negatives", "scores"}`: the last two may be left out; `scores` are a
  teacher's, of the positive and then of each negative;
* `{"query", "document", "score"}`, scored pairs: those of the same query are put together, wherever
  they stand. The highest scored document is the positive (the first of equal ones), the others are
  negatives; a query with one document has neither negatives nor scores.

Any other file is tab-separated, without a header: query, positive, negatives. Each may end in .gz.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from colbench.collection.raw import short
from colbench.collection.text_lines import TextLines
from colbench.errors import DataError, did_you_mean
from colbench.train.examples import Example

_EXAMPLE = ("query", "positive", "negatives", "scores")
_PAIR = ("query", "document", "score")
_JSON_ENDINGS = (".jsonl", ".jsonl.gz")


def existing_file(path: Path) -> Path:
    """Return the path with `~` replaced.

    Raises:
        DataError: there is no such file.
    """
    try:
        file = path.expanduser()
    except RuntimeError as error:
        raise DataError(f"there is no home folder for {path}") from error
    if not file.is_file():
        raise DataError(f"there is no file {file}: set path to one")
    return file


def read_examples(path: Path, source: str) -> list[Example]:
    """Return the examples of a file, in its order.

    Args:
        path: the file.
        source: name of the source they are of.

    Raises:
        DataError: it is empty, or a line cannot be used; names file and line.
        StorageError: it cannot be read.
    """
    lines = TextLines(path)
    read = _from_json if path.name.endswith(_JSON_ENDINGS) else _from_columns
    examples = list(read(lines, source))
    if not examples:
        raise DataError(f"{path} is empty; it needs one example at least")
    return examples


def _from_columns(lines: TextLines, source: str) -> Iterator[Example]:
    first = True
    for line in lines:
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) < 2:
            raise DataError(
                f"{lines.where()}: 1 column, expected query, positive and any number of negatives, "
                "separated by tabs; JSON lines need a name that ends in .jsonl"
            )
        if first and all(field.strip().isdecimal() for field in fields):
            raise DataError(f"{lines.where()}: the columns hold ids; they must hold the texts")
        first = False
        names = ["query", "positive", *["negative"] * (len(fields) - 2)]
        query, positive, *negatives = [
            _text(field, name, lines) for field, name in zip(fields, names, strict=True)
        ]
        yield Example(query, positive, source, negatives=tuple(negatives))


def _from_json(lines: TextLines, source: str) -> Iterable[Example]:
    """Read either form; the first object decides which it is."""
    pairs: dict[str, dict[str, float]] = {}
    examples: list[Example] = []
    form: tuple[str, ...] | None = None
    for record in _objects(lines):
        if form is None:
            form = _PAIR if "document" in record else _EXAMPLE
        _check_keys(record, form, lines)
        if form is _PAIR:
            _add_pair(pairs, record, lines)
        else:
            examples.append(_example(record, source, lines))
    return examples or [_grouped(query, scored, source) for query, scored in pairs.items()]


def _objects(lines: TextLines) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise DataError(f"{lines.where()}: not valid JSON: {reason}") from error
        if not isinstance(record, dict):
            raise DataError(
                f"{lines.where()}: a {type(record).__name__}, not an object such as "
                '{"query": "...", "positive": "..."}'
            )
        yield record


def _check_keys(record: dict[str, Any], form: tuple[str, ...], lines: TextLines) -> None:
    for key in record:
        if key not in form:
            raise DataError(f"{lines.where()}: unknown key {short(key)}: {did_you_mean(key, form)}")
    for key in form[:2] if form is _EXAMPLE else form:
        if key not in record:
            raise DataError(f"{lines.where()}: the key '{key}' is missing")


def _example(record: dict[str, Any], source: str, lines: TextLines) -> Example:
    negatives = [_text(text, "negatives", lines) for text in _list(record, "negatives", lines)]
    scores = None
    if record.get("scores") is not None:
        scores = tuple(_number(n, "scores", lines) for n in _list(record, "scores", lines))
        if len(scores) != 1 + len(negatives):
            raise DataError(
                f"{lines.where()}: {len(scores)} scores, expected {1 + len(negatives)}: of the "
                f"positive and then of each of the {len(negatives)} negatives"
            )
    query, positive = (_text(record[key], key, lines) for key in ("query", "positive"))
    return Example(query, positive, source, negatives=tuple(negatives), scores=scores)


def _add_pair(pairs: dict[str, dict[str, float]], record: dict[str, Any], lines: TextLines) -> None:
    query = _text(record["query"], "query", lines)
    document = _text(record["document"], "document", lines)
    score = _number(record["score"], "score", lines)
    before = pairs.setdefault(query, {}).setdefault(document, score)
    if before != score:
        raise DataError(
            f"{lines.where()}: the pair scores {score:g} here and {before:g} before; keep one"
        )


def _grouped(query: str, scored: dict[str, float], source: str) -> Example:
    positive = max(scored, key=scored.__getitem__)
    negatives = tuple(document for document in scored if document != positive)
    scores = (scored[positive], *(scored[document] for document in negatives))
    return Example(
        query, positive, source, negatives=negatives, scores=scores if negatives else None
    )


def _text(value: Any, key: str, lines: TextLines) -> str:
    if not isinstance(value, str):
        raise DataError(f"{lines.where()}: '{key}' must be text, not {_kind(value)}")
    if not value.strip():
        raise DataError(f"{lines.where()}: '{key}' is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{lines.where()}: '{key}' contains half a surrogate pair") from error
    return value.strip()


def _list(record: dict[str, Any], key: str, lines: TextLines) -> list[Any]:
    value = [] if record.get(key) is None else record[key]
    if not isinstance(value, list):
        raise DataError(f"{lines.where()}: '{key}' must be a list, not {_kind(value)}")
    return value


def _number(value: Any, key: str, lines: TextLines) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{lines.where()}: '{key}' must be a number, not {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{lines.where()}: '{key}' is {number}, which is no finite number")
    return number


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
