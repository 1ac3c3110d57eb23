"""The code of the pages in docs/ runs as it stands."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", ["langchain", "llama-index", "haystack"])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert sum(block.count("assert ") for block in blocks) >= 1
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, f"docs/{name}.md", "exec"), names)
