"""`experiment=application`: what it makes up, and the whole on a few documents."""

import json

import numpy as np
import pytest

from benchmarks.application.conductor import Conductor
from benchmarks.application.made_up import FILTERS, MadeUpEncoder, Source, row_of, text_of
from benchmarks.application.record import (
    Application,
    Building,
    Changing,
    Filtered,
    Searching,
    Size,
    Timed,
)
from benchmarks.application.report import application_document
from benchmarks.doc_tables import fill_application
from benchmarks.features import register
from colbench.application.metadata import check_metadata
from colbench.config.compose import compose_run
from colbench.errors import ConfigError
from colbench.report.markdown import render_markdown
from colbench.results.checksummed import read_checksummed
from colbench.results.origin import CollectionInfo

register()

WORDS = [f"word{n}" for n in range(5000)]


class RealEncoder:
    """Stands for the encoder of the real texts."""

    def encode_documents(self, texts):
        rng = np.random.default_rng(len(texts))
        return [rng.standard_normal((20, 24)).astype(np.float32) for _ in texts]


@pytest.fixture
def source(tmp_path, tiny_collection):
    made = Source(tmp_path / "source")
    made.prepare(tiny_collection, RealEncoder(), 90, 16, "of this")
    return made


def test_the_source_is_known_again_and_holds_no_more_than_was_asked_for(source):
    assert source.holds("of this") and not source.holds("of that")
    assert not Source(source.folder / "elsewhere").holds("of this")
    pool = source.matrix("pool")
    assert pool.shape == (90, 16) and pool.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(pool, axis=1), 1, rtol=1e-5)
    assert {"cat", "bread"} <= {word.lower() for word in source.words()}


def test_equal_texts_have_equal_vectors_in_any_batch(source):
    encoder, again = (MadeUpEncoder(source, 24, 16) for _ in range(2))
    texts = [text_of(n, WORDS) for n in range(20)]
    vectors = encoder.encode_documents(texts)
    assert {one.shape for one in vectors} == {(24, 16)}
    np.testing.assert_allclose(np.linalg.norm(vectors[3], axis=1), 1, rtol=1e-5)
    for text, one in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(again.encode_documents([text])[0], one)
    assert encoder.document_fingerprint == again.document_fingerprint
    assert MadeUpEncoder(source, 12, 16).document_fingerprint != encoder.document_fingerprint
    (query,) = encoder.encode_queries(texts[:1])
    assert query.shape == (16, 16) and not np.allclose(query, vectors[0][:16])


def test_vectors_lie_near_real_ones(source):
    encoder = MadeUpEncoder(source, 24, 16)
    vectors = np.concatenate(encoder.encode_documents([text_of(n, WORDS) for n in range(50)]))
    assert 0.8 < (vectors @ source.matrix("pool").T).max(axis=1).mean() < 0.97


def test_documents_are_different_and_filters_match_what_they_say():
    count = 40_000
    assert len({text_of(n, WORDS) for n in range(1000)}) > 900
    rows = [row_of(n) for n in range(count)]
    assert check_metadata(rows[0], "x") == rows[0]

    def true(filter, row):
        def holds(value, wanted):
            if not isinstance(wanted, dict):
                return value == wanted
            if "$contains" in wanted:
                return wanted["$contains"] in value
            return wanted["$gte"] <= value < wanted["$lt"]

        return all(holds(row[field], wanted) for field, wanted in filter.items())

    for name, filter in FILTERS.items():
        share = float(name.partition(" %")[0]) / 100
        assert sum(true(filter, row) for row in rows) / count == pytest.approx(share, rel=0.35)


def made_up_results(environment):
    timed = Timed(p50_ms=12.3, p99_ms=45.6, stages={"search": 11.0, "texts": 1.0})
    filtered = [
        Filtered(name=name, documents=7, first_p50_ms=8.9, repeated=timed, overlap=0.97)
        for name in FILTERS
    ]
    size = Size(
        name="1,000 documents",
        documents=1000,
        tokens=24_000,
        building=Building(
            seconds=65.4,
            encoding_seconds=3.2,
            peak_bytes=1 << 30,
            vector_bytes=200_000_000,
            database_bytes=90_000_000,
            centroids=512,
            other_cpu_share=0.01,
        ),
        searching=Searching(
            open_seconds=0.5,
            peak_bytes=600_000_000,
            everything=timed,
            overlap=0.93,
            filters=filtered,
            hybrid=timed,
            hybrid_first_seconds=4.0,
            hybrid_peak_bytes=700_000_000,
            bm25_bytes=5_000_000,
            other_cpu_share=0.01,
        ),
        changing=Changing(
            add_first_seconds=1.1,
            add_later_seconds=0.9,
            delete_seconds=0.2,
            open_seconds=0.6,
            peak_bytes=500_000_000,
            other_cpu_share=0.01,
        ),
    )
    settings = compose_run(["experiment=application"]).model_dump(mode="json")
    return Application(
        colbench_version="0",
        command="python -m benchmarks run experiment=application",
        created="2026-01-01T00:00:00+00:00",
        collection=CollectionInfo(
            name="pydocs", docs=10, queries=3, judgments=4, fingerprint="f" * 64, sampled=False
        ),
        environment=environment,
        config={"application": settings["application"]},
        dims=128,
        source_bytes=100_000_000,
        sizes=[size],
    )


def test_the_report_shows_what_was_measured(example_results):
    report = render_markdown(application_document(made_up_results(example_results.environment)))
    for shown in ("12.3", "45.6", "0.9300", "0.9700", "65.4", "200.0 MB", "90.0 MB", "8.90"):
        assert shown in report, shown
    assert all(name in report for name in FILTERS)


PAGE = """<!-- table: application -->
| | 1,000 documents |
|---|---:|
| search of all, p50 / p99 | … |
| filter: 1 %, a number: p50 first / again | … |
<!-- end -->
"""


def test_the_table_of_the_documentation_is_filled(example_results):
    results = made_up_results(example_results.environment)
    made = fill_application(PAGE, results)
    assert "| search of all, p50 / p99 | 12.3 / 45.6 ms |" in made
    assert "| filter: 1 %, a number: p50 first / again | 8.90 / 12.3 ms |" in made
    assert fill_application(made, results) == made


def test_the_task_without_its_settings_is_refused():
    with pytest.raises(ConfigError, match="experiment=application"):
        Conductor(compose_run(["task=application"]), [])


@pytest.mark.nightly
def test_the_whole_runs_resumes_and_reports(tmp_path):
    words = [
        "experiment=application",
        "dataset.sample.docs=60",
        "dataset.sample.queries=5",
        "encoder.document_length=32",
        "application.documents=[300,600]",
        "application.pool=2000",
        "application.queries=6",
        "application.filtered=3",
        "application.judged=3",
        "application.trials=1",
        "application.changed=20",
        "application.additions=2",
        f"output_dir={tmp_path / 'out'}",
        f"cache_dir={tmp_path / 'cache'}",
    ]
    results, folder = Conductor(compose_run(words), ["colbench", "run"]).run()
    file = folder / "application.json"
    assert Application.model_validate(read_checksummed(file, what="", renew="")) == results
    assert [one.documents for one in results.sizes] == [300, 600]
    assert str(tmp_path) not in json.dumps(results.config)
    for one in results.sizes:
        assert one.building.seconds > 0 and one.building.vector_bytes > 0
        assert one.searching.overlap > 0.5 and one.searching.everything.p50_ms > 0
        assert {"search", "texts"} <= one.searching.everything.stages.keys()
        half = next(found for found in one.searching.filters if found.name.startswith("50 %"))
        assert 0.35 < half.documents / one.documents < 0.65
        assert one.changing.add_later_seconds > 0 and one.changing.delete_seconds > 0
    assert (folder / "report.md").stat().st_size > 0
    assert not (folder / ".parts" / "index").exists()
    again, _ = Conductor(compose_run(words), ["colbench", "run"]).run()
    assert again.sizes == results.sizes
