"""The schema of `train.json`, what `colbench train` writes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from colbench.records import Record
from colbench.results.origin import CollectionInfo, Environment

FILE_NAME = "train.json"
SCHEMA_VERSION = 2


class SourceReport(Record):
    """What became of the examples of one source."""

    name: str
    pairs: str = Field(description="kind of source: judged, title, first_sentence, sentence, file")
    collection: str | None = Field(None, description="name of the collection, or of the file")
    fingerprint: str | None = Field(None, description="sha256 of its content")
    found: int = Field(description="examples in it")
    duplicates: int = Field(0, description="dropped: the same query and document twice")
    protected_queries: int = Field(
        0, description="dropped: the query is one of a protected split, by id or by text"
    )
    protected_documents: int = Field(
        0, description="dropped: the document is judged in a protected split, by id or by text"
    )
    protected_negatives: int = Field(0, description="negatives dropped for the same reason")
    held_out: int = Field(0, description="kept for development")
    drawn: int = Field(description="examples after limits and few-shot draws: trained on")


class Protected(Record):
    """A split whose queries and judged documents are never trained on."""

    name: str = Field(description="of the collection")
    fingerprint: str
    queries: int
    documents: int = Field(description="judged documents, relevant or not")


class MiningReport(Record):
    """Where hard negatives came from."""

    system: str
    examples: int = Field(description="examples that were given negatives")
    negatives: int = Field(description="negatives given")
    left_out: int = Field(
        description="documents left out because they score too near the positive, or above it"
    )
    short: int = Field(description="examples with fewer negatives than asked for")
    seconds: float


class TeacherReport(Record):
    """Whose scores are learned."""

    kind: str
    model: str
    pairs: int = Field(description="pairs of query and document scored")
    agreement: float = Field(
        description="share of examples in which the teacher scores the positive highest"
    )
    seconds: float


class CurvePoint(Record):
    """One moment of the training."""

    step: int
    epoch: float
    seconds: float = Field(description="since the beginning, evaluations among them")
    loss: float | None = Field(None, description="mean since the point before; null at step 0")
    learning_rate: float | None = None
    value: float | None = Field(None, description="the measure on the development part")


class Development(Record):
    """The part that decided which checkpoint is kept."""

    source: str
    collection: str
    measure: str
    queries: int
    documents: int


class Parameters(Record):
    """What was trained."""

    update: Literal["full", "head", "lora"]
    trained: int = Field(description="parameters trained")
    total: int = Field(description="parameters of the saved model")
    dims: int | None = Field(None, description="dimensions of a vector")


class Train(Record):
    """The whole of `train.json`."""

    schema_version: int = SCHEMA_VERSION
    colbench_version: str
    command: str
    created: str
    environment: Environment
    config: dict[str, Any]
    kind: Literal["colbert", "bi_encoder", "cross_encoder"]
    base: str = Field(description="the encoder or cross-encoder that training began with")
    collection: CollectionInfo = Field(description="the run's dataset, which is protected")
    sources: list[SourceReport]
    protected: list[Protected]
    mining: MiningReport | None
    teacher: TeacherReport | None
    development: Development
    parameters: Parameters
    examples: int
    steps: int
    curve: list[CurvePoint]
    best_step: int
    best_value: float
    start_value: float = Field(description="of the untrained student, new projection included")
    base_value: float | None = Field(
        None,
        description="of the checkpoint that training began with, as it is used without training; "
        "null where it cannot be used so (a classifier is new), and in files of earlier versions",
    )
    seconds: float = Field(description="of training, over all sittings")
    resumed: int = Field(0, description="times it went on from a checkpoint")
    stopped: str | None = Field(None, description="why it ended before its last step")
    model_sha256: dict[str, str] = Field(description="file of the saved model → sha256")
