"""Build and search parameters: two groups, chosen for all systems or for one."""

import pytest

from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.errors import ConfigError
from colbench.index.colbert.settings import IndexSettings


def colbert(*words, name="colbert"):
    return compose_run([f"systems=[{name}]", *words]).system[name]


@pytest.mark.parametrize("name", options("index"))
def test_every_ready_index_is_valid_and_differs_in_bits_and_dimensions_only(name):
    index = colbert(f"index={name}").index
    assert index.model_copy(update={"nbits": 4, "dims": None}) == IndexSettings()


@pytest.mark.parametrize("name", options("search"))
def test_every_ready_search_is_valid_and_bears_its_name(name):
    assert colbert(f"search={name}").search.name == name


@pytest.mark.parametrize(
    ("name", "nprobe", "threshold", "kept"),
    [("k10", 1, 0.5, 256), ("k100", 2, 0.45, 1024), ("k1000", 4, 0.4, 4096)],
)
def test_the_presets_are_those_of_the_paper(name, nprobe, threshold, kept):
    search = colbert(f"search={name}").search
    assert (search.nprobe, search.centroid_score_threshold) == (nprobe, threshold)
    assert search.kept(int(name[1:])) == kept
    assert not search.exhaustive


def test_one_system_can_name_its_own_index_and_search():
    words = ["system.colbert.index=residual_2bit", "system.colbert.search=k10"]
    system = colbert(*words)
    assert system.index.nbits == 2 and system.search.nprobe == 1
    assert colbert(*words, "system.colbert.search.nprobe=7").search.nprobe == 7
    assert colbert(*words, "system.colbert.index.dims=64").index.dims == 64


def test_a_system_names_its_model_also_where_it_may_have_none():
    server = ["+system.server.kind=http", "+system.server.url=http://localhost/?q={query}"]
    named = colbert(
        *server, "+system.server.ids=ids", "+system.server.encoder=minilm", name="server"
    )
    assert named.encoder is not None and named.encoder.name == "minilm"
    with pytest.raises(ConfigError, match="did you mean 'minilm'"):
        colbert(*server, "+system.server.ids=ids", "+system.server.encoder=minilmm", name="server")


def test_the_seed_of_the_run_is_that_of_the_index():
    assert colbert("seed=5").index.seed == 5
    assert colbert("seed=5", "system.colbert.index=residual_1bit").index.seed == 5


def test_the_exhaustive_system_prunes_nothing_whatever_search_is_chosen():
    system = colbert("search=k10", name="colbert_exhaustive")
    assert system.search.exhaustive and system.search.name == "exhaustive"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("search=k1000x", "did you mean 'k1000'"),
        ("index=residual4bit", "did you mean 'residual_4bit'"),
        ("system.colbert.search=k10x", "did you mean 'k10"),
        ("index.nbit=2", "nbits"),
        ("index.nbits=3", "nbits"),
        ("search.ndocs=10", "multiple of 4"),
        ("index.pooling=5", "pooling"),
    ],
)
def test_a_wrong_name_or_value_is_refused_before_any_work(word, hint):
    with pytest.raises(ConfigError, match=hint):
        compose_run(["systems=[colbert]", word])
