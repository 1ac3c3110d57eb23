"""What is settled before a run's work begins: how deep it retrieves, its measures, its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from colbench.collection.model import Collection
from colbench.encoder.loading.positions import check_lengths
from colbench.encoder.loading.weights import EMBEDDED, resolve_weights
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.errors import ConfigError, PackagesUnavailable, WeightsUnavailable
from colbench.experiment.bench import EncodeTask
from colbench.measures.catalogue import cutoff
from colbench.retriever.base import SystemSettings


def look_for_weights(
    systems: Mapping[str, SystemSettings], cache: Path, *, strict: bool, given: bool = False
) -> None:
    """Fail where a folder holds no model or a strict run would fail after its work, and put
    embedded models together: in the process of a system that would count in its peak memory.

    Args:
        systems: name → settings.
        cache: where models are put together.
        strict: whether all weights must be there; else a system without them is skipped later.
        given: whether the collection gives token vectors.

    Raises:
        ConfigError: no such model, or a length that it has no positions for.
        WeightsUnavailable: weights are not here and cannot be had, with `strict`.
        PackagesUnavailable: packages of a system are not installed, with `strict`.
    """
    for name, system in systems.items():
        if strict:
            try:
                system.look_for_packages()
            except PackagesUnavailable as error:
                raise PackagesUnavailable(f"{name}: {error} (strict=true)") from None
        for model in system.models_used(given=given):
            local = Path(model.model).expanduser()
            if strict or model.model.startswith(EMBEDDED) or _in_a_folder(model.model):
                try:
                    local = resolve_weights(model.model, model.revision, cache)
                except WeightsUnavailable as error:
                    if strict:
                        raise WeightsUnavailable(f"{name}: {error} (strict=true)") from None
            if local.is_dir():
                check_lengths(model, local)


def in_both_forms(tasks: Iterable[EncodeTask]) -> list[EncodeTask]:
    """Return the tasks, each first form of a model with the second one beside it.

    Pooling and normalisation come after the transformer, and are of one form alone. All other
    settings have to be equal.
    """
    later = list(tasks)
    paired: list[EncodeTask] = []
    taken: set[str] = set()
    for number, task in enumerate(later):
        others = (
            other
            for other in later[number + 1 :]
            if other.form is not task.form
            and other.key not in taken
            and _read_alike(other) == _read_alike(task)
        )
        other = None if task.key in taken else next(others, None)
        if other is not None:
            taken |= {task.key, other.key}
        paired.append(task.model_copy(update={"also": other}))
    return paired


def _read_alike(task: EncodeTask) -> str:
    return task.encoder.model_dump_json(exclude={"pooling", "normalize", "trained_on"})


def check_folders(models: Iterable[EncoderSettings | CrossEncoderSettings], cache: Path) -> None:
    """Fail where a folder that is named as a model holds none.

    Raises:
        ConfigError: naming the folder and what it lacks.
    """
    for model in models:
        if _in_a_folder(model.model):
            resolve_weights(model.model, model.revision, cache)


def _in_a_folder(model: str) -> bool:
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or Path(model).is_dir()


def unsearchable(
    systems: Mapping[str, SystemSettings], name: str, collection: Collection
) -> str | None:
    """Say why a system cannot search a collection of given vectors; None where it can.

    Args:
        systems: the system and its parts.
        name: of the system.
        collection: what is to be searched.
    """
    if collection.given is None or collection.given.has_texts:
        return None
    reading = [part for part, settings in systems.items() if settings.reads_texts()]
    if not reading:
        return None
    who = "it searches" if reading[0] == name else f"its part {reading[0]} searches"
    return (
        f"{who} texts, and {collection.name} has vectors and no texts of all documents and "
        "queries: put them into documents.jsonl and queries.jsonl beside the vectors"
    )


DEFAULT_DEPTH = 1000
"""Documents retrieved per query by default, and what a measure without a cutoff looks at."""


def choose_depth(k: int | None, docs: int) -> int:
    """Return the documents to retrieve a query from a collection of `docs`.

    Raises:
        ConfigError: more are asked for than there are.

    >>> choose_depth(None, 5183), choose_depth(None, 600), choose_depth(100, 600)
    (1000, 600, 100)
    """
    if k is None:
        return min(DEFAULT_DEPTH, docs)
    if k > docs:
        raise ConfigError(
            f"k={k} is larger than the collection ({docs} documents): "
            f"set k={docs} or less, or leave it out"
        )
    return k


def choose_measures(measures: Sequence[str], depth: int, docs: int) -> tuple[list[str], list[str]]:
    """Split measures into those that `depth` can carry and those it would cap.

    Returns:
        (kept, left out), both in order.

    Raises:
        ConfigError: there are some and none can be kept.

    >>> choose_measures(["ndcg@10", "recall@1000", "map"], 100, 5183)
    (['ndcg@10'], ['recall@1000', 'map'])
    """
    deep = [m for m in measures if min(cutoff(m) or DEFAULT_DEPTH, docs) > depth]
    within_depth = [measure for measure in measures if measure not in deep]
    if measures and not within_depth:
        raise ConfigError(f"every measure looks deeper than k={depth}: raise k")
    return within_depth, deep
