from datetime import date

import pytest
from words import WordEncoder

from colbench import Colbert

TEXTS = {
    "paris": "paris is the capital of france",
    "berlin": "berlin is the capital of germany",
    "tides": "the moon pulls the sea",
}
ROWS = [
    {"year": 2020, "day": date(2020, 5, 17), "tags": ["city"]},
    {"year": 2021, "day": date(2021, 5, 17), "tags": ["city", "east"]},
    {"year": 2022},
]


@pytest.fixture
def index(tmp_path):
    model = Colbert.from_pretrained(WordEncoder())
    return model.index(TEXTS.values(), tmp_path / "facts", ids=TEXTS, metadata=ROWS, verbose=False)
