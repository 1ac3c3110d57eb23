"""The site of results is made from the committed JSON alone."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from benchmarks.results_site import INDEX, PAGE, RESULTS, build_site, main, measurements
from colbench.errors import StorageError
from colbench.results.checksummed import read_checksummed, write_checksummed
from colbench.results.store import read_results

TRAINED = "train/minilm_demo"
RUN = "cranfield"
HOW = {"what": "results", "renew": "make them again"}


def copied(folder, *names):
    """Copy the JSON that a report is made from, as a clone has it without runs/ and per_query/."""
    for name in names:
        for file in (RESULTS / name).glob("*.json"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    results = copied(folder / "results", TRAINED, RUN)
    before = {file: file.read_bytes() for file in results.rglob("*") if file.is_file()}
    site = folder / "site"
    made = build_site(results, site)
    assert {file: file.read_bytes() for file in results.rglob("*") if file.is_file()} == before
    return site, made


def test_the_index_leads_to_every_page(built):
    site, made = built
    assert [one.folder for one in made] == [RUN, TRAINED]
    index = (site / INDEX).read_text(encoding="utf-8")
    assert re.findall(r'href="([^"]+\.html)"', index) == [f"{RUN}/{PAGE}", f"{TRAINED}/{PAGE}"]
    assert all((site / one.folder / PAGE).is_file() for one in made)
    for one in made:
        assert one.command in unescape(index) and one.created[:10] in index


def test_a_run_has_the_page_of_colbench_report(built):
    site, _ = built
    page = (site / RUN / PAGE).read_text(encoding="utf-8")
    for system in read_results(RESULTS / RUN).systems:
        if system.status == "ok":
            assert f"{system.effectiveness['ndcg@10']:.4f}" in page
    assert "vegaEmbed" in page and 'data-chart="pareto_latency"' in page


def test_a_page_made_of_markdown_has_its_tables_and_its_picture(built):
    site, _ = built
    folder = site / TRAINED
    page = (folder / PAGE).read_text(encoding="utf-8")
    best = read_checksummed(RESULTS / TRAINED / "train.json", **HOW)["best_value"]
    assert f"<strong>{best:.4f}</strong>" in page
    assert page.count("<table>") == (folder / "report.md").read_text().count("| --- |") > 1
    (picture,) = re.findall(r'<img src="([^"]+)"', page)
    assert (folder / picture).read_text(encoding="utf-8").startswith("<svg")


def test_the_site_may_be_the_results_themselves(tmp_path):
    results = copied(tmp_path / "results", TRAINED)
    build_site(results, results)
    committed = (RESULTS / TRAINED / "report.md").read_text(encoding="utf-8")
    assert (results / TRAINED / "report.md").read_text(encoding="utf-8") == committed
    assert [one.folder for one in build_site(results, results)] == [TRAINED]


def test_words_of_others_are_text_in_the_index(tmp_path):
    results = copied(tmp_path / "results", TRAINED)
    file = results / TRAINED / "train.json"
    hostile = "colbench train <script>alert(1)</script>"
    write_checksummed(file, {**read_checksummed(file, **HOW), "command": hostile})
    site = tmp_path / "site"
    build_site(results, site)
    for page in (site / INDEX, site / TRAINED / PAGE):
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text and hostile in unescape(text)


def test_a_damaged_file_ends_it_in_one_line_that_names_it(tmp_path, capsys):
    results = copied(tmp_path / "results", TRAINED)
    file = results / TRAINED / "train.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "best_value": 0.9}), encoding="utf-8")
    assert main([str(tmp_path / "site"), "--results", str(results)]) == 2
    told = capsys.readouterr().err
    assert str(file) in told and "changed or damaged" in told and told.count("\n") == 1


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(StorageError, match="holds no results"):
        build_site(tmp_path, tmp_path / "site")


def test_runs_that_are_not_committed_are_left_out(tmp_path):
    results = copied(tmp_path / "results", TRAINED)
    for other in ("runs/quickstart", ".colbench/work"):
        shutil.copytree(results / TRAINED, results / other)
    assert list(measurements(results)) == [results / TRAINED / "train.json"]


@pytest.mark.nightly
def test_every_committed_folder_has_a_page_and_the_report_it_should_have(tmp_path):
    made = build_site(RESULTS, tmp_path)
    listed = re.findall(r"\]\(([\w/-]+)/report\.md\)", (RESULTS / "README.md").read_text())
    assert sorted(one.folder for one in made) == sorted(listed)
    for one in made:
        new = (tmp_path / one.folder / "report.md").read_text(encoding="utf-8")
        assert (RESULTS / one.folder / "report.md").read_text(encoding="utf-8") == new
        assert (tmp_path / one.folder / PAGE).stat().st_size > 5_000
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", new):
            assert (tmp_path / one.folder / Path(picture)).with_suffix(".png").is_file()
