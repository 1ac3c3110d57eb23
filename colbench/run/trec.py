"""TREC run files: `qid Q0 docid rank score tag`, one line a retrieved document.

A score is printed with the fewest digits that name its float32, so that trec_eval, which reads
float32 and orders by (score, document id) descending, sees exactly the order of the `Run`. Columns
are separated by ASCII white space, as in trec_eval; ids may hold any other character.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from colbench.collection.raw import short
from colbench.errors import DataError, StorageError
from colbench.files import atomic_write
from colbench.run.model import Ranking, Run

_COLUMNS = "qid Q0 docid rank score tag"
_SPACE = re.compile(r"[ \t\n\r\v\f]")
_NUMBER = re.compile(
    r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity)", re.IGNORECASE
)
_MARK = "\ufeff"
_BYTE_ORDER_MARK = _MARK.encode()


def write_trec(run: Run, path: Path) -> None:
    """Write a run, atomically; the same run always gives the same bytes.

    A query without results leaves no line. White space in the run's name becomes `_`.

    Raises:
        DataError: an id is empty, holds white space or half a surrogate pair, or a query's begins
            with a byte order mark: the format cannot carry it.
        StorageError: the file cannot be written.
    """
    with atomic_write(path, "wb") as stream:
        for query_id, ranking in run.rankings.items():
            _check_ids(query_id, ranking, path)
            stream.write(_lines(query_id, ranking, _tag(run)))


def run_digest(run: Run) -> str:
    """Return the sha256 of the file that `write_trec` would write."""
    digest = hashlib.sha256()
    for query_id, ranking in run.rankings.items():
        digest.update(_lines(query_id, ranking, _tag(run)))
    return digest.hexdigest()


def _tag(run: Run) -> str:
    tag = "_".join(run.name.split()) or "run"
    return tag.encode("utf-8", "replace").decode("utf-8")


def _lines(query_id: str, ranking: Ranking, tag: str) -> bytes:
    lines = [
        f"{query_id} Q0 {doc_id} {rank} {score} {tag}\n"
        for rank, (doc_id, score) in enumerate(
            zip(ranking.doc_ids, map(str, ranking.scores), strict=True), start=1
        )
    ]
    return "".join(lines).encode("utf-8")


def read_trec(path: Path) -> Run:
    """Read a run; its order comes from the scores and document ids, never from the rank column.

    The run's name is the tag of the first line, or the file's name where there is no line. Blank
    lines are skipped, and so are comments, as by trec_eval: lines that begin with `#`, unless one
    is a result by its six columns, since the id of a query may begin so.

    Raises:
        StorageError: the file cannot be read.
        DataError: naming file and line: not six columns, not UTF-8, a score that is no number, a
            document that a query has already, or a byte order mark inside the file.
    """
    try:
        with path.open("rb") as stream:
            return trec_run(stream, path)
    except OSError as error:
        raise StorageError(
            f"cannot read run {path}: {error.strerror or error}; check the path"
        ) from error


def trec_run(lines: Iterable[bytes], path: Path) -> Run:
    """Make a run of the lines of a file, as `read_trec` does.

    Args:
        lines: of the file.
        path: of the file, for messages and the name of a run without lines.

    Raises:
        DataError: as `read_trec`.
    """
    scores: dict[str, dict[str, float]] = {}
    name: str | None = None
    for number, line in enumerate(lines, start=1):
        columns = line.removeprefix(_BYTE_ORDER_MARK if number == 1 else b"").split()
        if not columns or _is_comment(columns):
            continue
        query_id, doc_id, score, tag = _parse(columns, f"{path}:{number}")
        documents = scores.setdefault(query_id, {})
        if doc_id in documents:
            raise DataError(
                f"{path}:{number}: document {short(doc_id)} is listed twice for query "
                f"{short(query_id)}; keep one of the two lines"
            )
        documents[doc_id] = score
        name = name or tag
    rankings = {
        query_id: Ranking.sort(list(documents), list(documents.values()))
        for query_id, documents in scores.items()
    }
    return Run(name or path.stem, rankings)


def _is_comment(columns: list[bytes]) -> bool:
    if not columns[0].startswith(b"#"):
        return False
    score = columns[4].decode("utf-8", "replace") if len(columns) == 6 else ""
    return not _NUMBER.fullmatch(score)


def _parse(columns: list[bytes], where: str) -> tuple[str, str, float, str]:
    """Return query id, document id, score and tag of one line."""
    if len(columns) != 6:
        raise DataError(
            f"{where}: expected the 6 columns '{_COLUMNS}', found {len(columns)}; correct the line"
        )
    try:
        query_id, _, doc_id, _, text, tag = (column.decode("utf-8") for column in columns)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 text; convert the file to UTF-8") from error
    if query_id.startswith(_MARK):
        raise DataError(
            f"{where}: the query id {short(query_id)} begins with a byte order mark, as where "
            "files were put together; remove it"
        )
    if not _NUMBER.fullmatch(text):  # float() also takes 1_000, and digits of other scripts
        raise DataError(f"{where}: score {short(text)} is not a number; correct the line")
    return query_id, doc_id, float(text), tag


def _check_ids(query_id: str, ranking: Ranking, path: Path) -> None:
    for value in (query_id, *ranking.doc_ids):
        if problem := _problem(value):
            raise DataError(
                f"cannot write {path}: the id {short(value)} in the results of query "
                f"{short(query_id)} {problem}; rename it in the collection"
            )
    if query_id.startswith(_MARK):
        raise DataError(
            f"cannot write {path}: the query id {short(query_id)} begins with a byte order mark, "
            "which a reader would take for the file's own; rename it in the collection"
        )


def _problem(value: str) -> str | None:
    if not value or _SPACE.search(value):
        return "is empty or holds white space, which separates the columns of a TREC run"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "contains half a surrogate pair, which no file can hold"
    return None
