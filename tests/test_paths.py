"""Names become one plain part of a path, and nothing is removed that colbench has not made."""

import os
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench import paths
from colbench.errors import ConfigError, StorageError
from colbench.paths import (
    check_name,
    clear_made,
    inner_path,
    own_folder,
    plain_name,
    refuse_foreign,
    remove_made,
)
from colbench.retriever.registry import system_folder

HOSTILE = [
    *("..", ".", "../x", "/etc/passwd", "a/b", "a\\b", "~", "~/x", "C:\\x", "file:x", "-rf", "--"),
    *(
        "",
        " ",
        ".hidden",
        "a.",
        "a ",
        "con",
        "nul.trec",
        "com1",
        "lpt9.x",
        "a\0b",
        "a\nb",
        "\ud800",
    ),
    *(
        "a+b",
        "a-b",
        "a b",
        "a_b",
        "a.b",
        "A-B",
        "a--b",
        "a/b/",
        "é",
        "e\u0301",
        "ß",
        "ss",
        "ſ",
        "s",
    ),
    *(
        "K",
        "\u212a",
        "k",
        "İ",
        "i\u0307",
        "a" * 100,
        "a" * 101,
        "a" * 5000,
        "x" * 99 + "/",
        "*",
        "?",
    ),
    *("bm25-0123456789abcdef0123456789abcdef", "日本", "a\u202eb", "\ufeffa", "a\u200bb", "a%2fb"),
]


def folded(name):
    """Return a file name as the most forgetful file system keeps it."""
    return unicodedata.normalize("NFC", name).casefold()


def test_hostile_names_have_distinct_files_in_one_folder(tmp_path):
    names = [plain_name(name) for name in HOSTILE]
    assert len(set(map(folded, names))) == len(set(HOSTILE)) == len(HOSTILE)
    for name in names:
        (tmp_path / f"{name}.trec").write_text(name)
    assert len(list(tmp_path.iterdir())) == len(HOSTILE)


@given(st.lists(st.text(), unique=True))
def test_distinct_names_have_distinct_files(names):
    assert len({folded(plain_name(name)) for name in names}) == len(names)


@given(st.text() | st.text("aA-+./\\_ \n", max_size=6))
def test_a_file_name_is_one_plain_part(name):
    plain = plain_name(name)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,99}", plain), plain
    assert not plain.endswith(".") and plain.isascii()
    assert plain_name(name) == plain


@given(st.from_regex(r"[a-z0-9][a-z0-9_]{0,40}", fullmatch=True))
def test_a_plain_name_is_its_own(name):
    assert plain_name(name) == name or re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)", name)


@given(st.text())
def test_what_stands_for_another_name_stands_for_nothing_else(name):
    plain = plain_name(name)
    assert plain == name or plain_name(plain) != plain


@pytest.mark.parametrize("name", ["bm25", "colbert_exact", "bm25_colbert", "a-b", "a.b", "rrf2"])
def test_ordinary_names_keep_their_files(name):
    assert plain_name(name) == name


@pytest.mark.parametrize("taken", ["shared", "sweep", "exact", "token_vectors"])
def test_no_system_is_built_in_a_folder_that_others_use(tmp_path, taken):
    assert system_folder(tmp_path, taken).name not in ("shared", "sweep", "exact", "token_vectors")
    assert system_folder(tmp_path, "../../x").parent == tmp_path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *(("", "is empty"), (" \t", "is empty"), ("a\nb", "control character"), ("\0", "control")),
        *(("a\x1b[31m", "control"), ("a\x9bm", "control"), ("a\u2028b", "line break")),
        ("\udc80", "half a surrogate pair"),
    ],
)
def test_names_that_cannot_be_shown_are_refused_in_one_line(name, reason):
    with pytest.raises(ConfigError, match=reason) as refused:
        check_name(name, "a system")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["bm25", "a/b", "../x", "日本", "a b", "é"])
def test_any_other_name_is_taken(name):
    check_name(name, "a system")


# --- files that others name ---


@pytest.mark.parametrize(
    "named", ["../x", "/etc/passwd", "a/../../x", "link/x", "", ".", "..", "a\0b", "link"]
)
def test_a_file_that_is_named_outside_is_refused(tmp_path, named):
    (tmp_path / "out").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "else")
    with pytest.raises(StorageError, match="not inside"):
        inner_path(tmp_path / "out", named, tmp_path / "out" / "results.json")


def test_a_file_that_is_named_inside_is_found(tmp_path):
    assert inner_path(tmp_path, "runs/a.trec", tmp_path) == tmp_path / "runs" / "a.trec"


# --- removal ---


@pytest.fixture
def place(tmp_path):
    """A folder of colbench's own, and one of somebody else's with a file that has to stay."""
    (tmp_path / "own" / "made").mkdir(parents=True)
    (tmp_path / "own" / "made" / "file").write_text("ours")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "kept").write_text("theirs")
    return tmp_path


def test_what_was_made_is_removed(place):
    remove_made(place / "own" / "made", inside=place / "own")
    remove_made(place / "own" / "never was", inside=place / "own")
    assert list((place / "own").iterdir()) == []


@pytest.mark.parametrize("path", ["else", "else/kept", "own/../else", "own", "own/link/kept"])
def test_what_lies_elsewhere_is_not_removed(place, path):
    (place / "own" / "link").symlink_to(place / "else")
    with pytest.raises(StorageError, match="is not inside"):
        remove_made(place / path, inside=place / "own")
    assert (place / "else" / "kept").read_text() == "theirs"


def test_no_link_is_followed(place):
    (place / "own" / "made" / "link").symlink_to(place / "else")
    (place / "own" / "link").symlink_to(place / "else")
    with pytest.raises(StorageError, match=r"own/link is a link"):
        remove_made(place / "own" / "link", inside=place / "own")
    remove_made(place / "own" / "made", inside=place / "own")
    assert (place / "else" / "kept").read_text() == "theirs"
    assert (place / "own" / "link").is_symlink()


@pytest.mark.parametrize("swapped", ["own", "own/made"])
def test_a_link_that_is_put_there_meanwhile_is_not_followed(place, monkeypatch, swapped):
    (place / "own" / "made" / "deep").mkdir()
    (place / "else" / "made" / "deep").mkdir(parents=True)
    (place / "else" / "deep").mkdir()
    remove = paths._remove

    def swap(*arguments):
        (place / swapped).rename(place / "aside")
        (place / swapped).symlink_to(place / "else")
        remove(*arguments)

    monkeypatch.setattr(paths, "_remove", swap)
    remove_made(place / "own" / "made" / "deep", inside=place / "own")
    assert (place / "else" / "deep").is_dir() and (place / "else" / "made" / "deep").is_dir()
    assert (place / "aside").is_dir() and not list((place / "aside").rglob("deep"))


def test_only_what_colbench_names_is_cleared(place):
    own = place / "own"
    for name in ("work-1", "work-x", "notes"):
        (own / name).mkdir()
    (own / "work-2").symlink_to(place / "else")
    clear_made(own, re.compile(r"made|work-\d+"))
    assert sorted(path.name for path in own.iterdir()) == ["notes", "work-2", "work-x"]
    assert (place / "else" / "kept").exists()
    clear_made(place / "else", re.compile("kept"))
    assert not (place / "else").exists()


def test_a_link_a_file_and_foreign_content_are_refused_by_name(place):
    (place / "link").symlink_to(place / "own")
    with pytest.raises(StorageError, match=r"link is a link"):
        own_folder(place / "link")
    (place / "dangling").symlink_to(place / "nowhere")
    with pytest.raises(StorageError, match=r"dangling is a link"):
        own_folder(place / "dangling")
    with pytest.raises(StorageError, match=r"kept is no folder"):
        own_folder(place / "else" / "kept")
    with pytest.raises(StorageError, match=r"else holds 'kept', which is not of colbench"):
        refuse_foreign(place / "else", re.compile("made"))
    refuse_foreign(place / "own", re.compile("made"))
    own_folder(place / "nothing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to another user")
def test_a_folder_of_another_user_is_refused(place):
    os.chown(place / "own", 12345, -1)
    with pytest.raises(StorageError, match="belongs to another user"):
        own_folder(place / "own")
    os.chown(place, 12345, -1)  # whoever owns the folder around it may have made it
    own_folder(place / "own")
