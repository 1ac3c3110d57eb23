"""Pruning takes what the cache has made, and nothing that only lies in its folder."""

import pytest

from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.encoder.loading.updates import update_names, updated_model
from colbench.encoder.loading.weights import _minilm
from colbench.errors import StorageError

UPDATE, CONVERTED = "minilm_colbert-0123456789abcdef", "a" * 64


@pytest.fixture
def cache(tmp_path, make_encoder):
    """A cache with vectors, models and a collection of its own."""
    cache = EmbeddingCache(tmp_path / "cache")
    embed_documents(make_encoder(), ["one", "two"], cache, description="documents")
    for place, manifest in (
        (f"models/{UPDATE}", "sha256.json"),
        (f"models/{CONVERTED}", "manifest.json"),
        ("collections/pydocs-small-0123456789abcdef", "manifest.json"),
    ):
        (cache.root / place).mkdir(parents=True)
        (cache.root / place / manifest).write_text("{}")
    (cache.root / f"models/{UPDATE}.lock").touch()
    (cache.root / f"models/.{CONVERTED}.x1y2").mkdir()
    return cache


def test_everything_that_is_its_own_goes(cache):
    assert cache.prune(everything=True) > 0
    assert [path.name for path in cache.root.iterdir()] == ["locks"]


PLACES = [
    *("models/bert/config.json", "models/notes.txt", "collections/mine/corpus.jsonl"),
    *(f"models/{'b' * 64}/mine.bin", f"models/other-{'0' * 16}/mine.bin", "mine.txt"),
    *("collections/pydocs-mine/a", f"{'c' * 64}/mine.bin", f"collections/{CONVERTED}/a"),
]


@pytest.mark.parametrize("place", PLACES)
def test_what_it_has_not_made_stays(cache, place, capsys, monkeypatch):
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    file = cache.root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    cache.prune(everything=True)
    assert file.read_text() == "mine"
    assert sorted(path.name for path in cache.root.iterdir()) == sorted(
        ["locks", place.partition("/")[0]]
    )
    assert place == "mine.txt" or "left alone" in capsys.readouterr().err


def test_a_space_with_a_file_of_somebody_elses_stays_whole(cache):
    (entry,) = cache.entries()
    (entry.folder / "mine.txt").write_text("mine")
    cache.prune(everything=True)
    assert (entry.folder / "mine.txt").read_text() == "mine" and len(cache.entries()) == 1


@pytest.mark.parametrize("name", ["models", "collections"])
def test_a_link_is_refused_before_anything_goes(cache, tmp_path, name):
    (tmp_path / "theirs" / CONVERTED).mkdir(parents=True)
    (tmp_path / "theirs" / CONVERTED / "manifest.json").write_text("theirs")
    (cache.root / name).rename(tmp_path / "aside")
    (cache.root / name).symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError, match=rf"{name} is a link"):
        cache.prune(everything=True)
    assert (tmp_path / "theirs" / CONVERTED / "manifest.json").exists() and cache.entries()


def test_a_space_or_a_model_behind_a_link_stays(cache, tmp_path):
    (entry,) = cache.entries()
    for path in (entry.folder, cache.root / "models" / UPDATE):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    cache.prune(everything=True)
    assert (tmp_path / UPDATE / "sha256.json").exists()
    assert (tmp_path / entry.folder.name / "space.json").exists()


def encode(cache, encoder, *texts):
    return embed_documents(encoder, texts, cache, description="documents")


def test_filling_the_cache_removes_nothing_behind_a_link(cache, make_encoder, tmp_path):
    (entry,) = cache.entries()
    entry.folder.rename(tmp_path / "aside")
    for name in ("photos", "0" * 32, f".{'0' * 32}.1.tmp"):
        (tmp_path / "theirs" / name).mkdir(parents=True)
        (tmp_path / "theirs" / name / "kept").write_text("theirs")
    entry.folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError, match="is a link, and colbench changes nothing behind one"):
        encode(cache, make_encoder(), "three")
    assert len(list((tmp_path / "theirs").iterdir())) == 3
    assert all((path / "kept").exists() for path in (tmp_path / "theirs").iterdir())


def test_filling_the_cache_removes_only_what_bears_its_names(cache, make_encoder, tmp_path):
    (entry,) = cache.entries()
    mine = [entry.folder / name for name in ("photos", ".notes.tmp", "A" * 32)]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept").write_text("theirs")
    for folder in mine:
        folder.mkdir()
        (folder / "kept").write_text("mine")
    for name in ("0" * 32, f".{'1' * 32}.7.tmp"):
        (entry.folder / name).symlink_to(tmp_path / "theirs")
    encode(cache, make_encoder(), "three")
    assert all((folder / "kept").read_text() == "mine" for folder in mine)
    assert (tmp_path / "theirs" / "kept").read_text() == "theirs"
    assert not [path for path in entry.folder.iterdir() if path.is_symlink()]


@pytest.mark.parametrize("name", ["locks", "models"])
def test_nothing_is_made_in_a_folder_of_its_own_that_is_a_link(cache, make_encoder, tmp_path, name):
    if (cache.root / name).exists():
        (cache.root / name).rename(tmp_path / "aside")
    (tmp_path / "theirs").mkdir()
    (cache.root / name).symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError, match=f"{name} is a link"):
        if name == "models":
            updated_model(update_names()[0], _minilm(), cache.root / name)
        else:
            encode(cache, make_encoder(), "three")
    assert list((tmp_path / "theirs").iterdir()) == []
