"""The folder that the examples of `colbench.api` speak of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

_DOCUMENTS = {
    "paris": "Paris is the capital of France.",
    "berlin": "Berlin is the capital of Germany.",
    "cheese": "Cheese is made from milk.",
    "tides": "The moon pulls the sea and makes the tides.",
}
_QUERIES = {"q1": "capital of France", "q2": "what makes the tides"}
_QRELS = "query-id\tcorpus-id\tscore\nq1\tparis\t2\nq1\tberlin\t0\nq2\ttides\t1\n"
_MAKE_FOLDERS = tuple(
    f"colbench.{name}" for name in ("application", "integrations", "serve", "vespa")
)
_ANSWERS = {"first": {"F": ["paris"], "t": ["tides"]}, "second": {"F": ["paris"], "t": []}}


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a collection `my_folder`, and results `first` and `second` of it."""
    import colbench

    place = tmp_path_factory.mktemp("examples")
    folder = place / "my_folder"
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", _DOCUMENTS), ("queries", _QUERIES)):
        lines = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(_QRELS, encoding="utf-8")
    for name, answers in _ANSWERS.items():

        def mine(query: str, k: int, answers: dict[str, list[str]] = answers) -> list[str]:
            return answers["F" if "F" in query else "t"]

        colbench.run(dataset=folder, systems=[mine], output_dir=place / name)
    return place


@pytest.fixture(autouse=True)
def _in_the_examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the examples of `colbench.api` in that folder, and those that make one in a new one."""
    if request.node.name.startswith("colbench.api."):
        monkeypatch.chdir(request.getfixturevalue("examples"))
    elif request.node.name.startswith(_MAKE_FOLDERS):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
