from datetime import date

import pytest
from words import WordEncoder

from colbench import Colbert

TEXTS = {
    "paris": "paris is the capital of france",
    "berlin": "berlin is the capital of germany",
    "tides": "the moon pulls the sea",
}
ROWS = [{"year": 2020, "day": date(2020, 5, 17)}, {"year": 2021}, {"year": 2022}]


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("integrations") / "facts"
    model = Colbert.from_pretrained(WordEncoder())
    return model.index(TEXTS.values(), folder, ids=TEXTS, metadata=ROWS, verbose=False)
