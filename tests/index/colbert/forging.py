"""Indexes that somebody forged: one thing is changed, and all checksums are made right again.

Run as a program it makes seeded forgeries of an index, opens each, and searches where that
succeeds. It prints a line before each, so that one that ends the process is known, and ends with an
error where a forgery is neither refused in one line nor answers as the index it was made from.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import hits, unit

from colbench.digests import json_digest, sha256_file
from colbench.errors import ColbenchError
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import SearchSettings

SEARCHES = (
    SearchSettings(exhaustive=True),
    SearchSettings(exhaustive=True, arithmetic="fp32"),
    SearchSettings(nprobe=2, centroid_score_threshold=0.3, ndocs=8),
    SearchSettings(nprobe=1000, centroid_score_threshold=None, ndocs=4, arithmetic="fp32"),
)
Tree = dict[str, Any]


def answers(index: ColbertIndex) -> list[Any]:
    """Return what an index says to a few queries, and which documents it holds."""
    rng = np.random.default_rng(0)
    queries = [unit(rng, tokens, index.manifest.encoder_dims) for tokens in (1, 5)]
    found = [hits(index, query, 6, search) for query in queries for search in SEARCHES]
    return [sorted(index.numbers.items()), *found]


def read_tree(folder: Path) -> Tree:
    """Return the manifest as plain JSON."""
    tree: Tree = json.loads((folder / "index.json").read_bytes())
    return tree


def entries(tree: Tree) -> list[Tree]:
    """Return the entries of all files."""
    found = [*tree["codec"], *([tree["deleted"]] if tree["deleted"] else [])]
    return found + [entry for segment in tree["segments"] for entry in segment["files"]]


def seal(folder: Path, tree: Tree, *, files: bool = True) -> None:
    """Write a manifest whose checksums are right, whatever else is in it.

    Args:
        folder: of the index.
        tree: its manifest.
        files: put the sizes and checksums of the files right as well.
    """
    for entry in entries(tree) if files else []:
        file = folder / str(entry["path"])
        if not file.is_symlink() and file.is_file() and file.stat().st_size < 1 << 24:
            entry |= {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
    tree.pop("checksum", None)
    tree["checksum"] = json_digest(tree, spaced=True)
    (folder / "index.json").write_text(json.dumps(tree), encoding="utf-8")


def npy(folder: Path, tree: Tree, rng: random.Random, *names: str) -> Path:
    """Choose one of the arrays, of these names where any are given."""
    files = [folder / e["path"] for e in entries(tree) if e["path"].endswith(".npy")]
    files = [file for file in files if not names or file.name.split("-")[0].split(".")[0] in names]
    return rng.choice(files)


def _header(folder: Path, tree: Tree, rng: random.Random) -> str:
    """Say something else of the same bytes."""
    file = npy(folder, tree, rng)
    array = np.load(file)
    head = {
        "descr": array.dtype.str,
        "fortran_order": rng.random() < 0.2 and array.ndim == 2,
        "shape": rng.choice(
            [
                (len(array) + rng.choice([1, 1 << 40, (1 << 62) - 1, 1 << 64]), *array.shape[1:]),
                (max(len(array) - 1, 0), *array.shape[1:]),
                (-1, *array.shape[1:]),
                (*array.shape, 1),
                (array.size, 1 << 62),
                (0, *array.shape[1:]),
                (),
                array.shape,
            ]
        ),
    }
    if head["shape"] == array.shape and not head["fortran_order"]:
        head["descr"] = rng.choice(
            [f">u{array.dtype.itemsize}", "|O", "<c16", "|V1", "<U1", [("a", "<u2")], "<i1", "junk"]
        )
    text = repr(head).encode() + b"\n"
    if rng.random() < 0.1:
        text = rng.choice([b"(" * 3000 + b"\n", b"{[]: 1}\n", b"\xff" * 40, b"__import__('os')\n"])
    text = text.rjust(rng.choice([118, 119, 182]))
    version = rng.choice([1, 1, 1, 2, 9])
    size = len(text).to_bytes(4 if version == 2 else 2, "little")
    file.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + size + text + array.tobytes())
    return f"header of {file.name}: {head}"


def _dtype(folder: Path, tree: Tree, rng: random.Random) -> str:
    """Write the same values in another type."""
    file = npy(folder, tree, rng)
    array = np.load(file)
    kinds = ["i1", "u1", "<i2", "<u2", ">u2", "<i4", "<u4", "<u8", ">i8", "<f2", "<f8", "<c8", "?"]
    kind = rng.choice([kind for kind in [*kinds, object] if np.dtype(kind) != array.dtype])
    np.save(file, array.astype(kind), allow_pickle=True)
    return f"{file.name} as {kind}"


def _fortran(folder: Path, tree: Tree, rng: random.Random) -> str:
    file = npy(folder, tree, rng, "centroids", "projection", "residuals")
    np.save(file, np.asfortranarray(np.load(file)))
    return f"{file.name} in columns"


def _length(folder: Path, tree: Tree, rng: random.Random) -> str:
    file = npy(folder, tree, rng)
    array = np.load(file)
    more = np.concatenate([array, array[-1:], array[:1]])
    np.save(file, rng.choice([array[:-1], array[:0], more, array[: len(array) // 2]]))
    return f"{file.name} of another length"


def _value(folder: Path, tree: Tree, rng: random.Random) -> str:
    """Put a value that leads elsewhere into an array of numbers."""
    names = ("offsets", "codes", "list_centroids", "list_offsets", "list_docs", "deleted")
    file = npy(folder, tree, rng, *names)
    array = np.load(file)
    if not array.size:
        return "nothing"
    place = rng.choice([0, -1, rng.randrange(len(array))])
    most = int(np.iinfo(array.dtype).max)
    least = int(np.iinfo(array.dtype).min)
    one = int(array[place])
    values = [most, most - 1, least, -1, 60_000, 1 << 40]
    if file.name.startswith("list"):  # elsewhere a number near by may be that of a valid index
        values += [one + 1, one - 1, len(array)]
    value = rng.choice([v for v in values if least <= v <= most and v != one])
    array[place] = value
    np.save(file, array)
    return f"{file.name}[{place}]: {one} becomes {value}"


def _order(folder: Path, tree: Tree, rng: random.Random) -> str:
    names = ("offsets", "codes", "list_centroids", "list_offsets", "list_docs", "deleted")
    file = npy(folder, tree, rng, *names)
    array = np.load(file)
    np.save(file, rng.choice([array[::-1], np.roll(array, 1), np.repeat(array[:1], len(array))]))
    return f"{file.name} in another order"


def _floats(folder: Path, tree: Tree, rng: random.Random) -> str:
    names = ["centroids", "buckets", "projection"]
    halves = tree["settings"]["nbits"] == 16
    file = npy(folder, tree, rng, *names, *(["residuals"] if halves else []))
    array = np.load(file)
    floats = array.view(np.float16) if file.name == "residuals.npy" else array
    if floats.size:
        value = rng.choice([np.nan, -np.nan, np.inf, -np.inf, 6e4, -6e4])
        floats.ravel()[rng.randrange(floats.size)] = value
    np.save(file, array)
    return f"{file.name} holds an invalid value"


def _special(folder: Path, tree: Tree, rng: random.Random) -> str:
    """Put something that is no plain file in the place of one."""
    file = folder / rng.choice([*(entry["path"] for entry in entries(tree)), "index.json"])
    moved = folder.parent / "outside"
    kind = rng.choice(["fifo", "zero", "link", "circle", "folder", "absent", "sparse", "segment"])
    if kind == "segment":
        segment = folder / rng.choice(tree["segments"])["name"]
        segment.rename(moved)
        segment.symlink_to(moved)
        return "a segment is a link"
    if file.name == "index.json" and kind in ("absent", "sparse"):
        kind = "fifo"
    if file.name == "index.json":
        seal(folder, tree)
    content = file.read_bytes()
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "zero":
        file.symlink_to("/dev/zero")
    elif kind == "link":
        moved.write_bytes(content)
        file.symlink_to(moved)
    elif kind == "circle":
        file.symlink_to(file.name)
    elif kind == "folder":
        file.mkdir()
    elif kind == "sparse":
        file.write_bytes(content)
        os.truncate(file, 1 << 40)
        for entry in entries(tree):
            if folder / entry["path"] == file:
                entry["bytes"] = 1 << 40
    return f"{file.name}: {kind}"


def _ids(folder: Path, tree: Tree, rng: random.Random) -> str:
    names = [segment["name"] for segment in tree["segments"]]
    file = folder / rng.choice(names) / "ids.json"
    ids = json.loads(file.read_bytes())
    other = json.loads((folder / rng.choice(names) / "ids.json").read_bytes())
    live = ColbertIndex.open(folder).numbers
    dead = [doc for doc in other if doc not in live]
    twice = rng.choice([doc for doc in other if doc not in dead])
    place = rng.choice([n for n, doc in enumerate(ids) if doc in live and doc != twice])
    texts = [
        json.dumps(ids[:-1]),
        json.dumps([*ids, "more"]),
        json.dumps([*ids[:place], twice, *ids[place + 1 :]]),
        json.dumps([*ids[:-1], 7]),
        json.dumps([*ids[:-1], None]),
        json.dumps([*ids[:-1], [1]]),
        json.dumps([*ids[:-1], "\ud800"]),
        json.dumps(dict.fromkeys(ids)),
        "[" * 100_000,
        "[1" + "0" * 5000 + "]",
        "",
        "[NaN]",
    ]
    content = rng.choice(texts).encode()
    file.write_bytes(rng.choice([content, content, json.dumps(ids).encode("utf-16")]))
    return "ids.json"


def _names(folder: Path, tree: Tree, rng: random.Random) -> str:
    """Name files and folders that no writer names; they are there."""
    segment = rng.choice(tree["segments"])
    name = segment["name"]
    shutil.copytree(folder / name, folder.parent / "outside")
    shutil.copytree(folder / name, folder / "other")
    place = str(folder.parent / "outside")
    to = rng.choice(
        [
            *("../outside", place, "other", f"./{name}", f"{name}/", f"{name}/.", "segment-1", ""),
            *("segment-999999", "segment-٠٠٠٠٠١", f"{name}\n", f"{name}\0", "x" * 5000),
            *(f"../{folder.name}/{name}", "/dev/zero", "segment-000000"),
        ]
    )
    entry = rng.choice(entries(tree))
    kind = rng.choice(["segment", "folder", "file", "twice", "swapped", "again"])
    if kind in ("segment", "folder"):
        segment["name"] = to
    if kind == "segment":
        for own in segment["files"]:
            own["path"] = f"{to}/{own['path'].rpartition('/')[2]}"
    elif kind == "file":
        entry["path"] = rng.choice([f"{to}/ids.json", place, "index.json", "centroids.npy/x", to])
    elif kind == "twice":
        tree["segments"].append(segment)
    elif kind == "swapped":
        tree["segments"].reverse()
    elif kind == "again":
        entry["path"] = rng.choice([e["path"] for e in entries(tree) if e is not entry])
    return f"{kind}: {to!r:.40}"


def _numbers(folder: Path, tree: Tree, rng: random.Random) -> str:
    """Change a number of the manifest, or leave something out."""
    segment = rng.choice(tree["segments"])
    owner, key = rng.choice(
        [
            *((segment, key) for key in ("documents", "tokens", "files")),
            *((tree, key) for key in ("encoder_dims", "dims", "centroids", "change", "segments")),
            *((tree, key) for key in ("codec", "deleted", "growth", "version")),
            *((tree["settings"], key) for key in ("nbits", "dims", "pooling")),
            *((tree["growth"]["holds"], key) for key in ("documents", "tokens")),
            (rng.choice(entries(tree)), "bytes"),
        ]
    )
    one = owner[key] if isinstance(owner[key], int) else 1
    values = [one + 1, one - 1, -one, 0, 2 * one, 1 << 31, 1 << 62, 1 << 80, None, [], "7", 1e300]
    owner[key] = rng.choice(values)
    return f"{key}: {owner[key]}"


def _pickled(folder: Path, tree: Tree, rng: random.Random) -> str:
    file = npy(folder, tree, rng)
    trap = np.empty(np.load(file).shape, dtype=object)
    np.save(file, trap, allow_pickle=True)
    return f"{file.name} holds objects"


FORGERIES: tuple[Callable[[Path, Tree, random.Random], str], ...] = (
    *(_header, _dtype, _fortran, _length, _value, _value, _order, _floats, _special, _ids),
    *(_names, _numbers, _pickled),
)
"""Each changes a copy of an index and its manifest, and says what it did."""


def forge(whole: Path, folder: Path, seed: int) -> str:
    """Make the forgery of this seed; return what was done."""
    shutil.copytree(whole, folder)
    rng = random.Random(seed)
    tree = read_tree(folder)
    change = FORGERIES[seed % len(FORGERIES)]
    done = change(folder, tree, rng)
    if (folder / "index.json").is_file() and not (folder / "index.json").is_symlink():
        seal(folder, tree, files=change not in (_names, _numbers))
    return done


def attempt(whole: Path, folder: Path, seed: int, want: list[Any]) -> str:
    """Open one forgery; return `refused`, `the same`, or what is wrong."""
    try:
        index = ColbertIndex.open(folder)
        found = answers(index)
    except ColbenchError as error:
        message = str(error)
        wrong = not message.isprintable() or message.splitlines() != [message]
        return f"wrong: {message!r}" if wrong or str(folder) not in message else "refused"
    return "the same" if found == want else "wrong: it answers otherwise"


def main() -> None:
    """Make forgeries of the index in a folder: the first seed, and how many."""
    whole, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    want = answers(ColbertIndex.open(whole))
    said: dict[str, int] = {}
    for seed in range(first, first + count):
        place = whole.parent / f"forged-{seed}"
        place.mkdir()
        print(seed, FORGERIES[seed % len(FORGERIES)].__name__, flush=True)
        done = forge(whole, place / "index", seed)
        outcome = attempt(whole, place / "index", seed, want)
        if outcome.startswith("wrong"):
            sys.exit(f"seed {seed}, {done}: {outcome}")
        said[outcome] = said.get(outcome, 0) + 1
        shutil.rmtree(place)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
