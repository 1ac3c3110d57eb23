"""What lies on disk: refused when it is not whole, mapped when it is, and always the same bytes."""

import json
import mmap
import re
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from crashing import Crasher
from synthetic import ENCODER, as_documents, build, contents, hits, random_documents, unit

from colbench.digests import sha256_file
from colbench.errors import ConfigError, StorageError
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.manifest import FILE_NAME, VERSION, Manifest, write_manifest
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.training import Trained
from colbench.index.colbert.writer import IndexWriter

DIMS = 16
CODEC_FILES = ["centroids.npy", "buckets.npy", "projection.npy"]
SEGMENT_FILES = [
    "ids.json",
    "offsets.npy",
    "codes.npy",
    "residuals.npy",
    "list_centroids.npy",
    "list_offsets.npy",
    "list_docs.npy",
]
FILES = [
    *CODEC_FILES,
    *(f"segment-00000{number}/{name}" for number in (1, 2) for name in SEGMENT_FILES),
    "deleted-000003.npy",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with every kind of file: a projection, two segments, deleted documents."""
    folder = tmp_path_factory.mktemp("whole") / "index"
    rng = np.random.default_rng(0)
    build(folder, random_documents(rng, 30, 24), 24, dims=DIMS, nbits=2, centroids=8)
    with IndexWriter.open(folder) as writer:
        writer.add(as_documents(random_documents(rng, 5, 24, prefix="e"), 24))
        writer.delete(["d003", "e001"])
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "index")
    return tmp_path / "index"


def refusal(folder, **options):
    """Open an index that must be refused; return the message, which is one line."""
    with pytest.raises(StorageError) as caught:
        ColbertIndex.open(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def edit_manifest(folder, **changes):
    file = folder / FILE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | changes), encoding="utf-8")


def test_the_index_is_made_of_the_files_its_manifest_names(whole):
    assert contents(whole).keys() == {FILE_NAME, *FILES}
    manifest = ColbertIndex.open(whole).manifest
    for entry in manifest.files():
        assert entry.bytes == (whole / entry.path).stat().st_size
        assert entry.sha256 == sha256_file(whole / entry.path)


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_byte_anywhere_is_found_and_the_file_named(folder, file):
    content = bytearray((folder / file).read_bytes())
    content[np.random.default_rng(len(file)).integers(len(content))] ^= 0x10
    (folder / file).write_bytes(content)
    message = refusal(folder)
    assert f"{folder / file} is damaged" in message and message.endswith("build the index again")


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_length_is_named_even_without_checksums(folder, file):
    content = (folder / file).read_bytes()
    for damaged in (content[:-1], content + b"\0", b""):
        (folder / file).write_bytes(damaged)
        message = refusal(folder, checksums=False)
        assert f"{folder / file} is damaged" in message and "build the index again" in message
        assert f"{len(damaged)} bytes, want {len(content)}" in message


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    message = refusal(folder, checksums=False)
    assert f"{folder / file} is missing" in message and "build it again" in message


@pytest.mark.parametrize("file", [f for f in FILES if f.endswith(".npy")])
def test_an_array_of_python_objects_is_refused_though_all_checksums_are_right(folder, file):
    trap = np.empty(3, dtype=object)
    trap[:] = [Trap(folder / "sprung")] * 3
    np.save(folder / file, trap, allow_pickle=True)
    manifest = json.loads((folder / FILE_NAME).read_text())
    entries = [*manifest["codec"], manifest["deleted"]]
    entries += [entry for segment in manifest["segments"] for entry in segment["files"]]
    (entry,) = [entry for entry in entries if entry["path"] == file]
    entry |= {"bytes": (folder / file).stat().st_size, "sha256": sha256_file(folder / file)}
    write_manifest(folder, Manifest.model_validate(manifest))
    assert f"{folder / file} is damaged" in refusal(folder)
    assert not (folder / "sprung").exists()


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return self.file.touch, ()


def test_a_folder_without_an_index_says_what_to_do(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name in ("empty", "absent", "file"):
        message = refusal(tmp_path / name)
        assert f"no index in {tmp_path / name}" in message and "build one first" in message


def test_a_build_that_was_killed_is_told_from_an_empty_folder(tmp_path):
    crasher = Crasher()
    assert crasher.run(tmp_path / "index", "build", 15)
    crasher.close()
    assert (tmp_path / "index" / "segment-000001").is_dir()
    message = refusal(tmp_path / "index")
    assert "did not finish" in message and "build it again" in message


def test_a_manifest_of_something_else_is_foreign(folder):
    for text in ('{"dataset": "x"}', "[]", "7", '{"format": "other", "version": 1}', "null"):
        (folder / FILE_NAME).write_text(text)
        message = refusal(folder)
        assert str(folder / FILE_NAME) in message and "choose another folder" in message


@pytest.mark.parametrize("length", [0, 1, 100, -2])
def test_half_a_manifest_is_damaged(folder, length):
    file = folder / FILE_NAME
    file.write_bytes(file.read_bytes()[:length])
    message = refusal(folder)
    assert f"{file} cannot be read" in message and message.endswith("build the index again")


def test_a_manifest_that_is_no_text_is_damaged(folder):
    (folder / FILE_NAME).write_bytes(b"\xff\xfe\x00\x01")
    assert f"{folder / FILE_NAME} cannot be read" in refusal(folder)


@pytest.mark.parametrize(
    ("version", "advice"),
    [(VERSION + 1, "use a newer colbench"), (0, "build it again"), ("x", "build it")],
)
def test_another_version_is_refused_before_anything_else_is_looked_at(folder, version, advice):
    edit_manifest(folder, version=version, segments="what a later version may have made of it")
    message = refusal(folder)
    assert str(folder) in message and advice in message
    assert f"version {version}" in message and f"reads 1 and {VERSION}" in message


def test_an_unknown_key_and_a_missing_one_are_named(folder):
    edit_manifest(folder, centroid=5)
    message = refusal(folder)
    assert str(folder / FILE_NAME) in message and "'centroid'" in message
    assert "build the index again" in message
    manifest = json.loads((folder / FILE_NAME).read_text())
    for key in ("centroid", "encoder"):
        del manifest[key]
    (folder / FILE_NAME).write_text(json.dumps(manifest))
    assert "'encoder' is required" in refusal(folder)


def test_another_encoder_is_refused_by_both_fingerprints_to_read_and_to_write(folder):
    ColbertIndex.open(folder, encoder=ENCODER)
    other = "f" * 64
    with pytest.raises(ConfigError) as caught:
        ColbertIndex.open(folder, encoder=other)
    message = str(caught.value)
    assert str(folder) in message and ENCODER[:12] in message and other[:12] in message
    assert "build it again" in message and "\n" not in message
    with pytest.raises(ConfigError), IndexWriter.open(folder, encoder=other):
        pass


@pytest.mark.parametrize("file", FILES)
def test_a_writer_checks_everything_before_it_touches_a_damaged_index(folder, file):
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    before = contents(folder)
    with pytest.raises(StorageError, match="is damaged"), IndexWriter.open(folder):
        pass
    assert contents(folder) == before


def test_an_index_whose_folder_cannot_be_locked_says_so(folder):
    (folder / "write.lock").unlink(missing_ok=True)
    (folder / "write.lock").mkdir()
    with pytest.raises(StorageError) as caught, IndexWriter.open(folder):
        pass
    assert f"cannot write to the index in {folder}" in str(caught.value)


def owner(array):
    """The object that holds an array's memory."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


@pytest.mark.parametrize("nbits", [0, 4, 16])
def test_opening_maps_every_array_and_copies_none(nbits, tmp_path):
    documents = random_documents(np.random.default_rng(0), 30, 24)
    index = build(tmp_path, documents, 24, nbits=nbits, dims=DIMS)
    segment = index.segments[0]
    others = ("folder", "entry", "base", "ids", "live")
    names = [name for name in vars(segment) if name not in others]
    assert {"codes", "residuals", "list_docs"} < set(names)
    codec, reduction = index.trained.codec, index.trained.reduction
    arrays = [codec.centroids, codec.cutoffs, codec.weights, reduction.projection]
    for array in [*arrays, *(getattr(segment, name) for name in names)]:
        assert isinstance(owner(array), mmap.mmap) and not array.flags.writeable


def test_searching_reads_of_the_residuals_only_those_of_the_last_documents(tmp_path):
    """The residuals of all other documents may be damaged: nobody looks at them."""
    rng = np.random.default_rng(1)
    documents = random_documents(rng, 60, DIMS)
    index = build(tmp_path, documents, DIMS, nbits=8, centroids=16)
    query, settings = unit(rng, 3, DIMS), SearchSettings(nprobe=2, ndocs=16)
    found = hits(index, query, 4, settings)
    assert len(found) == 4
    header = 128
    file = tmp_path / "segment-000001" / "residuals.npy"
    content = bytearray(file.read_bytes())
    offsets = index.segments[0].offsets
    keep = set(range(header))
    for doc, _ in found:
        number = index.numbers[doc]
        keep |= set(range(header + DIMS * offsets[number], header + DIMS * offsets[number + 1]))
    for place in set(range(len(content))) - keep:
        content[place] ^= 0xFF
    file.write_bytes(content)
    assert hits(ColbertIndex.open(tmp_path, checksums=False), query, 4, settings) == found


def test_what_was_trained_survives_the_disk(whole):
    opened = ColbertIndex.open(whole)
    loaded = Trained.load(whole, opened.manifest)
    assert loaded.settings == opened.manifest.settings
    assert loaded.codec.centroids.dtype == np.float16 and loaded.codec.nbits == 2
    assert len(loaded.codec.cutoffs) == 3 and len(loaded.codec.weights) == 4
    assert loaded.reduction.projection.shape == (24, DIMS)


@pytest.mark.parametrize(
    "settings",
    [{"nbits": 0}, {"nbits": 16}, {"nbits": 2}, {"nbits": 1, "dims": 8}, {"pooling": 3}],
    ids=str,
)
def test_equal_input_gives_equal_bytes(settings, tmp_path):
    documents = random_documents(np.random.default_rng(2), 40, DIMS, most=20)
    for name in ("one", "two"):
        build(tmp_path / name, documents, DIMS, IndexSettings(**settings))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    build(tmp_path / "other", documents, DIMS, IndexSettings(seed=1, centroids=9, **settings))
    assert contents(tmp_path / "other") != contents(tmp_path / "one")


@pytest.mark.parametrize("settings", [{}, {"dims": 8}, {"pooling": 2}], ids=str)
def test_the_size_of_a_chunk_changes_nothing_but_the_manifest(settings, tmp_path):
    documents = random_documents(np.random.default_rng(3), 60, DIMS, most=20)
    found = []
    for chunk in (256, 300, 65_536):
        folder = tmp_path / str(chunk)
        build(folder, documents, DIMS, IndexSettings(chunk_tokens=chunk, **settings))
        found.append(contents(folder))
        assert found[-1].pop(FILE_NAME)
    assert found[0] == found[1] == found[2]


def test_the_same_changes_give_the_same_bytes(folder, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "twin")
    for place in (folder, tmp_path / "twin"):
        with IndexWriter.open(place) as writer:
            new = random_documents(np.random.default_rng(7), 4, 24, prefix="n")
            writer.add(as_documents(new, 24))
            writer.delete(["n001"])
            writer.compact()
    assert contents(folder) == contents(tmp_path / "twin")


def test_ids_of_any_characters_survive_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    ids = ["", " ", 'a"b\\c', "line\nbreak", "ünï", "文書", "\u2028", "x" * 1000, "1", "01"]
    index = build(tmp_path, {doc: unit(rng, 2, DIMS) for doc in ids}, DIMS)
    assert index.numbers.keys() == set(ids)
    assert {doc for doc, _ in hits(index, unit(rng, 2, DIMS), 20)} == set(ids)


def test_size_counts_every_file_and_what_a_vector_costs(whole, folder):
    size = ColbertIndex.open(whole).size()
    assert size.files == {path: len(content) for path, content in contents(whole).items()}
    assert size.dims == DIMS
    offsets = [np.load(whole / f"segment-00000{n}" / "offsets.npy") for n in (1, 2)]
    assert size.vectors == sum(int(array[-1]) for array in offsets)
    stored = [f"segment-00000{n}/{name}.npy" for n in (1, 2) for name in ("codes", "residuals")]
    stored += [f"segment-00000{n}/list_docs.npy" for n in (1, 2)]
    assert size.vector_bytes == sum(size.files[name] for name in stored)


def test_a_vector_costs_the_same_net_of_what_is_fixed_however_many_there_are(tmp_path):
    rng = np.random.default_rng(0)
    sizes = []
    for count in (200, 20):
        documents = {f"d{number}": unit(rng, 30, DIMS) for number in range(count)}
        sizes.append(build(tmp_path / str(count), documents, DIMS, iterations=1).size())
    net = {(size.vector_bytes - size.fixed_bytes) / size.vectors for size in sizes}
    gross = [size.vector_bytes / size.vectors for size in sizes]
    assert len(net) == 1 and gross[0] != gross[1]
    assert all(0 < size.fixed_bytes < size.vector_bytes for size in sizes)


@pytest.mark.parametrize(("nbits", "most"), [(1, 20), (2, 36), (4, 68), (8, 132)])
def test_a_vector_of_128_dimensions_costs_what_the_paper_says(nbits, most, tmp_path):
    rng = np.random.default_rng(0)
    documents = {f"d{number}": unit(rng, 100, 128) for number in range(30)}
    size = build(tmp_path, documents, 128, nbits=nbits, iterations=1).size()
    headers = 3 * 128
    assert (size.vector_bytes - headers) / size.vectors <= most


SEARCH = """
import sys
from pathlib import Path
import numpy as np
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import SearchSettings

index = ColbertIndex.open(Path(sys.argv[1]))
query = np.eye(24, dtype=np.float32)[:3]
for settings in (SearchSettings(), SearchSettings(exhaustive=True, arithmetic="fp32")):
    found = Searcher(index, settings).search(query, 5)
    assert [index.doc_id(number) for number in found.docs.tolist()]
heavy = ("torch", "faiss", "transformers", "sentence_transformers", "hydra", "ranx")
print(*[name for name in heavy if name in sys.modules])
"""


def test_opening_and_searching_load_neither_torch_nor_faiss(whole):
    program = [sys.executable, "-c", textwrap.dedent(SEARCH), str(whole)]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_a_flipped_bit_of_any_number_in_the_manifest_is_found(folder):
    file = folder / FILE_NAME
    content = file.read_bytes()
    for place in re.finditer(rb"[0-9]", content):
        flipped = bytearray(content)
        flipped[place.start()] ^= 1
        file.write_bytes(flipped)
        with pytest.raises((StorageError, ConfigError)):
            ColbertIndex.open(folder, encoder=ENCODER)
