"""What the README and the pages of `docs/` say is so: commands, code, keys, tables, links."""

import inspect
import json
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt

import benchmarks.features
import colbench.features
from benchmarks.application.record import FILE_NAME, Application
from benchmarks.doc_tables import APPLICATION, APPLICATION_PAGES, fill_application
from benchmarks.gate_power.record import GatePower
from benchmarks.index_speed.record import IndexSpeed
from colbench.cli.main import build_parser
from colbench.collection.load import load_collection
from colbench.collection.model import Collection, Document, Query
from colbench.collection.settings import (
    BeirDirSettings,
    IrdsSettings,
    SampleSettings,
    VectorsSettings,
)
from colbench.config.compose import compose_run
from colbench.config.settings import LatencySettings, SignificanceSettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.gate.pytest_plugin import ColbenchGate
from colbench.gate.rules import load_rules
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.results.checksummed import read_checksummed
from colbench.results.store import read_results
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system
from colbench.sweep.multirun import Multirun
from colbench.sweep.settings import SweepSettings, sweep_variants
from colbench.train.command import compose_train
from colbench.train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
REPOSITORY = "https://github.com/colbench/colbench"
PATHS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name / "README.md" for name in ("benchmarks", "results")),
]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
MARKDOWN = MarkdownIt("commonmark").enable("table")


class Page(NamedTuple):
    """What a page holds: code blocks as (language, text), inline code, link targets, anchors."""

    blocks: list[tuple[str, str]]
    code: list[str]
    links: list[str]
    anchors: list[str]


def read(text):
    """Parse a page as GitHub does."""
    page = Page([], [], [], [])
    tokens = MARKDOWN.parse(text)
    for place, token in enumerate(tokens):
        if token.type == "fence":
            page.blocks.append((token.info.strip(), token.content))
        if token.type == "heading_open":
            page.anchors.append(anchor(tokens[place + 1].content))
        for child in token.children or []:
            if child.type == "code_inline":
                page.code.append(child.content)
            page.links.extend(
                str(child.attrs[key]) for key in ("href", "src") if key in child.attrs
            )
    return page


def anchor(heading):
    """Return the anchor that GitHub gives a heading.

    >>> anchor("Latency, `p95` and more")
    'latency-p95-and-more'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


READ = {name: read(text) for name, text in PAGES.items()}


def blocks(language, name):
    return [text for info, text in READ[name].blocks if info == language]


def commands(start):
    """Return every line of a shell block, and every inline code, that starts so, without repeats.

    The changelog is left out: it speaks of what was.
    """
    names = PAGES.keys() - {"CHANGELOG.md"}
    shell = [text for name in names for text in blocks("sh", name)]
    inline = [code.replace("\n", " ") for name in names for code in READ[name].code]
    lines = [line for text in shell for line in text.splitlines()] + inline
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(start)]
    return sorted({shlex.join(command) for command in words})


COMMANDS = commands("colbench ")
PLACEHOLDERS = [line for line in COMMANDS if re.search(r"\b[A-Z]{2,}\b|=A,B| A B$|…", line)]
WHOLE = [line for line in COMMANDS if line not in PLACEHOLDERS and len(line.split()) > 2]
ALONE = [line for line in COMMANDS if line not in PLACEHOLDERS and len(line.split()) == 2]
"""The name of a subcommand, of which a page speaks."""


def understood(command):
    """Return what the parser makes of a command; overrides may stand before and after options."""
    options, rest = build_parser().parse_known_args(shlex.split(command)[1:])
    if rest:
        assert not any(word.startswith("-") for word in rest), rest
        options.overrides = [*options.overrides, *rest]
    return options


def test_there_is_enough_to_test():
    assert len(WHOLE) >= 60 and len(PLACEHOLDERS) >= 5
    assert sum(len(page.links) for page in READ.values()) >= 100


def test_the_readme_is_short():
    assert len(PAGES["README.md"].encode()) <= 10_000


@pytest.mark.parametrize("command", WHOLE)
def test_every_command_is_understood(command):
    options = understood(command)
    if options.command == "train":
        assert compose_train(options.overrides).feature(TrainSettings) is not None
    elif options.command == "run":
        check_run(options)
    elif options.command in ("explain", "reproduce"):
        assert compose_run(options.overrides)


BENCHMARKS = [line for line in commands("python -m benchmarks run ") if "…" not in line]


def test_there_is_a_command_of_every_benchmark():
    given = "\n".join(BENCHMARKS)
    for package in benchmarks.features.BENCHMARKS:
        assert f"experiment={package.removeprefix('benchmarks.')}" in given


@pytest.mark.parametrize("command", BENCHMARKS)
def test_every_command_of_a_benchmark_is_understood(command, monkeypatch):
    registered = [*colbench.features.REGISTERED, *benchmarks.features.BENCHMARKS]
    monkeypatch.setattr(colbench.features, "REGISTERED", registered)
    settings = compose_run(shlex.split(command)[4:])
    assert f"benchmarks.{settings.task}" in benchmarks.features.BENCHMARKS


@pytest.mark.parametrize("command", ALONE)
def test_every_subcommand_that_is_named_exists(command, capsys):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([*shlex.split(command)[1:], "--help"])
    assert stop.value.code == 0 and f"usage: {command} " in capsys.readouterr().out


def check_run(options):
    if options.instead:
        assert Multirun(options.overrides).varied
        return
    settings = compose_run(options.overrides, [ROOT / folder for folder in options.config_dir])
    assert settings.systems
    sweep = settings.feature(SweepSettings)
    if sweep is not None:
        assert sweep_variants(sweep, settings.system)


@pytest.mark.parametrize("command", PLACEHOLDERS)
def test_every_command_with_placeholders_has_the_right_options(command):
    assert understood(command).command


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for link in READ[page].links:
        target, _, wanted = link.partition("#")
        inside = re.fullmatch(rf"{REPOSITORY}/(?:blob|tree)/main/(.+)", target)
        if inside:
            assert (ROOT / inside[1]).exists(), link
        if re.match(r"[a-z]+:", target):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), link
        assert ROOT in path.resolve().parents, link
        if wanted:
            name = path.resolve().relative_to(ROOT).as_posix()
            assert wanted in READ[name].anchors, link


@pytest.mark.parametrize("page", PAGES)
def test_headings_have_anchors_of_their_own(page):
    anchors = [name for name in READ[page].anchors if page != "CHANGELOG.md"]
    assert len(set(anchors)) == len(anchors)


def test_every_page_is_linked_from_the_overview():
    linked = {link.partition("#")[0] for link in READ["docs/index.md"].links}
    pages = {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")}
    assert pages - linked == {"index.md"}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_site_builds_without_a_warning(tmp_path):
    """A dead link, an unknown anchor, or a page that the navigation lacks is a warning."""
    pytest.importorskip("furo", reason="the extra `docs` is not installed")
    pytest.importorskip("myst_parser", reason="the extra `docs` is not installed")
    build = pytest.importorskip("sphinx.cmd.build", reason="the extra `docs` is not installed")
    options = ["-b", "html", "-W", "--keep-going", "-q", "-d", str(tmp_path / "doctrees")]
    assert build.main([*options, str(ROOT / "docs"), str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "gate.html").read_text(encoding="utf-8")
    assert f'href="{REPOSITORY}/blob/main/conf/gate/default.yaml"' in page
    assert (tmp_path / "site" / "_images" / "pareto_bytes.svg").is_file()


def test_folders_that_pages_name_are_there():
    named = {
        code
        for page in READ.values()
        for code in page.code
        if re.fullmatch(r"(?:colbench|conf|docs|tests|benchmarks)/[\w/]*(?:\.py)?", code)
    }
    assert len(named) >= 30
    for path in named:
        assert (ROOT / path).exists(), path


def test_internals_and_its_drawing_show_every_package():
    packages = {path.parent.name for path in (ROOT / "colbench").glob("*/__init__.py")}
    code = READ["docs/internals.md"].code
    assert packages >= {"collection", "retriever", "gate"}
    assert packages == {name for name in packages if f"colbench/{name}/" in code}
    drawn = (ROOT / "docs" / "images" / "flow.svg").read_text(encoding="utf-8")
    assert set(re.findall(r'font-weight="bold" font-size="15">(\w+)<', drawn)) == packages
    assert drawn == runpy.run_path(str(ROOT / "docs" / "_flow.py"))["drawing"]()


def test_make_targets_that_pages_name_are_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    code = [code for page in READ.values() for code in page.code]
    lines = [line for name in PAGES for text in blocks("sh", name) for line in text.splitlines()]
    named = {words[1] for words in map(str.split, [*code, *lines]) if words[:1] == ["make"]}
    assert len(named) >= 6 and named <= targets


def test_extras_that_pages_name_are_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    named = re.findall(r"(?:colbench|\.)\[([\w,-]+)\]'", "\n".join(PAGES.values()))
    assert named and {extra for group in named for extra in group.split(",")} <= extras
    (table,) = re.findall(r"\| extra \| for \|\n\|[-|]+\n((?:\|.*\n)+)", PAGES["docs/start.md"])
    heads = [line.split("|")[1] for line in table.splitlines()]
    assert {extra for head in heads for extra in re.findall(r"`([\w-]+)`", head)} == extras


GROUPS = {
    "dataset": [IrdsSettings, BeirDirSettings, VectorsSettings],
    "dataset.sample": [SampleSettings],
    "encoder": [EncoderSettings],
    "cross_encoder": [CrossEncoderSettings],
    "index": [IndexSettings],
    "search": [SearchSettings],
    "significance": [SignificanceSettings],
    "latency": [LatencySettings],
}
KEY = re.compile(rf"({'|'.join(GROUPS)})\.(?!json)([a-z_]+)(?:=.*)?")


def test_keys_that_pages_name_are_there():
    keys = [KEY.fullmatch(code) for page in READ.values() for code in page.code]
    named = {key.groups() for key in keys if key and key[0] != "index.json"}  # a file
    assert len(named) >= 20
    for group, key in named:
        fields = {name for settings in GROUPS[group] for name in settings.model_fields}
        assert key in fields or f"{group}.{key}" in GROUPS, (group, key)


def test_the_citation_and_the_changelog_know_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version and citation["repository-code"] == REPOSITORY
    assert "## [Unreleased]" in PAGES["CHANGELOG.md"] or f"## [{version}]" in PAGES["CHANGELOG.md"]


# --- code ---


def test_the_example_of_a_system_ranks(tmp_path, monkeypatch):
    (code,) = blocks("python", "docs/systems.md")
    (text,) = blocks("yaml", "docs/systems.md")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "shortest.py").write_text(code, encoding="utf-8")
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "shortest.yaml").write_text(text, encoding="utf-8")
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


def test_the_example_of_writing_vectors_runs(tmp_path, monkeypatch):
    (code,) = blocks("py", "docs/vectors.md")
    monkeypatch.chdir(tmp_path)
    matrices = [np.eye(4)[:2], np.eye(4)[1:]]
    exec(code, {"ids": ["p1", "p2"], "matrices": matrices, "query_matrix": np.eye(4)[:1]})
    collection = load_collection(VectorsSettings(path=tmp_path / "pages"))
    assert collection.doc_ids == ["p1", "p2"] and collection.judgments == 1


def test_the_example_of_an_index_runs(tmp_path, monkeypatch):
    code = "\n".join(blocks("py", "docs/colbert-index.md"))
    monkeypatch.chdir(tmp_path)
    vectors = np.random.default_rng(0).standard_normal((12, 5, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    ids = ["old", *(f"d{number}" for number in range(10))]
    given = {"ids": ids, "vectors": list(vectors[:11]), "query": vectors[3]}
    names = {**given, "vectors_of_new": vectors[11]}
    exec(code, names)
    index = names["ColbertIndex"].open(names["folder"])
    assert ids[names["hits"].docs[0]] == ids[3]
    assert set(index.numbers) == {*ids[1:], "new"}


def test_the_example_of_an_experiment_composes(tmp_path):
    (text,) = blocks("yaml", "docs/start.md")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text, encoding="utf-8")
    settings = compose_run(["experiment=mine"], [tmp_path])
    assert settings.systems == ["bm25", "bi_encoder", "colbert_exact"]
    assert settings.measures == ["ndcg@10", "recall@100"]


def test_the_example_of_a_collection_composes(tmp_path):
    (text,) = blocks("yaml", "docs/collections.md")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.yaml").write_text(text, encoding="utf-8")
    given = compose_run(["dataset=mine"], [tmp_path]).dataset
    assert given == compose_run(["dataset=cranfield"]).dataset


def test_the_example_of_rules_is_valid(tmp_path):
    (text,) = blocks("yaml", "docs/gate.md")
    path = tmp_path / "my_rules.yaml"
    path.write_text(text, encoding="utf-8")
    rules = load_rules(str(path))
    assert rules.measures["ndcg@10"] == 0.01 and rules.costs.latency_p95 is None
    assert rules.alpha == load_rules("default").alpha


def test_the_example_of_the_action_has_its_inputs():
    (text,) = blocks("yml", "docs/gate.md")
    (step,) = yaml.safe_load(text)
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    assert set(step["with"]) <= set(inputs)
    assert {name for name, about in inputs.items() if about["required"]} <= set(step["with"])
    assert step["uses"].startswith(REPOSITORY.removeprefix("https://github.com/") + "@")


def test_the_example_of_the_pytest_fixture_calls_it_right():
    (code,) = blocks("python3", "docs/gate.md")
    names = {}
    exec(code, names)
    calls = []
    names["test_quality"](lambda *args, **keywords: calls.append((args, keywords)))
    ((args, keywords),) = calls
    inspect.signature(ColbenchGate.__call__).bind(None, *args, **keywords)


# --- tables ---


def table(name, page):
    """Return the rows of a table by their first cell, each a dict of column → cell."""
    (block,) = re.findall(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", PAGES[page], re.DOTALL)
    lines = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in block.splitlines()]
    columns = lines[0]
    assert all(len(line) == len(columns) for line in lines)
    return [dict(zip(columns, line, strict=True)) for line in lines[2:]]


SCALES = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


def shows(cell, value):
    """Whether a cell shows a value, rounded to the digits that it has."""
    number, _, unit = cell.replace(",", "").partition(" ")
    decimals = len(number.partition(".")[2])
    return float(number) == pytest.approx(round(value / SCALES.get(unit, 1), decimals), abs=1e-9)


def test_a_cell_shows_a_rounded_value():
    assert shows("0.6770", 0.67704) and not shows("0.6770", 0.6771)
    assert shows("1,191", 1190.6) and shows("3.8 MB", 3_750_001) and not shows("3.7 MB", 3_750_001)


def measured(folder):
    return {s.name: s for s in read_results(RESULTS / folder).systems if s.status == "ok"}


COLUMNS = {
    "nDCG@10": lambda system: system.effectiveness["ndcg@10"],
    "MRR@10": lambda system: system.effectiveness["mrr@10"],
    "Recall@100": lambda system: system.effectiveness["recall@100"],
    "query p50, ms": lambda system: system.latency_ms.end_to_end.p50,
    "query p95, ms": lambda system: system.latency_ms.end_to_end.p95,
    "search p50, ms": lambda system: system.latency_ms.search.p50,
    "queries/s": lambda system: system.throughput_qps,
    "index": lambda system: system.index.bytes,
    "peak memory": lambda system: system.peak_rss_bytes,
}


@pytest.mark.parametrize(
    ("name", "page", "rows"), [("scifact", "README.md", 7), ("scifact_all", "docs/systems.md", 12)]
)
def test_the_tables_of_scifact_are_those_of_the_results(name, page, rows):
    systems = measured("scifact")
    shown = table(name, page)
    assert len(shown) == rows and (
        rows < 9 or {row["system"].strip("`") for row in shown} == set(systems)
    )
    for row in shown:
        for column in COLUMNS.keys() & row.keys():
            value = COLUMNS[column](systems[row["system"].strip("`")])
            assert shows(row[column], value), (row["system"], column, value)


def test_the_list_of_systems_is_complete():
    names = [row["name"].strip("`") for row in table("systems", "docs/systems.md")]
    assert sorted(names) == sorted(compose_run([]).system)


SHIPPED = ("colbert_exact", "trained_exact", "bm25", "bm25_cross_encoder")


def test_the_table_of_shipped_weights_is_that_of_the_results():
    shown = table("train", "docs/training.md")
    assert len(shown) == 5
    for row in shown:
        systems = measured(re.search(r"\((?:\.\./)results/(.+)/report\.md\)", row["collection"])[1])
        for name in SHIPPED:
            cell = row[f"`{name}`"]
            assert (name in systems) == bool(cell)
            assert not cell or shows(cell, systems[name].effectiveness["ndcg@10"]), (row, name)


def test_the_table_of_a_sweep_is_that_of_the_results():
    results = read_results(RESULTS / "sweep_compression_scifact")
    systems = {system.name: system for system in results.systems}
    points = {
        tuple(str(value or "all") for value in results.sweep.variants[name].values()): systems[name]
        for name in systems.keys() & set(results.sweep.front_bytes)
    }
    *shown, last = table("sweep_compression", "docs/sweeps.md")
    keys = [(row["nbits"], row["dims"], row["pooling"]) for row in shown]
    assert sorted(keys) == sorted(points)
    exact = systems["colbert_exact"]
    for row, key in [*zip(shown, keys, strict=True), (last, None)]:
        system = exact if key is None else points[key]
        for column in ("nDCG@10", "search p50, ms", "index"):
            assert shows(row[column], COLUMNS[column](system)), (key, column)
        if key is not None:
            test = system.significance["ndcg@10"]
            assert shows(row["points"].rstrip("†"), 100 * test.difference), key
            assert row["points"].endswith("†") == test.significant
            assert shows(row["RBO"], system.fidelity.rbo), key


def test_the_table_of_reproduced_figures_is_that_of_the_results():
    path = RESULTS / "reproduce" / "reproduction.json"
    entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
    known = [entry for entry in entries if entry["measured"] is not None]
    shown = table("reproduce", "docs/reproducing.md")
    assert len(shown) == 6
    for row in shown:
        (entry,) = [
            entry
            for entry in known
            if shows(row["published"], entry["published"])
            and shows(row["measured"], entry["measured"])
        ][:1]
        assert row[""] == entry["status"]
        assert shows(row["points"], 100 * entry["difference"])
        assert shows(row["tolerance"], 100 * entry["tolerance"])


def test_the_tolerances_are_those_of_the_configuration():
    path = ROOT / "conf" / "published" / "published.yaml"
    tolerances = yaml.safe_load(path.read_text(encoding="utf-8"))["tolerances"]
    section = PAGES["docs/reproducing.md"].partition("## Tolerances")[2].partition("\n## ")[0]
    cells = re.findall(r"\| ([\d.]+|none) \|$", section, re.MULTILINE)
    assert cells == ["none" if t is None else f"{100 * t:g}" for t in tolerances.values()]


def test_the_table_of_encoding_speed_is_that_of_the_results():
    path = RESULTS / "encode_speed" / "encode_speed.json"
    forms = json.loads(path.read_text(encoding="utf-8"))["collections"][0]["forms"]
    by_system = {form["system"]: form for form in forms}
    dense, tokens = by_system["bi_encoder"], by_system["colbert_exact"]
    first, *shown = table("encode_speed", "docs/encoding.md")
    assert shows(first["documents/s, dense"], dense["speed"]["reference"]["docs_per_second"])
    assert shows(first["documents/s, tokens"], tokens["speed"]["reference"]["docs_per_second"])
    assert len(shown) == 3
    for row in shown:
        name = row["backend and precision"]
        times = row["times sentence-transformers fp32"].split(", ")
        columns = ("dense", "bi-encoder"), ("tokens", "exact MaxSim")
        for form, time, (speed, effect) in zip((dense, tokens), times, columns, strict=True):
            (variant,) = [
                variant
                for variant in form["speed"]["variants"]
                if f"{variant['backend']} {variant['precision']}" == name
            ]
            assert shows(row[f"documents/s, {speed}"], variant["speed"]["docs_per_second"]), name
            assert shows(time, variant["to_reference"]), name
            assert shows(row[f"nDCG@10, {effect}"], form["effects"][name]["value"]), name
            test = form["effects"][name]["test"]
            assert test is None or not test["significant"]


def test_the_table_of_the_index_is_that_of_the_results():
    path = RESULTS / "index_speed" / "index_speed.json"
    results = IndexSpeed.model_validate(read_checksummed(path, what="", renew=""))
    known = {
        f"`{engine.engine}` `{search.name}`": (engine, search)
        for engine in results.engines
        for search in engine.searches
    }
    shown = table("index_speed", "docs/colbert-index.md")
    assert len(shown) >= 5
    for row in shown:
        engine, search = known[row["engine, search"]]
        assert shows(row["p50, ms"], search.p50_ms), row
        assert shows(row["overlap@100"], search.overlap), row
        assert shows(row["nDCG@10"], search.ndcg_all), row
        assert shows(row["build, s"], engine.build_seconds), row


def test_the_figures_of_the_gate_are_those_of_the_results():
    content = read_checksummed(RESULTS / "gate_power" / "gate_power.json", what="", renew="")
    power = GatePower.model_validate(content).collections[0]
    shown = {row["run"]: row for row in table("gate_power", "docs/gate.md")}
    variants = {v.about: v for v in power.variants if v.kind != "exchanged"}
    assert shown.keys() == variants.keys()
    for about, variant in variants.items():
        last = variant.detections[-1]
        row = shown[about]
        for column, share in zip(
            ("tests", "gate", "fixed"), (last.tests, last.gate, last.tolerance), strict=True
        ):
            assert row[column] == f"{share:.1%}", (about, column)
        drops = [variant.differences[system]["ndcg@10"] for system in variant.systems]
        cells = row["nDCG@10"].split(", ")
        assert all(shows(cell, 100 * drop) for cell, drop in zip(cells, drops, strict=True)), about
    (text,) = re.findall(
        r"<!-- text: gate_power -->\n(.*?)<!-- end -->", PAGES["docs/gate.md"], re.DOTALL
    )
    rows = {row.rule: row for row in power.equal_power if row.queries == last.queries}
    shares = [
        *(rows["gate"].power, rows["gate"].noise),
        *(rows["fixed"].power, rows["fixed"].noise, rows["gate"].equal_noise),
        *(rows["tests"].exchanged, rows["fixed"].exchanged, rows["tests"].equal_exchanged),
    ]
    assert re.findall(r"[\d.]+%", text) == [f"{share:.1%}" for share in shares]


def test_the_tables_of_an_application_are_those_of_the_results():
    content = read_checksummed(RESULTS / "application" / FILE_NAME, what="", renew="")
    results = Application.model_validate(content)
    assert all(f"<!-- table: {APPLICATION} -->" in PAGES[name] for name in APPLICATION_PAGES)
    for name in APPLICATION_PAGES:
        assert fill_application(PAGES[name], results) == PAGES[name], (
            "python -m benchmarks.doc_tables"
        )
    assert APPLICATION == "application"


def test_every_table_of_results_is_tested():
    named = {name for text in PAGES.values() for name in re.findall(r"<!-- table: (\w+) -->", text)}
    source = Path(__file__).read_text(encoding="utf-8")
    assert named and all(f'"{name}"' in source for name in named)
