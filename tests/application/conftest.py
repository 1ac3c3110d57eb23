"""The embedded model, a small collection, and indexes of it; made once a session."""

from __future__ import annotations

import pytest
from collected import ROWS, TEXTS
from words import WordEncoder

from colbench.application import Colbert


@pytest.fixture(scope="session")
def model():
    """The embedded model."""
    return Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")


@pytest.fixture(scope="session")
def small(model, tmp_path_factory):
    """An index of 24 texts by the embedded model, which no test changes."""
    folder = tmp_path_factory.mktemp("small") / "small"
    texts, ids = list(TEXTS.values()), list(TEXTS)
    return model.index(texts, folder, ids=ids, metadata=ROWS, verbose=False)


@pytest.fixture(scope="session")
def encoder():
    """An encoder of words, which costs nothing."""
    return WordEncoder()


@pytest.fixture
def words(encoder, tmp_path):
    """Make an index of texts by words, each under a new name: `words(texts, ids=…, …)`."""
    made = iter(f"index{number}" for number in range(1000))

    def make(texts, **options):
        name = options.pop("name", None) or next(made)
        model = Colbert.from_pretrained(options.pop("encoder", encoder))
        return model.index(texts, tmp_path / name, verbose=False, **options)

    return make
