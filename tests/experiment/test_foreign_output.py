"""An output folder keeps what no run has made: links, and files of its owner's, are refused."""

import pytest

from colbench.errors import StorageError
from colbench.experiment.output import OutputFolder, check_output, file_stem
from colbench.paths import plain_name
from colbench.results.store import read_results, verified_run, write_results

SYSTEMS = ["bm25", "a+b", "a-b", "../x", "/abs/x", "shared", "Bm25", "é", "e\u0301"]


@pytest.fixture
def results(example_results):
    """Results of systems with names of every kind, their runs beside them."""
    system = example_results.systems[0]
    named = [
        system.model_copy(
            update={
                "name": name,
                "run_file": f"runs/{plain_name(name)}.trec",
                "run_sha256": "0" * 64,
            }
        )
        for name in SYSTEMS
    ]
    return example_results.model_copy(update={"systems": named})


def publish(root, results):
    output = OutputFolder(root)
    with output.claimed():
        write_results(results, output.staging)
        for system in results.systems:
            for file in (output.run_file(system.name), output.per_query_file(system.name)):
                file.parent.mkdir(exist_ok=True)
                file.write_text(system.name)
            stage = output.stage_file(system.name, "exact")
            stage.parent.mkdir(parents=True)
            stage.write_text("stage")
        (output.staging / "pictures").mkdir()
        (output.staging / "pictures" / "pareto_bytes.svg").write_text("a picture")
        for name in ("bm25", "shared", "shared/colbert-0123456789abcdef"):
            (output.indexes / name).mkdir(parents=True)
        output.publish(keep_indexes=True)


def test_each_system_has_files_of_its_own_and_a_run_replaces_them(results, tmp_path):
    for _ in range(2):
        publish(tmp_path / "out", results)
        runs = sorted((tmp_path / "out" / "runs").iterdir())
        assert sorted(path.read_text() for path in runs) == sorted(SYSTEMS)
        assert len(list((tmp_path / "out" / "stages").iterdir())) == len(SYSTEMS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


PLACES = [
    *(
        "pictures/holiday.jpg",
        "pictures/me.png",
        "pictures/album/one.svg",
        "runs/notes.txt",
        "runs/mine.trec",
    ),
    *("per_query/mine.json", "stages/mine/exact.trec", "stages/bm25/notes.md", "indexes/mine/x"),
    *("indexes/notes.txt", "indexes/shared/notes.txt", "steps/mine/a.trec", "stages/a.trec"),
]


@pytest.mark.parametrize("place", PLACES)
def test_what_no_run_has_made_is_refused_and_stays(results, tmp_path, place):
    publish(tmp_path / "out", results)
    file = tmp_path / "out" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    with pytest.raises(StorageError, match=r"not of colbench.*choose another output_dir"):
        check_output(tmp_path / "out")
    with pytest.raises(StorageError, match="not of colbench"):
        publish(tmp_path / "out", results)
    assert file.read_text() == "mine"
    assert read_results(tmp_path / "out") == results


@pytest.mark.parametrize(
    "name",
    [
        *(".colbench", "pictures", "runs", "per_query", "stages", "indexes", "steps"),
        *("logs", ".unfinished"),
        *(
            ".colbench/replacing",
            ".colbench/placing",
            "pictures/pareto_bytes.svg",
            "runs/bm25.trec",
        ),
        *("stages/bm25", "indexes/shared"),
    ],
)
@pytest.mark.parametrize("published", [True, False])
def test_a_link_is_refused_by_name_and_what_is_behind_it_stays(results, tmp_path, name, published):
    theirs = tmp_path / "theirs"
    (theirs / "work-1").mkdir(parents=True)
    (theirs / "kept.trec").write_text("theirs")
    out = tmp_path / "out"
    if published:
        publish(out, results)
        if (out / name).exists():
            (out / name).rename(tmp_path / "aside")
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).symlink_to(theirs)
    with pytest.raises(StorageError, match=r"link|not of colbench|no results") as refused:
        publish(out, results)
    first, _, last = name.partition("/")
    assert (last if published and last else first) in str(refused.value)
    assert last or "is a link" in str(refused.value)
    assert (theirs / "kept.trec").read_text() == "theirs" and (theirs / "work-1").is_dir()
    assert len(list(theirs.iterdir())) == 2


@pytest.mark.parametrize("name", [".colbench", "runs", "pictures", "stages", "logs"])
def test_a_link_that_is_put_there_during_a_run_is_refused_too(results, tmp_path, name):
    theirs = tmp_path / "theirs"
    (theirs / "work-1").mkdir(parents=True)
    (theirs / "kept.trec").write_text("theirs")
    publish(tmp_path / "out", results)
    before = (tmp_path / "out" / "results.json").read_bytes()
    output = OutputFolder(tmp_path / "out")
    with pytest.raises(StorageError, match=f"{name} is a link"), output.claimed():
        write_results(results, output.staging)
        if (output.root / name).exists():
            (output.root / name).rename(tmp_path / "aside")
        (output.root / name).symlink_to(theirs)
        output.publish(keep_indexes=False)
    assert sorted(path.name for path in theirs.iterdir()) == ["kept.trec", "work-1"]
    assert (tmp_path / "out" / "results.json").read_bytes() == before


def test_what_is_put_there_during_a_run_stays(results, tmp_path):
    publish(tmp_path / "out", results)
    output = OutputFolder(tmp_path / "out")
    with pytest.raises(StorageError, match="not of colbench"), output.claimed():
        write_results(results, output.staging)
        (output.root / "runs" / "mine.txt").write_text("mine")
        output.publish(keep_indexes=False)
    assert (tmp_path / "out" / "runs" / "mine.txt").read_text() == "mine"


def test_only_what_colbench_makes_leaves_the_scratch_folder(results, tmp_path):
    scratch = tmp_path / "out" / ".colbench"
    for name in ("work-1", "work-1x", "notes"):
        (scratch / name).mkdir(parents=True)
    (scratch / "work-2").symlink_to(tmp_path)
    publish(tmp_path / "out", results)
    assert sorted(path.name for path in scratch.iterdir()) == ["notes", "work-1x", "work-2"]


@pytest.mark.parametrize("named", ["../secret", "/etc/hostname", "runs/../../secret", "link"])
def test_a_run_file_outside_of_the_folder_is_not_read(example_results, tmp_path, named):
    (tmp_path / "secret").write_text("a secret")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "secret")
    system = example_results.systems[0].model_copy(
        update={"run_file": named, "run_sha256": "0" * 64}
    )
    with pytest.raises(StorageError, match="not inside"):
        verified_run(example_results, system, tmp_path / "out")


@pytest.mark.parametrize("name", ["..", ".", "../..", "/", "", "a/../..", "~"])
def test_no_experiment_is_called_like_another_folder(name):
    stem = file_stem(name)
    assert stem.strip(".~/") and "/" not in stem
