"""Systems of the user's own: files beside the user, modules without a dot, what goes wrong."""

import sys

import pytest

from colbench.config.compose import compose_run
from colbench.digests import sha256_file
from colbench.errors import ConfigError
from colbench.retriever.lexical import LexicalSettings
from colbench.retriever.registry import module_metadata, system_class

MODULE = """
from colbench.retriever.systems.bm25 import SYSTEM as BM25

class Mine(BM25):
    tag = {tag!r}

SYSTEM = Mine
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working folder, empty; what is put on Python's path in it is taken off again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    compose_run([])  # forgets the configuration folders of other tests
    return tmp_path


def write(file, tag="t"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(MODULE.format(tag=tag), encoding="utf-8")
    return file


@pytest.mark.parametrize("kind", ["./mine.py", "mine.py", "mine", "{place}/mine.py"])
def test_a_file_beside_the_user_is_a_system(place, kind):
    write(place / "mine.py", kind)
    kind = kind.format(place=place)
    settings = compose_run([f"system.x.kind={kind}", "systems=bm25,x", "system.x.k1=2"])
    assert isinstance(settings.system["x"], LexicalSettings) and settings.system["x"].k1 == 2
    assert system_class(kind).__name__ == "Mine"
    digest = sha256_file(place / "mine.py")
    assert module_metadata(kind) == {"module_sha256": {"mine.py": digest}}
    assert module_metadata("bm25") == {}


@pytest.mark.parametrize("where", ["conf/system", "conf"])
@pytest.mark.parametrize("kind", ["./own.py", "own"])
def test_a_file_of_the_configuration_folder_is_one(place, where, kind):
    write(place / where / "own.py")
    (place / "conf" / "system").mkdir(exist_ok=True)
    (place / "conf" / "system" / "x.yaml").write_text(f"kind: {kind}\n", encoding="utf-8")
    settings = compose_run(["systems=x"], [place / "conf"])
    assert settings.system["x"].kind == kind


def test_a_package_of_the_working_folder_is_one(place):
    write(place / "some_package_of_mine" / "deep.py")
    (place / "some_package_of_mine" / "__init__.py").touch()
    assert compose_run(["system.x.kind=some_package_of_mine.deep", "systems=x"]).system["x"]


def test_a_changed_file_is_imported_anew(place):
    write(place / "changing.py", "first")
    assert system_class("changing").tag == "first"
    write(place / "changing.py", "second")
    assert system_class("changing").tag == "second"


def test_it_may_import_what_lies_beside_it_and_that_counts(place):
    (place / "helper_beside_mine.py").write_text("TAG = 1\n", encoding="utf-8")
    file = write(place / "mine.py")
    file.write_text("import helper_beside_mine\n" + file.read_text(), encoding="utf-8")
    assert list(module_metadata("mine")["module_sha256"]) == ["mine.py", "helper_beside_mine.py"]


def test_no_module_beside_the_user_shadows_a_library(place):
    (place / "json.py").write_text("raise SystemExit('shadowed')", encoding="utf-8")
    write(place / "mine.py")
    assert system_class("mine")
    assert sys.path[-1] == str(place)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_thing\n", "line 1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("\nx = (\n", "line 2: '(' was never closed"),
        ("\n\nraise RuntimeError('bad\\nday')\n", "line 3: RuntimeError: bad"),
        ("import sys; sys.exit(3)\n", "line 1: SystemExit: 3"),
        ("x = 1\n", "defines no SYSTEM"),
        ("SYSTEM = 3\n", "defines a SYSTEM that is no Retriever"),
    ],
)
def test_a_module_that_cannot_be_used_is_told_with_the_reason(place, text, told):
    (place / "broken.py").write_text(text, encoding="utf-8")
    for kind in ("broken", "./broken.py"):
        with pytest.raises(ConfigError) as error:
            compose_run([f"system.x.kind={kind}", "systems=x"])
        assert told in str(error.value) and "broken.py" in str(error.value)
        assert "unknown system kind" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("./none.py", "there is no such file in"),
        ("bm52", "did you mean 'bm25'?"),
        ("none_of_mine", "name a module of your own"),
        ("no_package.mine", "choose from: "),
    ],
)
def test_a_kind_that_is_not_there_is_unknown(place, kind, told):
    with pytest.raises(ConfigError, match=f"^unknown system kind '{kind}'") as error:
        compose_run([f"system.x.kind={kind}", "systems=x"])
    assert told in str(error.value)


def test_two_files_of_one_name_are_no_guess(place):
    write(place / "mine.py", "here")
    write(place / "conf" / "mine.py", "there")
    with pytest.raises(ConfigError, match="which differ: name one by its path"):
        compose_run(["system.x.kind=mine", "systems=x"], [place / "conf"])
    write(place / "conf" / "mine.py", "here")
    assert compose_run(["system.x.kind=mine", "systems=x"], [place / "conf"]).system["x"]
