"""pydocs: a known-item collection made on the spot from the documentation of installed packages.

It needs no download: the packages are dependencies of colbench's dependencies, so whoever can run
colbench has them. Their sources are parsed, never imported. The same package versions give the same
collection, whatever else is installed; nothing in the rules depends on the machine or on the Python
version. Other versions give another collection, so scores are comparable only under equal
`pydocs_versions` (the collection's fingerprint tells).

**The task.** A query is the first sentence of an object's docstring, a document the rest of an
object's docstring, and the relevant document is the one the sentence was taken from: a reader who
knows what they need looks for the function that does it. Document ids are public dotted names
(`scipy.signal.butter`), found by following re-exports; query ids are `q:` plus such a name.

**What makes the test fair.**

* *The name is not in the question.* An object's own name is cut from its summary in every spelling
  (`KMeans`, `K-Means`, `sklearn.cluster.KMeans`), for a method that of its class too. Single parts
  of a name stay ("train" for `train_test_split`): they are ordinary words of the need.
* *The name is not in the title.* Titles are empty; what a document says about itself is its prose.
* *The document does not quote the question.* A question is dropped if a relevant document holds
  70 % of its content words within a stretch 1.5 times as long, or if any document at all contains
  it word for word. "See Also" sections are cut: they quote the summaries of other objects.
  The 70 % was taken instead of 80 % with scores in view, because `small` was too easy for BM25; it
  lowered three kinds of system alike (nDCG@10, 300 queries: BM25 .667 → .645, dense MiniLM
  .674 → .654, exact MaxSim over its tokens .733 → .710).
* *What answers equally is judged equally.* Bodies that share 80 % of their word 3-grams (with
  or without the object's own name) are one document, that of the shortest name. Objects whose
  summaries share 80 % of their content words, or 50 % where their last names agree
  (`numpy.linalg.svd`, `scipy.linalg.svd`), are all relevant to one question; if more than five do,
  the sentence is boilerplate ("Get parameters for this estimator.") and is not asked.
* *A question asks something.* It has at least five distinct content words once the name is gone,
  40 words at most, no URL, and is not a pointer ("See …", "Alias of …").
* *A document says something.* It has at least 30 words, and they are most of its tokens: no tables.
  Doctests, literal blocks and set-apart formulas are cut, prose between them stays, as do the
  descriptions of parameters and results. Nothing is shortened: encoders do that.
* *Documents without a question stay*, as distractors.

Left out: private objects, tests, vendored copies, deprecated objects, templates that only the
running package fills in, and `transformers.models`, whose files copy each other by policy.

**Sizes.** `full` is everything: about 10,000 documents and 5,000 queries. `small` has about 1,000
documents and 300 queries from the seven packages that are quickest to read, in equal shares; whole
source files are drawn in the order of the sha256 of their names, and judgments are made after the
draw, so that every relevant document of a small query is in the small collection.

**What it does not test.** Judgments are sparse: a function of another package that would serve as
well, and says so in other words, counts as not relevant. The language is that of technical
documentation in English, and the encoders' training data may contain it. Use it to compare systems
and to see that a change broke nothing, not to claim quality on another domain.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Literal

from colbench.collection.model import Collection
from colbench.collection.pydocs.assemble import (
    SMALL_DOCUMENTS,
    SMALL_QUERIES,
    Entry,
    chosen,
    collection,
    drawn,
    entries,
    merged,
    questions,
)
from colbench.collection.pydocs.harvest import read_module
from colbench.collection.pydocs.naming import public_names
from colbench.collection.pydocs.packages import chosen_packages, source_files, versions
from colbench.collection.snapshot import read_snapshot, write_snapshot
from colbench.digests import json_digest, sha256_file
from colbench.errors import StorageError
from colbench.progress import bar

Size = Literal["small", "full"]


def load_pydocs(size: Size, kept: Path | None = None) -> Collection:
    """Return the collection with all its questions; documents and queries are sorted by id.

    Making it takes about 5 seconds for `small` and 25 for `full` on one core.

    Args:
        size: how many packages are read.
        kept: folder in which a collection that was made is kept, and looked for. It is found again
            only for the same files of the packages and the same rules; where it is damaged or
            cannot be written, the collection is made anew.

    Raises:
        DataError: a package it reads is not installed.
    """
    if kept is None:
        return _make(size)
    folder = kept / f"pydocs-{size}-{_origin(size)}"
    try:
        return read_snapshot(folder)
    except StorageError:
        made = _make(size)
    try:
        write_snapshot(made, folder)
    except StorageError:
        return made  # it is only kept to save time
    return made


def _origin(size: Size) -> str:
    """Return a digest of all that decides the collection: the packages' files and our rules."""
    packages = chosen_packages(small=size == "small")
    installed = {
        # Lists each file with its hash; a package that has no such list counts by its version.
        name: [version, importlib.metadata.distribution(name).read_text("RECORD")]
        for name, version in versions(packages).items()
    }
    rules = {path.name: sha256_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    return json_digest({"installed": installed, "rules": rules})[:16]


def _make(size: Size) -> Collection:
    small = size == "small"
    packages = chosen_packages(small=small)
    drawn_entries: list[Entry] = []
    for package in bar(packages, description=f"pydocs/{size}", unit="package"):
        modules = [read_module(source) for source in source_files(package)]
        named = public_names(module for module in modules if module is not None)
        drawn_entries.extend(
            drawn(named, SMALL_DOCUMENTS // len(packages)) if small else entries(named)
        )
    documents = merged(drawn_entries)
    asked = questions(documents)
    parts = collection(documents, chosen(asked, SMALL_QUERIES) if small else asked)
    return Collection(f"pydocs/{size}", *parts)


def pydocs_versions(size: Size = "full") -> dict[str, str]:
    """Return distribution → version of the packages that `load_pydocs(size)` reads.

    Raises:
        DataError: a package is not installed.
    """
    return versions(chosen_packages(small=size == "small"))
