"""The model card: what the hub reads of it, what it tells, and what it keeps to itself."""

import ast
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from trained import RECIPE, train_record

from colbench.train.card import render_card, write_card
from colbench.train.naming import cut


def front_matter(card):
    """The front matter as the hub reads it."""
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


@pytest.mark.parametrize(
    ("kind", "task", "tags", "loader"),
    [
        ("colbert", "sentence-similarity", {"ColBERT", "multi-vector"}, "MultiVectorEncoder"),
        ("bi_encoder", "sentence-similarity", {"sentence-similarity"}, "SentenceTransformer"),
        ("cross_encoder", "text-ranking", {"cross-encoder"}, "CrossEncoder"),
    ],
)
def test_each_kind_says_what_it_is_and_how_it_is_loaded(kind, task, tags, loader):
    card = render_card(train_record(kind=kind))
    front = front_matter(card)
    assert front["library_name"] == "sentence-transformers"
    assert front["pipeline_tag"] == task
    assert tags | {"sentence-transformers"} <= set(front["tags"])
    assert "license" not in front
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (imported,) = [n for n in ast.walk(ast.parse(snippet)) if isinstance(n, ast.ImportFrom)]
    assert [name.name for name in imported.names] == [loader]
    import sentence_transformers

    assert hasattr(sentence_transformers, loader)


def test_the_base_is_named_to_the_hub_only_where_it_is_there():
    def base(model, **changed):
        config = {"train": RECIPE, "encoder": {"model": model}}
        return front_matter(render_card(train_record(config=config, **changed))).get("base_model")

    assert base("embedded:all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"
    assert base("embedded:minilm_colbert") == "sentence-transformers/all-MiniLM-L6-v2"
    assert base("owner/model") == "owner/model"
    assert base("/srv/models/mine", base="/srv/models/mine") is None
    assert base("out/runs/mine", base="mine") is None


def test_the_card_tells_data_recipe_and_scores(tmp_path):
    write_card(train_record(), tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for number in ("9,190", "1,001", "8,093", "8,903", "0.6512", "**0.7234**", "+7.22 points"):
        assert number in card
    assert "made/up/test: 300 queries, 283 judged documents" in card
    assert "not a test" in card
    (recipe,) = re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)
    assert yaml.safe_load(recipe) == RECIPE
    assert "Seed 7" in card and "sentence-transformers 6.2.0" in card
    assert "encoder=custom encoder.model=MODEL" in card


def test_a_model_of_a_training_that_stopped_says_so():
    assert "**Stopped before its last step: out of memory**" in render_card(
        train_record(stopped="out of memory")
    )
    assert "Stopped" not in render_card(train_record())


def test_no_folder_of_the_machine_is_named():
    recipe = {
        **RECIPE,
        "sources": {
            "own": {"pairs": "file", "path": "/srv/secret/my data/pairs.jsonl"},
            "folder": {"pairs": "judged", "overrides": ["dataset.path=/srv/secret/mine"]},
        },
        "teacher": {"kind": "colbert", "model": "/srv/secret/teacher"},
    }
    record = train_record()
    sources = [record.sources[0].model_copy(update={"collection": "/srv/secret/c"})]
    card = render_card(
        train_record(
            base="/srv/secret/base",
            command="colbench train encoder=custom 'encoder.model=/srv/secret/a b/base' "
            "output_dir=/srv/secret/out --config-dir ~/secret/conf",
            config={"train": recipe, "encoder": {"model": "/srv/secret/base"}},
            sources=sources,
            teacher=record.teacher.model_copy(update={"model": "/srv/secret/teacher"}),
            stopped="no space left on /srv/secret/out (file:///srv/secret/x), loss=1 at ~/secret/y",
        )
    )
    assert "secret" not in card and "srv" not in card
    for kept in ("pairs.jsonl", "dataset.path=mine", "`base`", "`teacher`", "output_dir=out"):
        assert kept in card
    (shown,) = re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)
    assert yaml.safe_load(shown)["sources"]["own"]["path"] == "pairs.jsonl"


@pytest.mark.parametrize(
    "kept",
    [
        "beir/cqadupstack/android",
        "owner/model",
        "https://example.org/a/b",
        "either query/document or 1 / 2",
        "dataset=beir/scifact",
        "embedded:all-MiniLM-L6-v2",
        "",
    ],
)
def test_what_is_no_path_of_the_machine_stays(kept):
    assert cut(kept) == kept


@given(
    st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=2, max_size=5),
    st.sampled_from(["{}", "file://{}", "key={}", "read {} twice", "[a,{}]", "it's '{}'", "m:{}"]),
)
def test_an_absolute_path_becomes_its_last_part_wherever_it_stands(parts, text):
    path = "/" + "/".join(parts)
    assert cut(text.format(path)) == text.replace("file://", "").format(parts[-1])
