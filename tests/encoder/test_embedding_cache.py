"""The cache gives the vectors of an encoder, once computed, whatever happens to its files."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colbench.encoder.cache import filling
from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.encoder.settings import Form
from colbench.errors import ColbenchError, ConfigError, StorageError
from colbench.files import ensure_writable

TEXTS = [f"{number}" + " text" * (number % 7) for number in range(23)]


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Commit after every batch, so that a handful of texts make several shards."""
    monkeypatch.setattr(filling, "SHARD_BYTES", 1)


def embed(encoder, texts, cache):
    return embed_documents(encoder, texts, cache, description="test")


def matrices(embeddings, size=7):
    """Every document's vectors, cut out of the blocks."""
    found = []
    for first, end, vectors in embeddings.blocks(size):
        lengths = embeddings.lengths[first:end]
        found += np.split(vectors, np.cumsum(lengths)[:-1])
    return found


def check(embeddings, encoder, texts):
    assert len(embeddings) == len(texts)
    for matrix, text in zip(matrices(embeddings), texts, strict=True):
        expected = encoder.matrix(text).astype(embeddings.dtype)
        np.testing.assert_array_equal(matrix, expected)


def shards(cache, encoder):
    return cache.space(encoder).shard_folders()


@pytest.mark.parametrize(("form", "dtype"), [(Form.TOKENS, "float16"), (Form.DENSE, "float32")])
def test_vectors_come_back_in_document_order_and_in_the_dtype_of_the_form(
    form, dtype, cache, make_encoder
):
    encoder = make_encoder(form=form)
    embeddings = embed(encoder, TEXTS, cache)
    assert embeddings.dtype == dtype
    assert embeddings.dims == 4
    assert embeddings.total_vectors == sum(len(encoder.matrix(text)) for text in TEXTS)
    check(embeddings, encoder, TEXTS)


def test_a_second_run_encodes_nothing_and_reports_the_measured_speed(cache, make_encoder):
    embed(make_encoder(), TEXTS, cache)
    encoder = make_encoder()
    embeddings = embed(encoder, TEXTS, cache)
    assert encoder.batches == []
    assert (embeddings.stats.encoded, embeddings.stats.cached) == (0, len(TEXTS))
    assert embeddings.stats.seconds == 0
    assert embeddings.stats.docs_per_second > 0
    check(embeddings, encoder, TEXTS)


def test_equal_texts_and_texts_of_other_collections_are_encoded_once(cache, make_encoder):
    encoder = make_encoder()
    embed(encoder, TEXTS[:10] * 2, cache)
    embeddings = embed(encoder, [*reversed(TEXTS), ""], cache)
    seen = [text for batch in encoder.batches for text in batch]
    assert sorted(seen) == sorted([*TEXTS, ""])
    assert (embeddings.stats.encoded, embeddings.stats.cached) == (14, 10)
    check(embeddings, encoder, [*reversed(TEXTS), ""])


def test_encoders_do_not_see_each_others_vectors(cache, make_encoder):
    embed(make_encoder(dims=4), TEXTS, cache)
    other = make_encoder(dims=6, fingerprint="1" * 64)
    check(embed(other, TEXTS, cache), other, TEXTS)
    assert len(other.batches) == 12


def test_no_documents_make_empty_embeddings(cache, make_encoder):
    embeddings = embed(make_encoder(), [], cache)
    assert len(embeddings) == embeddings.total_vectors == 0
    assert list(embeddings.blocks(5)) == []
    assert embeddings.stats.docs_per_second is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=12),
    size=st.integers(1, 40),
)
def test_blocks_of_any_size_are_the_documents_one_after_the_other(
    texts, size, tmp_path_factory, make_encoder
):
    encoder = make_encoder()
    embeddings = embed(encoder, texts, EmbeddingCache(tmp_path_factory.mktemp("cache")))
    blocks = list(embeddings.blocks(size))
    assert [first for first, _, _ in blocks] == [0, *(end for _, end, _ in blocks)][: len(blocks)]
    assert sum(end - first for first, end, _ in blocks) == len(texts)
    for first, end, vectors in blocks:
        assert len(vectors) <= size or end == first + 1
        expected = [encoder.matrix(text) for text in texts[first:end]]
        np.testing.assert_array_equal(vectors, np.concatenate(expected).astype(np.float16))


@pytest.mark.parametrize("file", ["vectors.npy", "lengths.npy", "keys.npy", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "flip_late", "truncate", "empty", "delete"])
def test_a_damaged_shard_is_noticed_removed_and_encoded_again(
    file, damage, cache, make_encoder, capfd
):
    encoder = make_encoder()
    embed(encoder, TEXTS, cache)
    victim = shards(cache, encoder)[3]
    path = victim / file
    content = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    else:
        content[len(content) // 3 if damage == "flip" else -5] ^= 0x04
        cut = {"truncate": len(content) // 2, "empty": 0}.get(damage, len(content))
        if cut < len(content):
            content = bytearray(path.read_bytes())[:cut]
        path.write_bytes(content)
    again = make_encoder()
    embeddings = embed(again, TEXTS, cache)
    assert len(again.batches) == 1
    check(embeddings, again, TEXTS)
    assert f"{victim}: " in capfd.readouterr().err
    after = make_encoder()
    embed(after, TEXTS, cache)
    assert after.batches == []


def test_foreign_folders_and_files_are_left_alone(cache, make_encoder):
    encoder, other = make_encoder(), make_encoder(fingerprint="1" * 64)
    embed(encoder, TEXTS[:4], cache)
    embed(other, TEXTS[4:8], cache)
    space = cache.space(encoder).folder
    stranger = shards(cache, other)[0]
    stranger.rename(space / stranger.name)
    (space / "notes.txt").write_text("mine")
    (cache.root / "holiday").mkdir()
    check(embed(encoder, TEXTS, cache), encoder, TEXTS)
    assert (space / stranger.name).is_dir()
    assert (space / "notes.txt").read_text() == "mine"
    assert len(cache.entries()) == 2


def test_what_a_killed_process_left_half_written_is_cleaned_up(cache, make_encoder):
    encoder = make_encoder()
    embed(encoder, TEXTS[:4], cache)
    stray = cache.space(encoder).folder / ".0123.abc.tmp"
    stray.mkdir()
    (stray / "vectors.npy").write_bytes(b"half")
    embed(encoder, TEXTS, cache)
    assert not stray.exists()


@pytest.mark.parametrize("failing", ["save", "rename"])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(
    failing, cache, make_encoder, monkeypatch
):
    encoder = make_encoder()
    embed(encoder, TEXTS[:4], cache)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if failing == "save":
            patch.setattr(np.lib.format, "write_array_header_1_0", full)
        else:
            patch.setattr(Path, "rename", full)
        with pytest.raises(StorageError, match="No space left on device") as error:
            embed(encoder, TEXTS, cache)
    assert "\n" not in str(error.value)
    space = cache.space(encoder)
    assert not [path for path in space.folder.iterdir() if path.name.endswith(".tmp")]
    assert len(space.shard_folders()) == 2
    check(embed(encoder, TEXTS, cache), encoder, TEXTS)


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path, make_encoder):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="COLBENCH_CACHE"):
        embed(make_encoder(), TEXTS, EmbeddingCache(tmp_path / "file"))


def test_an_error_of_the_model_keeps_what_was_committed(cache, make_encoder):
    encoder = make_encoder()
    original = encoder.encode_documents

    def third_fails(texts):
        if len(encoder.batches) == 2:
            raise ColbenchError("NaN")
        return original(texts)

    encoder.encode_documents = third_fails
    with pytest.raises(ColbenchError, match="NaN"):
        embed(encoder, TEXTS, cache)
    resumed = make_encoder()
    assert embed(resumed, TEXTS, cache).stats.cached == 4
    assert len(resumed.batches) == 10


def test_an_interrupted_run_resumes_with_the_batches_of_an_uninterrupted_one(
    cache, make_encoder, tmp_path
):
    whole = make_encoder(batch_size=3)
    embed(whole, TEXTS, EmbeddingCache(tmp_path / "whole"))
    parts = []
    for stop in (1, 3, 2, 99):
        encoder = make_encoder(batch_size=3)
        parts.append(encoder)
        original = encoder.encode_documents

        def stopping(texts, encoder=encoder, original=original, stop=stop):
            if len(encoder.batches) == stop:
                raise KeyboardInterrupt
            return original(texts)

        encoder.encode_documents = stopping
        try:
            embed(encoder, TEXTS, cache)
        except KeyboardInterrupt:
            continue
    resumed = [batch for part in parts for batch in part.batches]
    assert len(parts[-1].batches) < len(whole.batches)
    assert sorted(resumed) == sorted(whole.batches)


def _embed_in_child(root, start, queue):
    import importlib.util

    spec = importlib.util.spec_from_file_location("fakes", Path(__file__).with_name("conftest.py"))
    fakes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fakes)
    encoder = fakes.HashedTexts()
    original = encoder.encode_documents

    def slowly(texts):
        time.sleep(0.02)
        return original(texts)

    encoder.encode_documents = slowly
    filling.SHARD_BYTES = 1
    start.wait()
    embeddings = embed(encoder, TEXTS, EmbeddingCache(root))
    queue.put((len(encoder.batches), np.concatenate(matrices(embeddings)).tobytes()))


def test_two_processes_at_once_both_end_right_and_share_the_work(tmp_path, make_encoder):
    context = multiprocessing.get_context("spawn")
    start, queue = context.Event(), context.Queue()
    processes = [
        context.Process(target=_embed_in_child, args=(tmp_path, start, queue)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    start.set()
    results = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    encoder = make_encoder()
    expected = np.concatenate([encoder.matrix(text) for text in TEXTS]).astype(np.float16)
    assert {content for _, content in results} == {expected.tobytes()}
    assert sorted(batches for batches, _ in results) == [0, 12]


def test_entries_say_what_is_cached(cache, make_encoder):
    assert cache.entries() == []
    encoder = make_encoder()
    embeddings = embed(encoder, TEXTS, cache)
    embed(make_encoder(form=Form.DENSE, fingerprint="1" * 64), TEXTS[:3], cache)
    os.utime(cache.space(encoder).folder / "last_used", (1e9, 1e9))
    dense, tokens = cache.entries()
    assert (dense.form, dense.documents, dense.vectors) == ("dense", 3, 3)
    assert (tokens.form, tokens.documents) == ("tokens", len(TEXTS))
    assert (tokens.name, tokens.model, tokens.precision) == ("fake", "fake", "fp32")
    assert tokens.vectors == embeddings.total_vectors
    assert tokens.bytes > embeddings.total_vectors * 4 * 2
    assert tokens.last_used.timestamp() == 1e9


def test_prune_deletes_what_is_asked_for_and_says_how_much(cache, make_encoder):
    old, new = make_encoder(), make_encoder(fingerprint="1" * 64)
    for encoder in (old, new):
        embed(encoder, TEXTS, cache)
    os.utime(cache.space(old).folder / "last_used", (1e9, 1e9))
    sizes = {entry.fingerprint: entry.bytes for entry in cache.entries()}
    with pytest.raises(ConfigError, match="say what to prune"):
        cache.prune()
    with pytest.raises(ConfigError, match="no cache entry has fingerprint '2'"):
        cache.prune(fingerprint="2")
    assert cache.prune(older_than_days=30) == sizes[old.fingerprint]
    assert [entry.fingerprint for entry in cache.entries()] == [new.fingerprint]
    assert cache.prune(fingerprint="11") == sizes[new.fingerprint]
    assert cache.entries() == []
    check(embed(old, TEXTS, cache), old, TEXTS)
    assert cache.prune(everything=True) > 0
    assert cache.prune(everything=True) == 0


def test_prune_leaves_a_space_alone_that_is_being_filled(cache, make_encoder):
    from filelock import FileLock

    encoder = make_encoder()
    embed(encoder, TEXTS, cache)
    with FileLock(cache.lock_file(encoder.document_fingerprint)):
        assert cache.prune(everything=True) == 0
    check(embed(encoder, TEXTS, cache), encoder, TEXTS)
    assert len(encoder.batches) == 12


def test_reading_after_a_prune_is_one_line(cache, make_encoder):
    embeddings = embed(make_encoder(), TEXTS, cache)
    cache.prune(everything=True)
    with pytest.raises(StorageError, match="run again"):
        list(embeddings.blocks(10))


def test_the_environment_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLBENCH_CACHE", str(tmp_path / "elsewhere"))
    assert EmbeddingCache().root == tmp_path / "elsewhere"
    monkeypatch.delenv("COLBENCH_CACHE")
    assert EmbeddingCache().root.parts[-2:] == ("colbench", "embeddings")


_MINILM_RUN = """
import sys, numpy as np
from pathlib import Path
from colbench.encoder.cache import store as c
from colbench.encoder.cache import filling as f
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
f.SHARD_SECONDS = 0.0
encoder = load_encoder(
    EncoderSettings(
        name="minilm",
        model="embedded:all-MiniLM-L6-v2",
        device="cpu",
        batch_tokens=200,
        precision="fp32",
    ),
    Form.TOKENS,
)
texts = [f"document {n} " + "about retrieval " * (n % 13) for n in range(60)]
found = c.embed_documents(encoder, texts, c.EmbeddingCache(Path(sys.argv[1])), description="t")
if sys.argv[2] == "kill":
    sys.exit("the run was to be killed before it ended")
blocks = [vectors for _, _, vectors in found.blocks(100)]
Path(sys.argv[2]).write_bytes(np.concatenate(blocks).tobytes())
print(found.stats.cached)
"""


@pytest.mark.nightly  # test_run kills a run and resumes it; faults/ does so at any moment
def test_a_run_killed_in_the_middle_and_resumed_gives_the_bytes_of_an_uninterrupted_one(tmp_path):
    def start(cache, output):
        arguments = [sys.executable, "-c", _MINILM_RUN, str(tmp_path / cache), str(output)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)

    whole = start("whole", tmp_path / "whole.bin")
    assert whole.communicate(timeout=200)[0].strip() == "0"
    victim = start("killed", "kill")
    while victim.poll() is None:
        if len(list((tmp_path / "killed").glob("*/*/manifest.json"))) >= 3:
            victim.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    assert victim.wait(timeout=60) == -signal.SIGKILL
    resumed = start("killed", tmp_path / "resumed.bin")
    cached = int(resumed.communicate(timeout=200)[0])
    assert 0 < cached < 60
    assert (tmp_path / "resumed.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()


def test_a_cache_that_may_only_be_read_serves_what_is_in_it(cache, make_encoder, monkeypatch):
    encoder = make_encoder()
    check(embed(encoder, TEXTS, cache), encoder, TEXTS)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    # The rights of a folder do not bind the user that tests may run as.
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("pathlib.Path.touch", refuse)
    ensure_writable(cache.root, or_readable=True)
    check(embed(encoder, TEXTS, cache), encoder, TEXTS)
    with pytest.raises(StorageError, match=r"lacks vectors of .* cannot be written: Read-only"):
        embed(encoder, ["something new"], cache)
    with pytest.raises(StorageError, match="cannot write"):
        ensure_writable(cache.root)
