"""The whole of `colbench train`: from checked settings to a saved model and its record.

<output>/model/        sentence-transformers checkpoint with its card
        /update.safetensors   what was trained, where that is little
        /train.json    the record (`colbench.train.record`)
        /report.md     the same to read, and the learning curve
        /.work/        checkpoint of an unfinished training; removed at the end
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from colbench import __version__
from colbench.collection.load import has_judgments, load_collection, load_documents
from colbench.collection.model import Collection
from colbench.collection.settings import SampleSettings, VectorsSettings
from colbench.config.settings import RunSettings
from colbench.digests import json_digest
from colbench.encoder.backends.precision import has_bf16
from colbench.encoder.backends.runtime import pick_device
from colbench.encoder.cache.store import EmbeddingCache, collections, default_root
from colbench.encoder.loading.fingerprint import fingerprint
from colbench.encoder.loading.weights import resolve_weights
from colbench.errors import ConfigError
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.output import file_stem
from colbench.experiment.plan import check_folders
from colbench.locks import only_run
from colbench.measures.catalogue import check_measures
from colbench.paths import clear_made, refuse_foreign, remove_made
from colbench.progress import note
from colbench.results.checksummed import write_checksummed
from colbench.results.origin import CollectionInfo, Environment
from colbench.timing import now
from colbench.train.batches import columns
from colbench.train.development import Development
from colbench.train.prepare import Preparation, Prepared
from colbench.train.record import FILE_NAME, Parameters, Train
from colbench.train.record import Development as DevelopmentRecord
from colbench.train.report import write_train_report
from colbench.train.saving import UPDATE, WORK, check_place, save_model
from colbench.train.settings import FileSource, TrainSettings


def training_device(setting: str) -> str:
    """Return the torch device of a training.

    Args:
        setting: as of an encoder; auto takes a GPU where there is one.

    Raises:
        ConfigError: it is not here, or is a GPU other than the first, where trainers work.
    """
    device = pick_device(setting)
    if device.partition(":")[2] not in ("", "0"):
        raise ConfigError(
            f"a training runs on the first GPU, not on {device}: set device=cuda, and "
            "CUDA_VISIBLE_DEVICES to the one it should be"
        )
    return device


def training_precision(setting: str, device: str) -> str:
    """Return fp32 or bf16.

    Args:
        setting: auto takes bf16 where the device multiplies it.
        device: as `training_device` returns it.
    """
    import torch

    if setting != "auto":
        return setting
    if device.startswith("cuda"):
        # Not is_bf16_supported: that is also true of GPUs that emulate it.
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    return "bf16" if device == "cpu" and has_bf16() else "fp32"


_WORK_FILES = re.compile(r"lock|prepare\..+|\.?checkpoint(?:\..+)?")
_CONFIG = ("dataset", "encoder", "cross_encoder", "train", "threads", "seed")

_INSTALL = "pip install 'colbench[train]'"
_TRAINERS = ("accelerate", "datasets", "peft")


class Trainer:
    """One training from checked settings to written results.

    Args:
        settings: with a recipe.
        command: the command line, for the record.
        extra: further configuration folders.
        fresh: whether a checkpoint that is there is thrown away.

    Raises:
        ConfigError: no recipe, an unknown measure, or packages that are missing.
    """

    def __init__(
        self,
        settings: RunSettings,
        command: Sequence[str],
        extra: Sequence[Path] = (),
        *,
        fresh: bool = False,
    ) -> None:
        recipe = settings.feature(TrainSettings)
        if recipe is None:
            raise ConfigError("no recipe is chosen: add an override such as train=colbert")
        wanted = ["accelerate", "datasets"]
        if recipe.student.update == "lora":
            wanted.append("peft")
        for package in wanted:
            if find_spec(package) is None:
                raise ConfigError(f"training needs {package}; run {_INSTALL}")
        check_measures([recipe.dev.measure])
        if isinstance(settings.dataset, VectorsSettings):
            raise ConfigError(
                "dataset=vectors gives vectors, and a training makes its own: choose a "
                "collection of texts"
            )
        self.settings, self.recipe = settings, recipe
        self.command, self.extra, self.fresh = " ".join(command), list(extra), fresh
        named = settings.name or f"{recipe.kind}-{recipe.student.update}-{recipe.loss}"
        self.root = settings.output_dir or Path("results/runs/train") / file_stem(named)
        self.threads = settings.threads or usable_cores()
        self.base = settings.cross_encoder if recipe.kind == "cross_encoder" else settings.encoder

    def run(self) -> tuple[Train, Path]:
        """Train, or go on with a training that was interrupted, and write everything.

        Raises:
            ColbenchError: the data cannot be used, weights cannot be had, or the disk is full.
        """
        import torch

        work = self.root / WORK
        check_place(self.root)
        self._check_paths()
        refuse_foreign(work, _WORK_FILES)
        with only_run(self.root, work):
            torch.set_num_threads(self.threads)
            if self.fresh:
                remove_made(work / "checkpoint", inside=work)
            collection = self._protected()
            cache = EmbeddingCache(self.settings.cache_dir)
            scratch = Path(tempfile.mkdtemp(prefix="prepare.", dir=work))
            try:
                preparation = Preparation(self.settings, collection, cache, scratch, self.extra)
                prepared = preparation.prepare()
                reranked = self.recipe.kind == "cross_encoder"
                candidates = preparation.candidates(prepared.development) if reranked else None
                results = self._train(prepared, CollectionInfo.of(collection), candidates, work)
            finally:
                remove_made(scratch, inside=work)
            write_checksummed(self.root / FILE_NAME, results.model_dump(mode="json"))
            write_train_report(results, self.root)
        clear_made(work, _WORK_FILES)
        return results, self.root

    def _check_paths(self) -> None:
        """Fail before any work for a file of examples, or a model's folder, that is not there."""
        for name, source in self.recipe.sources.items():
            if isinstance(source, FileSource) and not source.path.is_file():
                raise ConfigError(
                    f"train.sources.{name}.path: there is no file {source.path}; name a file of "
                    "examples"
                )
        check_folders([self.base], self.settings.cache_dir or default_root())

    def _protected(self) -> Collection:
        """Return the run's collection, whose judged part is protected.

        Whole, where the run takes a sample: what is not in it may be in the next one.
        """
        dataset = self.settings.dataset.model_copy(update={"sample": SampleSettings()})
        kept = collections(self.settings.cache_dir)
        if has_judgments(dataset):
            return load_collection(dataset, kept)
        if any(source.pairs == "judged" for source in self.recipe.sources.values()):
            return load_collection(dataset, kept)  # which says what is missing
        collection = load_documents(dataset)
        note(f"{collection.name} has no judgments, so there is nothing of it to protect")
        return collection

    def _train(
        self,
        prepared: Prepared,
        collection: Any,
        candidates: list[list[int]] | None,
        work: Path,
    ) -> Train:
        from colbench.train.fit import fit, steps_of
        from colbench.train.saving import write_update
        from colbench.train.student import build_student, merge, untrained_base

        recipe, seed = self.recipe, self.settings.seed
        device = training_device(self.base.device)
        precision = training_precision(recipe.precision, device)
        documents = list(dict.fromkeys(example.positive for example in prepared.examples))
        development = Development(
            prepared.development, recipe.kind, recipe.dev.measure, precision, candidates
        )
        base = untrained_base(recipe, self.settings.encoder, self.settings.cross_encoder, device)
        base_value = None if base is None else development.value(base)
        del base
        if base_value is not None:
            note(f"{self.base.name} without training: {recipe.dev.measure} {base_value:.4f}")
        model = build_student(
            recipe, self.settings.encoder, self.settings.cross_encoder, documents, device, seed
        )
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        rows = columns(prepared.examples, recipe)
        note(
            f"training on {len(prepared.examples):,} examples, {trained:,} parameters, "
            f"{steps_of(recipe, len(rows['query'])):,} steps"
        )
        progress = fit(
            model,
            rows,
            recipe,
            development,
            work / "checkpoint",
            key=self._key(rows, [prepared.development.fingerprint, candidates], precision, device),
            seed=seed,
            precision=precision,
        )
        (self.root / UPDATE).unlink(missing_ok=True)
        if recipe.student.update != "full":
            write_update(model, recipe, self.root / UPDATE)
        merge(model)
        part = prepared.development
        config = self.settings.model_dump(mode="json")
        results = Train(
            colbench_version=__version__,
            command=self.command,
            created=now(),
            environment=self._environment(),
            config={key: config[key] for key in _CONFIG},
            kind=recipe.kind,
            base=self.base.name,
            collection=collection,
            sources=prepared.sources,
            protected=prepared.protected,
            mining=prepared.mining,
            teacher=prepared.teacher,
            development=DevelopmentRecord(
                source=prepared.development_source,
                collection=part.name,
                measure=recipe.dev.measure,
                queries=len(part.queries),
                documents=len(part.documents),
            ),
            parameters=Parameters(
                update=recipe.student.update,
                trained=trained,
                total=sum(p.numel() for p in model.parameters()),
                dims=None if candidates is not None else int(model.get_embedding_dimension()),
            ),
            examples=len(prepared.examples),
            steps=progress.curve[-1].step,
            curve=progress.curve,
            best_step=progress.best_step,
            best_value=progress.best_value,
            start_value=progress.curve[0].value or 0.0,
            base_value=base_value,
            seconds=progress.seconds,
            resumed=progress.resumed,
            stopped=progress.stopped,
            model_sha256={},
        )
        return save_model(model, results, self.root)

    def _environment(self) -> Environment:
        described = describe_environment(self.threads, self.settings.seed)
        trainers = {name: release for name in _TRAINERS if (release := _version(name))}
        return described.model_copy(update={"packages": {**described.packages, **trainers}})

    def _key(self, rows: dict[str, list[Any]], part: Any, precision: str, device: str) -> str:
        """Return a digest of everything that the training depends on."""
        folder = resolve_weights(self.base.model, self.base.revision)
        parts = [
            self.recipe.model_dump(mode="json"),
            self.base.model_dump(mode="json"),
            fingerprint(folder, {}),
            json_digest([rows, part], spaced=True),
            {name: _version(name) for name in _TRAINERS},
            [precision, device.split(":")[0], self.settings.seed, self.threads],
        ]
        return json_digest(parts, spaced=True)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
