"""`colbench explain` over given vectors: the alignment is theirs, and tokens are numbers."""

import numpy as np
import pytest

from colbench.config.compose import compose_run
from colbench.errors import ConfigError
from colbench.explain.compute import Question, explain
from colbench.vectors import write_vectors

EYE = np.eye(4, dtype=np.float32)


@pytest.fixture
def settings(tmp_path):
    made = write_vectors(
        tmp_path / "v",
        {"far": EYE[3:], "near": EYE[[2, 0]], "middle": EYE[1:2]},
        {"q": EYE[[0, 1, 0]]},
    )
    return compose_run(["dataset=vectors", f"dataset.path={made}", "encoder.model=./nowhere"])


def test_a_document_is_explained_by_its_vectors(settings):
    shown = explain(settings, Question(None, "q", ("near",)))
    assert (shown.query, shown.encoder) == ("q", "given")
    alignment = shown.documents[0].alignment
    assert alignment.score == 2.0 and alignment.winners.tolist()[0] == 1
    assert list(alignment.query_tokens) == ["1", "2", "3"]
    assert list(alignment.document_tokens) == ["1", "2"]


def test_the_best_two_need_no_cache(settings):
    shown = explain(settings, Question(None, "q"))
    assert [document.id for document in shown.documents] == ["near", "middle"]


def test_what_has_no_vectors_is_told(settings):
    with pytest.raises(ConfigError, match="there are no vectors of the query 'what is it'"):
        explain(settings, Question("what is it", None, ("near",)))
    with pytest.raises(ConfigError, match="none of a --text"):
        explain(settings, Question(None, "q", (), ("a text",)))
    with pytest.raises(ConfigError, match="no document 'naer': did you mean 'near'"):
        explain(settings, Question(None, "q", ("naer",)))
