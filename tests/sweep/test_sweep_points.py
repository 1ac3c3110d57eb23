"""A sweep's variants are checked, all of them, before any work starts."""

import pytest

from colbench.config.compose import compose_run
from colbench.config.overrides import multirun_overrides
from colbench.errors import ConfigError
from colbench.sweep.settings import SweepSettings, sweep_variants


def points(*words, experiment="sweep_search"):
    settings = compose_run([f"experiment={experiment}", "dataset=pydocs", *words])
    return sweep_variants(settings.feature(SweepSettings), settings.system)


def test_the_shipped_sweeps_have_the_points_they_promise():
    compression = points(experiment="sweep_compression")
    assert len(compression) == 5 * 3 * 3
    assert len({point.settings.build_key() for point in compression}) == 45
    search = points()
    assert len(search) == 4 * 3 * 3 * 3
    assert len({point.settings.build_key() for point in search}) == 1
    assert {point.k for point in search} == {10, 100, 1000}


def test_the_last_axis_runs_fastest_and_every_value_reaches_the_settings():
    gone = ["sweep.axes.search.ndocs=null", "sweep.axes.search.centroid_score_threshold=null"]
    found = points("sweep.axes.search.nprobe=[1,2]", "sweep.axes.k=[10,100]", *gone)
    assert [p.name for p in found] == [
        *("nprobe=1, k=10", "nprobe=1, k=100", "nprobe=2, k=10", "nprobe=2, k=100"),
    ]
    assert [p.settings.search.nprobe for p in found] == [1, 1, 2, 2]
    assert found[3].parameters == {"search.nprobe": 2, "k": 100}


def test_one_axis_of_a_shipped_sweep_can_be_changed_from_the_command_line():
    found = points("sweep.axes.search.nprobe=[3]", "sweep.axes.k=[20]")
    assert {p.settings.search.nprobe for p in found} == {3} and {p.k for p in found} == {20}
    assert {p.settings.search.ndocs for p in found} == {256, 1024, 4096}


def test_an_index_and_a_search_can_be_named():
    sweep = SweepSettings(axes={"index": ["residual_1bit", "fp16"], "search": ["k10"]})
    systems = compose_run(["seed=3"]).system
    found = sweep_variants(sweep, systems)
    assert [p.settings.index.nbits for p in found] == [1, 16]
    assert {p.settings.index.seed for p in found} == {3}
    assert {p.settings.search.name for p in found} == {"k10"}


def test_axes_that_end_alike_keep_their_whole_name():
    axes = {"index.seed": [1], "encoder.name": ["a"], "search.name": ["b"]}
    (point,) = sweep_variants(SweepSettings(axes=axes), compose_run([]).system)
    assert point.name == "seed=1, encoder.name=a, search.name=b"


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"index.nbit": [1]}, "nbits"),
        ({"index.nbits": [3]}, "nbits=3"),
        ({"indx.nbits": [1]}, "indx"),
        ({"search": ["k11"]}, "k10"),
        ({"index.nbits": []}, "no values"),
        ({"index.nbits": [1, 2, 1]}, "more than once"),
        ({"k": [0]}, "sweep.axes.k"),
    ],
)
def test_a_wrong_axis_is_named_in_one_line(axes, told):
    with pytest.raises(ConfigError, match=told) as caught:
        sweep_variants(SweepSettings(axes=axes), compose_run([]).system)
    assert "\n" not in str(caught.value)


def test_an_unknown_system_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="colbert"):
        sweep_variants(SweepSettings(system="colbrt", axes={"k": [1]}), compose_run([]).system)


def test_a_multirun_takes_what_a_run_takes():
    words = multirun_overrides(
        [
            "encoder=owner/model",
            "encoder.revision=main",
            "index.nbits=1,2",
            "hydra/launcher=joblib",
        ],
        [],
    )
    assert words.varied == ["index.nbits"]
    assert "encoder=custom" in words.hydra and "++encoder.revision=main" in words.hydra
    assert "hydra/launcher=joblib" in words.hydra and "++index.nbits=1,2" in words.hydra
