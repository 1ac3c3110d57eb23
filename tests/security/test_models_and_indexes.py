"""Items 3, 4, 6 and 7: all that a model is loaded from counts; an index is the one that was built,
holds what its kernels may read, and is not damaged because the machine is short of something."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from variants import SEED, one_line, tree, trials

from colbench.encoder.loading.fingerprint import fingerprint
from colbench.errors import ColbenchError, StorageError
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.writer import IndexWriter

DIMS = 16
FORGING = Path(__file__).resolve().parents[1] / "index" / "colbert" / "forging.py"
FILES = [
    *("config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin", "vocab.bpe", "merges"),
    *("1_Pooling/config.json", "2_Dense/model.safetensors", ".hidden", ".deep/er/x"),
    *("onnx/model.onnx", "onnx/model.onnx_data", "openvino/openvino_model.bin", "added.model"),
]


def documents(seed, first, end):
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((3, DIMS)).astype(np.float32) for _ in range(first, end)]
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in rows]
    return Documents.of([f"d{n}" for n in range(first, end)], unit, DIMS)


@pytest.fixture
def index(tmp_path):
    """An index of two segments."""
    folder = tmp_path / "index"
    settings = IndexSettings(nbits=2, centroids=8)
    build_index(folder, documents(1, 0, 30), settings, encoder="e" * 64)
    with IndexWriter.open(folder) as writer:
        writer.add(documents(2, 30, 36))
        writer.delete(["d3"])
    return folder


@trials(fixed=5, nightly=100)
def test_3_every_change_of_what_a_model_is_loaded_from_is_seen(draw, tmp_path):
    folder, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    for name in draw.sample(FILES, 7):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw.randbytes(40))
    (folder / "config.json").write_text("{}")
    if draw.random() < 0.6:  # some of it lies behind a link
        linked = draw.choice(sorted(folder.iterdir()))
        linked.rename(elsewhere)
        linked.symlink_to(elsewhere if draw.random() < 0.5 else Path("..") / "elsewhere")
    before = fingerprint(folder, {})
    assert fingerprint(folder, {}) == before
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if elsewhere.is_dir():
        files += [path for path in sorted(elsewhere.rglob("*")) if path.is_file()]
    file = draw.choice(files)
    change = draw.choice(["bit", "grow", "rename", "add", "remove"])
    if change == "bit":
        content, place = bytearray(file.read_bytes()), draw.randrange(2)
        content[place] ^= 1
        state = file.stat()
        file.write_bytes(content)
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    elif change == "grow":
        file.write_bytes(file.read_bytes() + b"x")
    elif change == "rename":
        file.rename(file.with_name("renamed"))
    elif change == "add":
        (file.parent / draw.choice(["more", ".more", "more.bpe"])).write_bytes(b"x")
    else:
        file.unlink()
    try:
        after = fingerprint(folder, {})
    except ColbenchError as error:  # a link leads nowhere now
        one_line(error)
    else:
        assert after != before


@trials(fixed=4, nightly=40)
def test_3_and_9_a_checkpoint_that_leads_elsewhere_or_has_no_end_is_refused(draw, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    place = tmp_path / draw.choice(FILES[1:])
    place.parent.mkdir(parents=True, exist_ok=True)
    kind = draw.choice(["pipe", "zero", "random", "circle", "nowhere", "proc"])
    if kind == "pipe":
        os.mkfifo(place)
    else:
        target = {"zero": "/dev/zero", "random": "/dev/urandom", "circle": place, "proc": "/proc"}
        place.symlink_to(target.get(kind, "/nowhere"))
    with pytest.raises(ColbenchError) as refused:
        fingerprint(tmp_path, {})
    one_line(refused.value)


@trials(fixed=0, nightly=3)
def test_6_a_forged_index_is_refused_or_answers(draw, index):
    """In a process of its own, which a forgery that gets through would end."""
    places = [str(FORGING.parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", FORGING, index, str(draw.randrange(2**30)), "120"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, f"seed {SEED}: {done.stdout[-300:]} {done.stderr[-2000:]}"


@trials(fixed=6, nightly=100)
def test_6_and_7_flipped_bytes_are_told_and_shortage_is_no_damage(draw, index, monkeypatch):
    files = sorted(path for path in index.rglob("*") if path.is_file() and path.stat().st_size)
    file, before = draw.choice(files), tree(index)
    if draw.random() < 0.5:
        content = bytearray(file.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)
        try:
            opened = ColbertIndex.open(index)
            query = documents(5, 0, 1)
            block = next(query.blocks(100))[2]
            Searcher(opened, SearchSettings(exhaustive=True)).search(block, 5)
        except StorageError as error:
            assert str(index) in one_line(error)
        return
    code = draw.choice([errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EIO])
    real = os.open

    def refusing(path, *arguments, **options):
        if Path(os.fsdecode(path)) == file:
            raise OSError(code, os.strerror(code), path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    try:
        ColbertIndex.open(index)
    except StorageError as error:
        assert "damaged" not in one_line(error) and "build" not in str(error)
    monkeypatch.undo()
    assert tree(index) == before
    ColbertIndex.open(index)


@trials(fixed=2, nightly=20)
def test_7_many_small_additions_need_few_files(draw, index):
    kept = pytest.importorskip("resource")
    before = kept.getrlimit(kept.RLIMIT_NOFILE)
    number = 100
    for _ in range(draw.randint(10, 20)):
        with IndexWriter.open(index) as writer:
            writer.add(documents(number, number, number + draw.randint(1, 3)))
        number += 10
    used = len(list(Path("/proc/self/fd").iterdir()))
    try:
        kept.setrlimit(kept.RLIMIT_NOFILE, (used + 40, before[1]))
        assert len(ColbertIndex.open(index).numbers) > 40
    finally:
        kept.setrlimit(kept.RLIMIT_NOFILE, before)
