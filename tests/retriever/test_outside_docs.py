"""What `docs/outside.md` shows runs: its files, beside each other in one run."""

import re
from pathlib import Path

from outside_bench import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "outside.md"
BLOCK = re.compile(r"^```\w+\n# DIR/(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HITS = [{"_id": "d3", "_score": 2.0}, {"_id": "d1", "_score": 1.0}]


def test_the_files_of_the_page_run_beside_each_other(
    server, fork_server, tiny_collection, tmp_path, monkeypatch
):
    folder = tmp_path / "conf"
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "their.run").write_text("q1 Q0 d1 1 2.5 theirs\n", encoding="utf-8")
    systems = sorted(path.stem for path in (folder / "system").iterdir())
    assert systems == ["mine", "program", "server", "their_run"]
    server.answers = [{"hits": {"hits": HITS}}]
    words = ["--config-dir", str(folder), f"systems=[bm25,{','.join(systems)},short]"]
    words += [f"system.server.url={server.url}/docs/_search"]
    words += ["system.short.kind=python", "system.short.target=./mine.py:shortest"]
    done, rows = run(fork_server, tiny_collection, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(
        ["bm25", *systems, "short"], "ok"
    )
    costs = {name: row["peak_rss_bytes"] is not None for name, row in rows.items()}
    assert costs == {
        **dict.fromkeys(["bm25", "mine", "program", "short"], True),
        **dict.fromkeys(["server", "their_run"], False),
    }
