"""Three facts with metadata, and an index of them by an encoder that costs nothing."""

from datetime import date

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


def index_of_facts(place):
    """Make the index `facts` in a folder."""
    model = Colbert.from_pretrained(WordEncoder())
    return model.index(TEXTS.values(), place / "facts", ids=TEXTS, metadata=ROWS, verbose=False)
