"""From a recipe to the examples it is trained with, those held out, and those left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection as Keys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from colbench.collection.load import load_collection
from colbench.collection.model import Collection, Document, Query
from colbench.collection.sample import sample_collection
from colbench.collection.settings import DatasetSettings, SampleSettings
from colbench.config.compose import compose_run
from colbench.config.foreign import has_resolver
from colbench.config.models import named_settings
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import EmbeddingCache, collections
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.errors import ConfigError, DataError
from colbench.train.batches import level
from colbench.train.examples import Example, distinct, drawn, few_queries, text_key
from colbench.train.mining import mine, workbenches
from colbench.train.protect import Protected, remove
from colbench.train.record import MiningReport, SourceReport, TeacherReport
from colbench.train.record import Protected as ProtectedRecord
from colbench.train.settings import Development, TrainSettings
from colbench.train.sources import SourceExamples, dataset_with_split, read_source
from colbench.train.teacher import teach


def hold_out(
    examples: Sequence[Example],
    sources: Sequence[SourceExamples],
    settings: Development,
    seed: int,
) -> tuple[list[Example], Collection, str]:
    """Split off the development part.

    Args:
        examples: of all sources, nothing protected among them.
        sources: what they are of.
        settings: how many queries and documents, of which source.
        seed: of the draw.

    Returns:
        The examples that are left (none has a query of the part), the part, and its source's name.

    Raises:
        DataError: nothing would be left to train on, or the source has no examples.
    """
    source = _chosen(sources, settings.source)
    own = [example for example in examples if example.source == source.name]
    if not own:
        raise DataError(
            f"train.sources.{source.name} has no example for a development part: set "
            "train.dev.source to another"
        )
    if source.pairs == "judged" and source.collection is not None:
        part = _judged(source.collection, {e.query_id for e in own}, settings, seed)
    else:
        part = _known_items(own, source, settings, seed)
    keys = _keys(part)
    left = [example for example in examples if not _gives_away(example, *keys)]
    if not any(example.source == source.name for example in left):
        raise DataError(
            f"all {len({e.query for e in own})} queries of train.sources.{source.name} would be "
            "held out for development: lower train.dev.queries"
        )
    return left, part, source.name


def _keys(part: Collection) -> tuple[set[bytes], set[bytes]]:
    """Return the text keys of a part's queries and of the documents relevant to them."""
    texts = {document.id: document.text for document in part.documents}
    relevant = {
        text_key(texts[doc_id])
        for grades in part.qrels.values()
        for doc_id, grade in grades.items()
        if grade > 0 and doc_id in texts
    }
    return {text_key(query.text) for query in part.queries}, relevant


def _gives_away(example: Example, queries: set[bytes], relevant: set[bytes]) -> bool:
    """Return whether an example has a query of the part, or is made from a relevant document of it.

    Another judged query may share its document.
    """
    if text_key(example.query) in queries:
        return True
    return example.query_id is None and example.origin in relevant


def _chosen(sources: Sequence[SourceExamples], name: str | None) -> SourceExamples:
    judged = [source for source in sources if source.pairs == "judged"]
    if name is None:
        return (judged or list(sources))[0]
    return next(source for source in sources if source.name == name)


def _judged(
    collection: Collection, query_ids: Keys[str | None], settings: Development, seed: int
) -> Collection:
    """Return a sample of a collection, of queries that may be used."""
    queries = [query for query in collection.queries if query.id in query_ids]
    usable = replace(
        collection,
        queries=queries,
        qrels={query.id: collection.qrels[query.id] for query in queries},
    )
    return sample_collection(
        usable, SampleSettings(docs=settings.documents, queries=settings.queries, seed=seed)
    )


def _known_items(
    examples: Sequence[Example], source: SourceExamples, settings: Development, seed: int
) -> Collection:
    """Return a collection of examples: each positive is a document, relevant to its query."""
    texts = list(dict.fromkeys(example.positive for example in examples))
    number = {text: f"d{place}" for place, text in enumerate(texts)}
    grades: dict[str, dict[str, int]] = {}
    for example in examples:
        grades.setdefault(example.query, {})[number[example.positive]] = 1
    queries = [Query(f"q{place}", text) for place, text in enumerate(grades)]
    whole = Collection(
        name=source.label,
        documents=[Document(doc_id, "", text) for text, doc_id in number.items()],
        queries=queries,
        qrels={query.id: grades[query.text] for query in queries},
        ignore_identical_ids=False,
    )
    return sample_collection(
        whole, SampleSettings(docs=settings.documents, queries=settings.queries, seed=seed)
    )


def limited(examples: Sequence[Example], limits: dict[str, int | None], seed: int) -> list[Example]:
    """Return the examples of each source up to its limit, drawn."""
    examples_left = []
    for name, limit in limits.items():
        examples_left += drawn(
            [example for example in examples if example.source == name], limit, seed
        )
    return examples_left


_MINED = 1000
"""Seed of the draws of negatives is this much above the run's: other draws, other numbers."""


@dataclass(frozen=True)
class Prepared:
    """Everything a training needs besides the model.

    Attributes:
        examples: with negatives and scores as the loss wants them.
        development: the part that is held out.
        development_source: name of its source.
        sources: what became of the examples of each source.
        protected: what was never trained on.
        mining: where negatives are from.
        teacher: where scores are from.
    """

    examples: list[Example]
    development: Collection
    development_source: str
    sources: list[SourceReport]
    protected: list[ProtectedRecord]
    mining: MiningReport | None
    teacher: TeacherReport | None


class Preparation:
    """Makes `Prepared`.

    Args:
        run: settings with a recipe.
        collection: the run's own, whole, which is protected.
        cache: of document vectors.
        work: folder for what is not kept.
        extra: further configuration folders.
    """

    def __init__(
        self,
        run: RunSettings,
        collection: Collection,
        cache: EmbeddingCache,
        work: Path,
        extra: Sequence[Path] = (),
    ) -> None:
        recipe = run.feature(TrainSettings)
        assert recipe is not None
        self.run, self.settings = run, recipe
        self.collection, self.cache, self.work = collection, cache, work
        self.extra = list(extra)

    def prepare(self) -> Prepared:
        """Read, clean, split, mine and score.

        Raises:
            ConfigError: a dataset, split, system or teacher that does not exist.
            DataError: a source without usable examples, or nothing left to train on.
            WeightsUnavailable: weights of a miner or teacher cannot be had.
        """
        settings, seed = self.settings, self.run.seed
        sources = [
            read_source(name, source, self._compose, seed)
            for name, source in settings.sources.items()
        ]
        every = [example for source in sources for example in source.examples]
        single = distinct(every)
        protected = Protected.of([self.collection, *map(self._protected, settings.protect)])
        unprotected, dropped = remove(single, protected)
        left, part, part_source = hold_out(unprotected, sources, settings.dev, seed)
        limits = {name: source.limit for name, source in settings.sources.items()}
        examples = few_queries(limited(left, limits, seed), settings.queries, seed)
        counts = [_of_source(some) for some in (single, unprotected, left, examples)]
        reports = []
        for source in sources:
            of_single, of_kept, of_left, of_drawn = (count[source.name] for count in counts)
            gone = dropped[source.name]
            reports.append(
                SourceReport(
                    name=source.name,
                    pairs=source.pairs,
                    collection=source.label,
                    fingerprint=source.fingerprint,
                    found=len(source.examples),
                    duplicates=len(source.examples) - of_single,
                    protected_queries=gone.protected_queries,
                    protected_documents=gone.protected_documents,
                    protected_negatives=gone.protected_negatives,
                    held_out=of_kept - of_left,
                    drawn=of_drawn,
                )
            )
        if not examples:
            raise DataError("no example is left to train on: see train.sources and train.protect")
        examples, mining = self._mined(examples, sources, protected)
        examples, teacher = self._taught(examples)
        return Prepared(examples, part, part_source, reports, protected.records, mining, teacher)

    def candidates(self, part: Collection) -> list[list[int]]:
        """Return document numbers of what BM25 finds for each query of a collection."""
        from colbench.retriever.registry import make_system

        bench = workbenches(self.run, "bm25", self.work / "candidates", self.cache)(part)
        system = make_system("bm25", bench)
        system.prepare()
        system.build()
        queries = [query.text for query in part.queries]
        depth = min(100, len(part.documents))
        return [hits.docs.tolist() for hits in system.search(system.encode(queries), depth)]

    def _compose(
        self, dataset: str | None, split: str | None, overrides: Sequence[str]
    ) -> DatasetSettings:
        if dataset is None and overrides:
            raise ConfigError(
                f"overrides=[{', '.join(overrides)}] are for a dataset of the source's "
                "own: set dataset too"
            )
        for override in overrides:  # they may come out of a file, and have been resolved once
            if not override.lstrip("+").startswith("dataset.") or has_resolver(override):
                raise ConfigError(
                    f"overrides of a source have '{override}': set keys of its dataset, such as "
                    "dataset.path=folder, to values"
                )
        if dataset is None:
            settings = self.run.dataset
        else:
            settings = compose_run([f"dataset={dataset}", *overrides], self.extra).dataset
        return dataset_with_split(settings, split)

    def _protected(self, name: str) -> Collection:
        dataset, _, split = name.partition(",")
        settings = self._compose(dataset, split or None, [])
        return load_collection(settings, collections(self.cache.root))

    def _mined(
        self, examples: list[Example], sources: Sequence[SourceExamples], protected: Protected
    ) -> tuple[list[Example], MiningReport | None]:
        negatives = self.settings.negatives
        if negatives is None:
            return level(examples, None, self.run.seed + _MINED), None
        collections = {s.name: s.collection for s in sources if s.collection is not None}
        benches = workbenches(self.run, negatives.system, self.work / "mining", self.cache)
        seed = self.run.seed + _MINED
        mined, report = mine(examples, collections, negatives, protected, benches, seed)
        return level(mined, negatives.count, seed), report

    def _taught(self, examples: list[Example]) -> tuple[list[Example], TeacherReport | None]:
        teacher = self.settings.teacher
        if teacher is None:
            _check_scores(examples, self.settings)
            return examples, None
        group = "cross_encoder" if teacher.kind == "cross_encoder" else "encoder"
        model: EncoderSettings | CrossEncoderSettings = getattr(self.run, group)
        if teacher.model is not None:
            values = named_settings(group, teacher.model, self.extra, {"seed": self.run.seed})
            model = type(model).model_validate(values)
        return teach(examples, teacher.kind, model, self.cache, self.work)


def _of_source(examples: Sequence[Example]) -> Counter[str]:
    return Counter(example.source for example in examples)


def _check_scores(examples: Sequence[Example], settings: TrainSettings) -> None:
    """Refuse a distillation of examples without enough scored documents."""
    if settings.loss not in ("kl", "margin_mse"):
        return
    bare = next((example for example in examples if example.scores is None), None)
    if bare is not None:
        raise DataError(
            f"loss={settings.loss} needs a score of every document, which train.sources."
            f"{bare.source} lacks for {bare.query[:60]!r}: complete its scores, lower "
            "negatives.count, or set train.teacher.kind"
        )
    if not examples[0].negatives:
        raise DataError(
            f"loss={settings.loss} compares documents of a query: give every query at least two"
        )
