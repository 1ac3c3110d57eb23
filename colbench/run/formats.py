"""Runs of other systems, in whatever file they lie: TREC, MTEB, sentence-transformers, plain JSON.

* TREC: `qid Q0 docid rank score tag`, one line a result.
* MTEB's `<task>_predictions.json`: `{"mteb_model_meta": …, subset: {split: {qid: {docid: …}}}}`.
* sentence-transformers' `…_predictions.jsonl`, of `InformationRetrievalEvaluator` and its kin:
  `{"query_id": …, "query": …, "results": [{"corpus_id": …, "score": …}]}` a line.
* JSON as BEIR, ranx and pytrec_eval have it: `{qid: {docid: score}}`.

Any of them may be compressed with gzip. What is read is bounded: a line, and the whole.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

from colbench.collection.raw import short
from colbench.errors import ConfigError, DataError, StorageError, did_you_mean
from colbench.run.model import Ranking, Run
from colbench.run.trec import trec_run

Format = Literal["auto", "trec", "mteb", "sentence_transformers", "json"]

_MOST_BYTES = 4 << 30
_LONGEST_LINE = 256 << 20
_SEEN = 1 << 16
"""Bytes by which a format is told."""

_META = "mteb_model_meta"


def read_run(
    path: Path, form: Format = "auto", subset: str | None = None, split: str | None = None
) -> Run:
    """Read a run.

    Args:
        path: of the file.
        form: its format; `auto` tells it by the content.
        subset: of a file of MTEB; None for the only one.
        split: of a file of MTEB; None for the only one.

    Raises:
        StorageError: there is no such file, or it cannot be read.
        DataError: its content is not what the format asks for; names the line where it can.
        ConfigError: a file of MTEB has no such subset or split, or several and none is chosen.
    """
    if not path.is_file():
        near = sorted(one.name for one in path.parent.glob("*")) if path.parent.is_dir() else []
        hint = did_you_mean(path.name, near) if near else ""
        hint = hint if hint.startswith("did") else "check the path"
        raise StorageError(f"there is no run {path}: {hint}")
    try:
        with _opened(path) as stream:
            if form == "auto":
                form = _format(stream.read(_SEEN))
                stream.seek(0)
            if form == "trec":
                return trec_run(_lines(stream, path), path)
            if form == "sentence_transformers":
                return Run(path.stem, _predictions(_lines(stream, path), path))
            text = stream.read(_MOST_BYTES + 1)
    except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot read run {path}: {reason}; check the file") from error
    if len(text) > _MOST_BYTES:
        _too_large(path)
    content = _json(text, str(path))
    if not isinstance(content, Mapping):
        raise DataError(f"{path} is no mapping of query ids: {_shown(content)}")
    if form == "mteb" or (form != "json" and _META in content):
        content = _chosen(content, subset, split, path)
    return Run(
        path.stem,
        {query: _ranking(query, found, str(path)) for query, found in content.items()},
    )


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if compressed:
            with gzip.open(stream) as inner:
                yield inner  # type: ignore[misc]
        else:
            yield stream


def _lines(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    whole = 0
    while line := stream.readline(_LONGEST_LINE):
        whole += len(line)
        if whole > _MOST_BYTES or len(line) == _LONGEST_LINE:
            _too_large(path)
        yield line


def _too_large(path: Path) -> NoReturn:
    raise DataError(f"{path} is larger than any run: more than 4 GiB, or a line of 256 MiB")


def _format(beginning: bytes) -> Format:
    """Tell a format by how the file begins."""
    beginning = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not beginning.startswith(b"{"):
        return "trec"
    head = beginning[:1024]
    if b'"results"' in head or b'"query_id"' in head:
        return "sentence_transformers"
    return "mteb" if f'"{_META}"'.encode() in head else "auto"


def _json(text: bytes, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise DataError(f"{where}: {short(twice)} stands twice in one mapping; keep one")
        return found

    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}") from None


def _chosen(
    content: Mapping[str, Any], subset: str | None, split: str | None, path: Path
) -> Mapping[str, Any]:
    """Return the queries of one subset and split of MTEB's predictions."""
    inner = {name: value for name, value in content.items() if name != _META}
    for what, wanted in (("subset", subset), ("split", split)):
        if wanted is None and len(inner) != 1:
            raise ConfigError(
                f"{path} has {len(inner)} {what}s: choose one with {what}=…"
                + (f" ({', '.join(map(short, list(inner)[:20]))})" if inner else "")
            )
        name = wanted if wanted is not None else next(iter(inner))
        if name not in inner:
            raise ConfigError(f"{path} has no {what} '{name}': {did_you_mean(name, inner)}")
        inner = inner[name]
        if not isinstance(inner, dict):
            raise DataError(f"{path}: the {what} {short(name)} is no mapping: {_shown(inner)}")
    return inner


def _predictions(lines: Iterator[bytes], path: Path) -> dict[str, Ranking]:
    """Read a file of predictions of sentence-transformers."""
    rankings: dict[str, Ranking] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        record = _json(line, where)
        results = record.get("results") if isinstance(record, Mapping) else None
        if not isinstance(results, list) or "query_id" not in record:
            raise DataError(f"{where}: no query_id and results; is it a predictions file?")
        query = _id(record["query_id"], where)
        if query in rankings:
            raise DataError(f"{where}: the query {short(query)} stands there twice; keep one")
        found: dict[str, Any] = {}
        for result in results:
            if not isinstance(result, Mapping) or not {"corpus_id", "score"} <= result.keys():
                raise DataError(f"{where}: a result without corpus_id and score: {_shown(result)}")
            doc = _id(result["corpus_id"], where)
            if doc in found:
                raise DataError(f"{where}: the document {short(doc)} is listed twice; keep one")
            found[doc] = result["score"]
        rankings[query] = _ranking(query, found, where)
    return rankings


def _id(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: the id {_shown(value)} is no text")
    return str(value)


def _ranking(query: str, found: Any, where: str) -> Ranking:
    if not isinstance(found, Mapping):
        raise DataError(
            f"{where}: {short(query)} has no mapping of document ids to scores: {_shown(found)}"
        )
    for doc, score in found.items():
        if not _is_number(score):
            raise DataError(
                f"{where}: the score {_shown(score)} of document {short(doc)} for query "
                f"{short(query)} is not a number"
            )
    return Ranking.sort(list(found), [float(score) for score in found.values()])


def _is_number(score: Any) -> bool:
    try:
        return type(score) in (int, float) and not math.isnan(score)
    except OverflowError:  # whole numbers of JSON have no end
        return False


def _shown(value: Any) -> str:
    return short(json.dumps(value, default=str)) if not isinstance(value, str) else short(value)
