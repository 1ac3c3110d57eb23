"""A small collection: texts, metadata, queries, and who judged what relevant."""

from __future__ import annotations

import datetime

TEXTS = {
    "paris": "Paris is the capital of France and lies on the Seine.",
    "berlin": "Berlin is the capital of Germany.",
    "rome": "Rome is the capital of Italy, on the Tiber.",
    "madrid": "Madrid is the capital of Spain.",
    "seine": "The Seine flows through northern France to the sea.",
    "tides": "The moon pulls the sea and makes the tides.",
    "moon": "The moon circles the Earth once a month.",
    "sun": "The Sun is a star at the centre of the solar system.",
    "cheese": "Cheese is made from the milk of cows, goats or sheep.",
    "bread": "Bread is baked from flour, water and yeast.",
    "cake": "A cake needs flour, sugar, eggs and butter.",
    "wine": "Wine is made from grapes that ferment.",
    "cats": "Cats sleep for most of the day.",
    "dogs": "Dogs guard the house and bark at night.",
    "horses": "Horses can sleep while they stand.",
    "bees": "Bees collect nectar and make honey.",
    "python": "Python is a programming language with readable code.",
    "rust": "Rust is a programming language without a garbage collector.",
    "sqlite": "SQLite keeps a whole database in one file.",
    "search": "A search engine ranks documents by how well they answer a query.",
    "colbert": "ColBERT compares every word of a query with every word of a document.",
    "violin": "A violin has four strings and is played with a bow.",
    "piano": "A piano has keys, hammers and strings.",
    "drum": "A drum is struck with sticks or hands.",
}
QUERIES = {
    "q1": "capital city of France",
    "q2": "what causes the tides",
    "q3": "how is bread baked",
    "q4": "animal that sleeps all day",
    "q5": "language for programming",
    "q6": "instrument with strings",
}
QRELS = [
    *(("q1", "paris", 2), ("q2", "tides", 2), ("q2", "moon", 1), ("q3", "bread", 2)),
    *(("q3", "cake", 1), ("q4", "cats", 2), ("q5", "python", 1), ("q5", "rust", 1)),
    *(("q6", "violin", 1), ("q6", "piano", 1)),
]


def row(number):
    """Return metadata with every type of field; a seventh of the rows lacks some."""
    if number % 7 == 6:
        return {"kind": None}
    return {
        "kind": ("place", "food", "animal")[number % 3],
        "year": 2000 + number,
        "score": number / 4,
        "open": number % 2 == 0,
        "day": datetime.date(2026, 1, 1) + datetime.timedelta(days=number),
        "tags": ["even", "all"] if number % 2 == 0 else ["all"],
    }


ROWS = [row(number) for number in range(len(TEXTS))]
