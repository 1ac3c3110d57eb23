"""What the README tells a reader to type works."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate_power.record import GatePower
from benchmarks.index_speed.record import IndexSpeed
from colbench.cli.main import build_parser
from colbench.collection.model import Collection, Document, Query
from colbench.config.compose import compose_run
from colbench.encoder.cache.store import EmbeddingCache
from colbench.results.sealed import read_sealed
from colbench.results.store import read_results
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system
from colbench.sweep.multirun import Multirun
from colbench.sweep.settings import SweepSettings, sweep_points

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(colbench run [^\n`…]*)$", README, re.MULTILINE)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_understood(command):
    options = build_parser().parse_args(shlex.split(command, comments=True)[1:])
    if options.instead:
        assert Multirun(options.overrides).varied
        return
    settings = compose_run(options.overrides)
    assert settings.systems
    sweep = settings.feature(SweepSettings)
    if sweep is not None:
        assert sweep_points(sweep, settings.system)


def test_the_readme_lists_every_system_and_no_other():
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", README, re.MULTILINE)
    assert sorted(listed) == sorted(compose_run([]).system)


def test_the_readmes_table_is_that_of_the_committed_results():
    results = read_results(ROOT / "results" / "scifact")
    measured = {s.name: s for s in results.systems if s.status == "ok"}
    lines = [line.split("|")[1:-1] for line in README.splitlines() if line.startswith("| `")]
    rows = {cells[0].strip(" `"): cells for cells in lines if len(cells) == 8}
    assert set(rows) == set(measured)
    for name, system in measured.items():
        shown = [cell.strip(" *") for cell in rows[name][1:4]]
        values = [system.effectiveness[m] for m in ("ndcg@10", "mrr@10", "recall@100")]
        assert shown == [f"{value:.4f}" for value in values]


SHIPPED = ("colbert_exact", "trained_exact", "bm25", "bm25_cross_encoder")


def test_the_readmes_table_of_shipped_weights_is_that_of_the_committed_results():
    row = re.compile(r"^\| \[[^]]+\]\((results/train/[\w-]+)/report\.md\) \|(.+)\|$", re.MULTILINE)
    rows = row.findall(README)
    assert len(rows) == 5
    for folder, cells in rows:
        measured = {s.name: s for s in read_results(ROOT / folder).systems if s.status == "ok"}
        shown = [cell.strip() for cell in cells.split("|")]
        values = [measured[n].effectiveness["ndcg@10"] if n in measured else None for n in SHIPPED]
        assert shown == ["" if value is None else f"{value:.4f}" for value in values]


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 7


def test_the_readmes_example_of_a_new_system_ranks(tmp_path, monkeypatch):
    (code,) = blocks("python")
    (yaml,) = blocks("yaml")
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shortest.py").write_text(code, encoding="utf-8")
    (tmp_path / "system").mkdir()
    text = yaml.replace("kind: shortest", "kind: mypackage.shortest")
    (tmp_path / "system" / "shortest.yaml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings = compose_run(["systems=[bm25,shortest]"], [tmp_path])
    documents = [Document("long", "", "a long document"), Document("short", "", "short")]
    bench = Workbench(
        collection=Collection("x", documents, [Query("q", "a")], {"q": {"long": 1}}),
        folder=tmp_path / "indexes",
        cache=EmbeddingCache(tmp_path / "cache"),
        systems=settings.system,
        memory_bytes=1 << 20,
    )
    system = make_system("shortest", bench)
    system.build()
    (hits,) = system.search(system.encode(["a"]), 2)
    assert hits.docs.tolist() == [1, 0]
    sys.modules.pop("mypackage.shortest", None)


def test_the_readmes_example_of_an_index_runs(tmp_path, monkeypatch):
    (code,) = blocks("py")
    monkeypatch.chdir(tmp_path)
    vectors = np.random.default_rng(0).standard_normal((12, 5, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    ids = ["old", *(f"d{number}" for number in range(10))]
    given = {"ids": ids, "vectors": list(vectors[:11]), "query": vectors[3]}
    names = {**given, "vectors_of_new": vectors[11]}
    exec(code, names)
    index = names["ColbertIndex"].open(names["folder"])
    assert ids[names["found"].docs[0]] == ids[3]
    assert set(index.numbers) == {*ids[1:], "new"}


def test_the_readmes_figures_of_the_index_are_those_of_the_committed_results():
    path = ROOT / "results" / "index_speed" / "index_speed.json"
    results = IndexSpeed.model_validate(read_sealed(path, what="", renew=""))
    rows = {
        f"`{engine.engine}` `{search.name}`": [
            f"{search.p50_ms:.1f}",
            f"{search.overlap:.4f}",
            f"{search.ndcg_all:.4f}",
            f"{engine.build_seconds:,.0f}",
        ]
        for engine in results.engines
        for search in engine.searches
    }
    lines = [line.split("|")[1:-1] for line in README.splitlines() if line.startswith("| `")]
    shown = {cells[0].strip(): [c.strip() for c in cells[1:]] for cells in lines if len(cells) == 5}
    assert len(shown) >= 5
    assert shown == {name: rows[name] for name in shown}


def test_the_readmes_table_of_a_sweep_is_that_of_the_committed_results():
    results = read_results(ROOT / "results" / "sweep_compression_scifact")
    front = {s.name: s for s in results.systems if s.name in results.sweep.front_bytes}
    wanted = {}
    for name, system in front.items():
        nbits, dims, pooling = (str(v or "all") for v in results.sweep.points[name].values())
        wanted[nbits, dims, pooling] = f"{system.effectiveness['ndcg@10']:.4f}"
    lines = re.findall(r"^\| (\d+) \| (\w+) \| (\d) \| ([\d.]+) \|", README, re.MULTILINE)
    assert {line[:3]: line[3] for line in lines} == wanted


def test_the_readmes_reproduced_figures_are_those_of_the_committed_results():
    path = ROOT / "results" / "reproduce" / "reproduction.json"
    entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
    known = {
        (f"{f['published']:.4f}", f"{f['measured']:.4f}", f["status"])
        for f in entries
        if f["measured"] is not None
    }
    block = README.partition("<!-- results/reproduce -->")[2].partition("<!-- end reproduce -->")[0]
    shown = re.findall(
        r"^\| [^|]+ \| ([\d.]+) \| ([\d.]+) \| \S+ \| \S+ \| (\w+) \|$", block, re.MULTILINE
    )
    assert len(shown) == 5 and set(shown) <= known


def test_the_readmes_figures_of_the_gate_are_those_of_the_committed_results():
    content = read_sealed(ROOT / "results/gate_power/gate_power.json", what="", renew="")
    found = GatePower.model_validate(content).collections[0]
    for variant in found.variants:
        if variant.kind != "exchanged":
            last = variant.detections[-1]
            shares = (last.tests, last.gate, last.tolerance)
            assert " | ".join([f"{share:.1%}" for share in shares]) in README
            assert f"| {variant.about} |" in README
    rows = {row.rule: row for row in found.equal_power if row.queries == last.queries}
    for share in (
        *(rows["gate"].power, rows["gate"].noise, rows["gate"].equal_noise),
        *(rows["fixed"].power, rows["fixed"].noise, rows["fixed"].exchanged),
        *(rows["tests"].exchanged, rows["tests"].equal_exchanged),
    ):
        assert f"{share:.1%}" in README
