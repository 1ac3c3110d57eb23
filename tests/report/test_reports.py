import io

from rich.console import Console

from colbench.report.markdown import render_markdown
from colbench.report.terminal import print_results
from colbench.report.write import write_report


def terminal(results):
    console = Console(file=io.StringIO(), width=220)
    print_results(results, console)
    return console.file.getvalue()


def test_the_table_shows_every_system_and_measure(example_results):
    for text in (terminal(example_results), render_markdown(example_results)):
        assert "bm25 (baseline)" in text and "colbert_exact" in text
        assert "0.7072†" in text and "0.6500" in text
        assert "ndcg@10" in text and "mrr@10" in text
        assert "10 documents, 3 queries" in text


def test_a_skipped_system_says_why(example_results):
    for text in (terminal(example_results), render_markdown(example_results)):
        assert "bm25_cross_encoder" in text and "weights are not here" in text


def test_the_best_value_of_a_column_is_bold(example_results):
    text = render_markdown(example_results)
    assert "**0.7072†**" in text
    assert "**0.6500**" not in text


def test_a_subset_is_never_shown_as_the_full_collection(example_results):
    collection = example_results.collection.model_copy(update={"sampled": True})
    results = example_results.model_copy(update={"collection": collection})
    for text in (terminal(results), render_markdown(results)):
        assert "not comparable with published numbers" in text


def test_untrusted_text_cannot_break_the_table_or_inject_markup(example_results):
    collection = example_results.collection.model_copy(
        update={"name": "<script>alert(1)</script>|[bold]"}
    )
    results = example_results.model_copy(update={"collection": collection})
    assert "<script>" not in render_markdown(results)
    assert "[bold]" in terminal(results)


def test_the_report_is_written_beside_the_results(example_results, tmp_path):
    path = write_report(example_results, tmp_path)
    assert path.read_text(encoding="utf-8") == render_markdown(example_results)


def test_everything_skipped_still_makes_a_report(example_results):
    skipped = [s for s in example_results.systems if s.status == "skipped"]
    results = example_results.model_copy(update={"systems": skipped, "baseline": None})
    assert "weights are not here" in render_markdown(results)
    assert "weights are not here" in terminal(results)
