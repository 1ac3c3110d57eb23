"""`colbench train` from words to a saved model: what is learned, kept, resumed and refused."""

import functools
import json
import shutil
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
import torch
from made_up import TOPICS, write_backbone, write_collection
from safetensors.torch import load_file

from colbench.encoder.loading.cross_encoder import load_cross_encoder
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.errors import ConfigError, DataError, StorageError
from colbench.results.checksummed import read_checksummed
from colbench.train import checkpoint as checkpoints
from colbench.train.command import compose_train
from colbench.train.conductor import Trainer
from colbench.train.fit import Watch
from colbench.train.record import Train
from colbench.train.settings import TrainSettings
from colbench.train.student import build_student

more = functools.partial(pytest.param, marks=pytest.mark.nightly)
"""A case of a matrix of which `make test` trains another of the kind."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    write_collection(folder / "collection")
    write_backbone(folder / "backbone")
    write_backbone(folder / "reranker", labels=1)
    return folder


@pytest.fixture
def train(place, tmp_path):
    def run(*words, out="out", **options):
        base = [
            "dataset=beir_dir",
            f"dataset.path={place / 'collection'}",
            f"encoder={place / 'backbone'}",
            "encoder.pooling=mean",
            "encoder.precision=fp32",
            "cross_encoder=custom",
            f"cross_encoder.model={place / 'backbone'}",
            "train.dev.queries=6",
            "train.batch_size=8",
            "train.precision=fp32",
            "train.learning_rate=0.01",
            "train.head_learning_rate=0.01",
            f"cache_dir={tmp_path / 'cache'}",
            f"output_dir={tmp_path / out}",
        ]
        settings = compose_train([*base, *words])
        return Trainer(settings, ["colbench", "train", *words], **options).run()

    return run


def colbert(folder, **changed):
    settings = EncoderSettings(name="m", model=str(folder / "model"), precision="fp32", **changed)
    return load_encoder(settings, Form.TOKENS)


def weights(folder):
    return {
        f"{path.parent.name}/{name}": value
        for path in sorted((folder / "model").rglob("*.safetensors"))
        for name, value in load_file(path).items()
    }


@contextmanager
def interrupted_after(saves, monkeypatch):
    """Interrupt a training once it has written so many checkpoints; yield their steps."""
    saved, steps = Watch._save, []

    def interrupt(self, state):
        saved(self, state)
        steps.append(state.global_step)
        if len(steps) == saves:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Watch, "_save", interrupt)
        yield steps


SMALL = ["train.student.dims=8", "train.epochs=6"]


def test_a_trained_colbert_is_better_is_recorded_and_searches(train):
    results, folder = train("train=colbert", *SMALL)

    assert results.best_value > results.start_value != results.base_value is not None
    assert results.best_value == max(point.value for point in results.curve)
    assert [point.step for point in results.curve][-1] == results.steps
    assert all(np.isfinite(point.loss) for point in results.curve[1:])
    held = read_checksummed(folder / "train.json", what="a training", renew="train again")
    assert Train.model_validate(held) == results
    encoder = colbert(folder)
    assert encoder.dims == 8
    norms = np.linalg.norm(encoder.encode_documents(["wing near red"])[0], axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)
    assert str(folder) not in (folder / "model" / "README.md").read_text()
    assert not (folder / ".work").exists()


@pytest.mark.nightly
def test_what_training_began_with_is_measured_as_it_is_used_and_every_evaluation_has_a_bar(
    train, tmp_path, monkeypatch
):
    from colbench.train import development

    values, bars, shown = [], [], development.bar
    evaluated = development.Development.value

    def value(self, model):
        values.append((model.get_embedding_dimension(), evaluated(self, model)))
        return values[-1][1]

    def bar(**options):
        bars.append(shown(**options))
        return bars[-1]

    monkeypatch.setattr(development.Development, "value", value)
    monkeypatch.setattr(development, "bar", bar)
    results, _ = train("train=colbert", *SMALL, "train.epochs=1")

    assert [dims for dims, _ in values] == [values[0][0], *[8] * (len(values) - 1)]
    assert values[0][0] > 8
    assert [results.base_value, results.start_value] == [value for _, value in values[:2]]
    assert len(bars) == len(values) == 1 + len(results.curve)
    parts = results.development
    assert all(bar.n == bar.total == parts.queries + parts.documents for bar in bars)
    own, _ = train(
        "train=colbert", "train.student.dims=null", "train.max_steps=1", out="own"
    )  # without a projection
    assert own.base_value == own.start_value
    monkeypatch.undo()
    new, _ = train("train=cross_encoder", "train.max_steps=1", out="new")
    assert new.base_value is None  # a classifier was put behind a backbone


def test_what_is_judged_in_the_evaluation_split_is_not_trained_on(train):
    results, _ = train("train=colbert", *SMALL, "train.max_steps=2")
    (source,) = results.sources

    assert results.collection.queries == 4
    assert (source.found, source.held_out) == (28, 6)
    assert source.drawn == results.examples == 22
    assert [split.documents for split in results.protected] == [4]


@pytest.mark.parametrize(
    "words",
    [
        ["train=colbert_head"],
        more(["train=colbert_lora", "train.student.rank=2", "train.student.dropout=0.1"]),
        more(["train=colbertv2", "train.teacher.kind=bi_encoder", "train.negatives.count=3"]),
    ],
    ids=lambda words: words[0],
)
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(train, monkeypatch, words):
    words = [*words, *SMALL, "train.epochs=4", "train.checkpoint_every=2"]
    whole, folder = train(*words, out="whole")
    with interrupted_after(2, monkeypatch) as steps:
        train(*words, out="parts")
    assert steps == [2, 4]  # in the middle of an epoch of 3
    parts, again = train(*words, out="parts")

    assert parts.resumed == 1
    for ours, theirs in zip(parts.curve, whole.curve, strict=True):
        assert (ours.step, ours.value, ours.loss) == (theirs.step, theirs.value, theirs.loss)
    first, second = weights(folder), weights(again)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "name", ["weights.safetensors", more("optimizer.safetensors"), more("state.json")]
)
def test_a_damaged_checkpoint_is_not_gone_on_from(train, monkeypatch, tmp_path, capsys, name):
    words = ["train=colbert_head", *SMALL]
    with interrupted_after(1, monkeypatch):
        train(*words)
    file = tmp_path / "out" / ".work" / "checkpoint" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))

    results, _ = train(*words)

    assert results.resumed == 0
    assert "training begins anew" in capsys.readouterr().err


def test_a_loss_that_is_nan_stops_and_keeps_the_best_weights(train, monkeypatch):
    from sentence_transformers.multi_vector_encoder import losses

    kind = losses.MultiVectorMultipleNegativesRankingLoss
    forward, calls = kind.forward, []

    def failing(self, *args, **kwargs):
        calls.append(1)
        loss = forward(self, *args, **kwargs)
        return loss * float("nan") if len(calls) == 7 else loss

    monkeypatch.setattr(kind, "forward", failing)
    results, folder = train("train=colbert", *SMALL)

    assert "nan at step 7" in results.stopped
    assert results.curve[-1].step <= 6
    assert results.best_value == max(point.value for point in results.curve)
    assert all(torch.isfinite(value).all() for value in weights(folder).values())


def test_low_rank_updates_are_added_to_the_weights_and_leave_no_trace(train, place):
    _, folder = train("train=colbert_lora", *SMALL, "train.student.rank=2")
    trained, base = weights(folder), load_file(place / "backbone" / "model.safetensors")

    assert not any("lora" in name for name in trained)
    changed = {
        name for name, value in base.items() if not torch.equal(value, trained[f"model/{name}"])
    }
    assert changed
    assert all(name.endswith("weight") and "embeddings" not in name for name in changed)


def test_of_a_head_nothing_else_changes(train, place):
    results, folder = train("train=colbert_head", *SMALL)
    trained, base = weights(folder), load_file(place / "backbone" / "model.safetensors")

    assert results.parameters.trained == 8 * 16
    assert all(torch.equal(value, trained[f"model/{name}"]) for name, value in base.items())


@pytest.mark.parametrize(
    "words",
    [
        ["train=colbertv2", "train.teacher.kind=bi_encoder", "train.negatives.count=3"],
        more(["train=margin_mse", "train.teacher.kind=colbert"]),
        more(["train=self_supervised", "train.sources.sentences.pairs=title", "train.epochs=2"]),
        ["train=bi_encoder"],
    ],
    ids=lambda words: words[0],
)
def test_every_recipe_of_an_encoder_trains_and_can_be_searched_with(train, words):
    dims = [] if words == ["train=bi_encoder"] else ["train.student.dims=8"]
    results, folder = train(*words, *dims, "train.max_steps=4")
    form = Form.TOKENS if results.kind == "colbert" else Form.DENSE
    model = EncoderSettings(name="m", model=str(folder / "model"), precision="fp32")

    assert results.steps == 4
    assert load_encoder(model, form).dims == (8 if results.kind == "colbert" else 16)


@pytest.mark.parametrize(
    "words",
    [
        [],
        more(["train.loss=kl", "train.teacher.kind=colbert", "train.student.update=lora"]),
        more(
            ["train.loss=margin_mse", "train.teacher.kind=bi_encoder", "train.student.update=head"]
        ),
    ],
    ids=["binary", "kl lora", "margin_mse head"],
)
@pytest.mark.parametrize("base", ["backbone", "reranker"])
def test_every_recipe_of_a_cross_encoder_trains_and_scores(train, place, words, base):
    model = f"cross_encoder.model={place / base}"
    results, folder = train("train=cross_encoder", model, *words, "train.max_steps=4")
    settings = CrossEncoderSettings(name="m", model=str(folder / "model"))
    scores = load_cross_encoder(settings).score([("what wing", "wing"), ("what wing", "jet")])

    assert results.parameters.dims is None
    assert scores.shape == (2,)


@pytest.mark.parametrize("share", [None, 0.0, 0.3])
def test_dropout_inside_the_model_is_that_of_the_recipe(place, share):
    words = [f"encoder={place / 'backbone'}", "train=colbert_lora", "train.student.dims=8"]
    chosen = [] if share is None else [f"train.student.model_dropout={share}"]
    settings = compose_train([*words, *chosen])
    model = build_student(
        settings.feature(TrainSettings),
        settings.encoder,
        settings.cross_encoder,
        TOPICS,
        "cpu",
        seed=0,
    )
    inside = {m.p for n, m in model.named_modules() if "lora" not in n and hasattr(m, "p")}
    assert inside == {0.1 if share is None else share}


@pytest.mark.parametrize("recipe", ["colbert", more("cross_encoder")])
def test_bf16_trains_and_is_evaluated(train, recipe):
    dims = ["train.student.dims=8"] if recipe == "colbert" else []
    results, _ = train(f"train={recipe}", *dims, "train.precision=bf16", "train.max_steps=2")
    assert all(0 <= point.value <= 1 for point in results.curve)


def test_few_shot_trains_on_so_many_queries(train):
    results, _ = train("train=colbert", *SMALL, "train.queries=5", "train.max_steps=1")
    assert results.examples == results.sources[0].drawn == 5


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (["train.sources.judged.split=nowhere"], DataError, "nowhere"),
        (["dataset.split=train"], DataError, "overlap"),
        (["train.student.dims=99"], ConfigError, "more than the encoder's 16"),
        (["train.dev.measure=ndgc@10"], ConfigError, "ndcg"),
        (["train.dev.queries=500"], DataError, "held out for development"),
        (["train.negatives.system=bm52"], ConfigError, "bm25"),
        (["train.loss=kl"], ConfigError, "teacher"),
        (["train.student.update=head", "train.student.dims=null"], ConfigError, "no projection"),
        (
            ["train.student.update=lora", "train.student.targets=[quer]"],
            ConfigError,
            "no linear layer ends in quer",
        ),
        (["train.student.updates=full"], ConfigError, "update"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(train, words, error, told):
    with pytest.raises(error, match=told) as caught:
        train("train=colbert", *SMALL, *words)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_kind_is_refused(train, place):
    with pytest.raises(ConfigError, match="cross-encoder"):
        train("train=colbert", *SMALL, f"encoder.model={place / 'reranker'}")
    _, folder = train("train=colbert", *SMALL, "train.max_steps=1")
    with pytest.raises(ConfigError, match="late-interaction"):
        train("train=cross_encoder", f"cross_encoder.model={folder / 'model'}", out="other")


def test_a_teacher_with_the_tokenizer_of_another_model_is_refused(train, place, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(place / "backbone", broken)
    tokenizer = json.loads((broken / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    for number in range(len(words), len(words) + 50):
        words[f"extra{number}"] = number
    (broken / "tokenizer.json").write_text(json.dumps(tokenizer))

    with pytest.raises(ConfigError, match="tokenizer of another model"):
        train(
            "train=margin_mse",
            *SMALL,
            "train.teacher.kind=colbert",
            f"train.teacher.model={broken}",
        )


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(train, monkeypatch, capsys):
    with interrupted_after(1, monkeypatch):
        train("train=colbert_head", *SMALL)

    results, _ = train("train=colbert_head", *SMALL, "seed=1")

    assert results.resumed == 0
    assert "another recipe, data or version" in capsys.readouterr().err


def test_a_checkpoint_survives_a_kill_between_the_renames_of_a_save(tmp_path):
    from colbench.results.checksummed import write_checksummed

    write_checksummed(tmp_path / "checkpoint.old" / "state.json", {"key": "k", "files": {}})
    assert checkpoints.read_checkpoint(tmp_path / "checkpoint", "k") == {"key": "k", "files": {}}
    assert checkpoints.read_checkpoint(tmp_path / "checkpoint", "other") is None


def test_weights_that_are_nan_after_a_step_stop_it_too(train, monkeypatch):
    check, calls = Watch._check_weights, []

    def poison(self, step):
        calls.append(step)
        if len(calls) == 2:
            with torch.no_grad():
                next(p for p in self.trainer.model.parameters() if p.requires_grad)[0] = np.nan
        check(self, step)

    monkeypatch.setattr(Watch, "_check_weights", poison)
    results, folder = train("train=colbert", *SMALL)

    assert f"holds NaN or infinity at step {calls[1]}" in results.stopped
    assert all(torch.isfinite(value).all() for value in weights(folder).values())


def test_training_reads_texts_with_the_prompts_that_a_search_reads_them_with(train, monkeypatch):
    from sentence_transformers import MultiVectorEncoder

    read = set()
    preprocess = MultiVectorEncoder.preprocess

    def recording(self, inputs, prompt=None, task=None, **options):
        if torch.is_grad_enabled():  # a step of the training, not an evaluation
            read.add((task, prompt))
        return preprocess(self, inputs, prompt=prompt, task=task, **options)

    monkeypatch.setattr(MultiVectorEncoder, "preprocess", recording)
    prompts = ["encoder.query_prompt='what '", "encoder.document_prompt='the '"]
    train("train=colbert", *SMALL, *prompts, "train.max_steps=1", "train.student.start=random")

    assert {("query", "what "), ("document", "the ")} <= read
    assert all(prompt for _, prompt in read)


@pytest.mark.nightly
def test_files_of_triples_and_of_scored_pairs_are_trained_on(train, tmp_path):
    triples = tmp_path / "triples.tsv"
    rows = [f"what {a} is red\tthe {a} red\tthe {b}" for a, b in pairwise(TOPICS)]
    triples.write_text("\n".join([*rows, "what jet is red\tthe jet red"]) + "\n")
    scored = tmp_path / "scored.jsonl"
    lines = [
        {"query": f"is {topic} grey", "document": f"{other} grey", "score": float(topic == other)}
        for topic in TOPICS
        for other in [*TOPICS[: 3 + (topic == "wing")], topic]
    ]
    scored.write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = {"triples": triples, "scored": scored}
    for name, loss in (("triples", "contrastive"), ("scored", "kl")):
        results, _ = train(
            "train=colbert",
            *SMALL,
            f"train.loss={loss}",
            "train.negatives=null",
            "train.sources.judged=null",
            f"+train.sources.{name}={{pairs: file, path: '{files[name]}'}}",
            "train.dev.queries=2",
            out=name,
        )
        assert results.examples == 6
        assert results.sources[0].collection == files[name].name


@pytest.mark.nightly
def test_a_collection_without_judgments_is_trained_on(train, place, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    shutil.copy(place / "collection" / "corpus.jsonl", folder)
    words = ["train.sources.sentences.pairs=title", f"dataset.path={folder}"]
    results, _ = train("train=self_supervised", *SMALL, *words)

    assert results.collection.queries == 0
    assert results.examples == 26


def test_a_folder_that_is_not_of_a_training_is_left_alone(train, tmp_path):
    (tmp_path / "out" / "model").mkdir(parents=True)
    (tmp_path / "out" / "model" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="not of a training"):
        train("train=colbert", *SMALL)
    assert (tmp_path / "out" / "model" / "mine.txt").read_text() == "mine"
