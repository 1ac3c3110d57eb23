"""What a prompt shows of a collection."""

from colbench import Collection, Document, Query


def test_a_collection_is_shown_by_its_counts() -> None:
    documents = [Document(str(n), "", "text " * 100) for n in range(500)]
    shown = repr(Collection("toy", documents, [Query("q", "text")], {"q": {"1": 1, "2": 0}}))
    assert shown == "Collection('toy': documents=500, queries=1, judgments=2)"
