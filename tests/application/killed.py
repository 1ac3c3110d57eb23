"""What is killed: a process that changes an index without end, and one that makes an index."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

from words import WordEncoder

from colbench.application import Colbert

ENCODER = WordEncoder("killed", dims=8, limit=6, overlap=1)


def text_of(rng, number):
    """Return a text whose first word tells its number."""
    return " ".join([f"w{number}", *(f"v{rng.randrange(30)}" for _ in range(rng.randrange(12)))])


def row_of(rng, number):
    return {"number": number, "tags": [f"t{rng.randrange(3)}"], "flag": rng.random() < 0.5}


def first(folder):
    """Make the index that is changed."""
    rng = random.Random(0)
    numbers = range(30)
    Colbert.from_pretrained(ENCODER).index(
        [text_of(rng, n) for n in numbers],
        folder,
        ids=[f"d{n}" for n in numbers],
        metadata=[row_of(rng, n) for n in numbers],
        verbose=False,
    )


def state(index):
    """Return what an index holds, as it comes back from JSON."""
    return [[one.id, one.text, one.metadata] for one in index.documents()]


def planned(rng, held, number):
    """Return a change: what to do, ids, texts and rows, and what the index holds after it."""
    what = rng.choice(["add", "add", "delete", "update", "update", "compact"])
    some = [one[0] for one in rng.sample(held, min(len(held), rng.randint(1, 4)))]
    ids = [f"d{number + n}" for n in range(rng.randint(1, 4))] if what == "add" else some
    texts = [text_of(rng, number + n) for n in range(len(ids))]
    rows = [row_of(rng, number + n) for n in range(len(ids))]
    if what == "compact":
        return what, [], [], [], held
    after = [one for one in held if one[0] not in ids]
    if what != "delete":
        after += [list(one) for one in zip(ids, texts, rows, strict=True)]
    return what, ids, texts, rows, after


def change(folder, log, seed):
    """Change an index until killed; tell what it will hold, and when that is committed."""
    rng = random.Random(seed)
    index = Colbert.open(folder, encoder=ENCODER)
    held = state(index)
    number = 100_000 * (int(seed) + 1)
    with Path(log).open("a", encoding="utf-8") as stream:

        def tell(*what):
            stream.write(json.dumps(what) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

        tell("done", held)
        while True:
            what, ids, texts, rows, held = planned(rng, held, number)
            number += 10
            tell("begun", held)
            if what == "add":
                index.add(texts, ids=ids, metadata=rows)
            elif what == "update":
                index.update(texts, ids=ids, metadata=rows)
            elif what == "delete":
                index.delete(ids)
            else:
                index.compact()
                index.prune(keep=2)
            tell("done", held)


def make(folder, log, documents):
    """Index documents that come one by one."""
    rng = random.Random(1)

    def slowly():
        for n in range(int(documents)):
            if n == 50:
                Path(log).write_text("reading", encoding="utf-8")
            yield text_of(rng, n)

    Colbert.from_pretrained(ENCODER).index(slowly(), folder, verbose=False)
    Path(log).write_text("made", encoding="utf-8")
    time.sleep(60)
