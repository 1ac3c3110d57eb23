"""What `colbench train` takes besides the usual keys; `conf/train/` holds ready recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from colbench.settings import Settings


class CollectionSource(Settings):
    """Training pairs out of a collection."""

    pairs: Literal["judged", "title", "first_sentence", "sentence"] = Field(
        description="judged: queries and what is judged relevant to them; the others need no "
        "judgments and ask for a document by its title, its first sentence, or any sentence, which "
        "is cut from the document"
    )
    dataset: str | None = Field(
        None, description="option of conf/dataset; null takes the run's dataset"
    )
    split: str | None = Field(
        None,
        description="split in place of the dataset's own: last part of an ir_datasets id, name of "
        "a BEIR folder's qrels, half of pydocs; null keeps it",
    )
    overrides: list[str] = Field(
        default=[], description="further overrides for that dataset, such as dataset.path=folder"
    )
    least_grade: int = Field(1, ge=1, description="judged: grade from which a document is positive")
    limit: PositiveInt | None = Field(None, description="pairs kept, drawn; null keeps all")


class FileSource(Settings):
    """Training examples from a file."""

    pairs: Literal["file"] = Field(description="examples are read from path")
    path: Path = Field(
        description="JSON lines (query, positive, negatives, scores) or tab-separated query, "
        "positive and any number of negatives; either may end in .gz"
    )
    limit: PositiveInt | None = Field(None, description="examples kept, drawn; null keeps all")


Source = Annotated[CollectionSource | FileSource, Field(discriminator="pairs")]


class Negatives(Settings):
    """Hard negatives: what a system finds that is not known to be relevant."""

    system: str = Field("bm25", description="system that searches; each source's own documents")
    count: PositiveInt = Field(4, description="negatives of an example")
    depth: PositiveInt = Field(100, description="documents searched, of which they are drawn")
    skip: int = Field(0, ge=0, description="first documents that are never negatives")
    margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="a document that scores above (1 − margin) times the positive may be relevant "
        "too and is left out; 0 leaves out what scores higher than the positive",
    )


class Teacher(Settings):
    """A model whose scores of query and document are learned."""

    kind: Literal["colbert", "bi_encoder", "cross_encoder"] = Field(
        description="MaxSim over token vectors, inner product, or a cross-encoder"
    )
    model: str | None = Field(
        None,
        description="option of conf/encoder or conf/cross_encoder, a hub name or a folder; null "
        "takes the run's encoder or cross_encoder",
    )


class Student(Settings):
    """What of the run's encoder is trained."""

    update: Literal["full", "head", "lora"] = Field(
        "full",
        description="everything, the projection (or a cross-encoder's classifier) alone, or that "
        "and low-rank updates of the backbone (Hu et al. 2021, arXiv 2106.09685)",
    )
    dims: PositiveInt | None = Field(
        None,
        description="colbert: dimensions of the token vectors; null keeps the encoder's own",
    )
    start: Literal["pca", "random"] = Field(
        "pca",
        description="a new projection starts from the principal directions of the training "
        "documents' token vectors (not centred), or at random",
    )
    rank: PositiveInt = Field(16, description="rank of low-rank updates")
    alpha: PositiveFloat = Field(32.0, description="their scale: updates count alpha / rank times")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before low-rank updates")
    model_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="dropout inside the model; null keeps the checkpoint's own, 0 makes a step on "
        "a CPU a third shorter",
    )
    targets: list[str] | Literal["all-linear"] = Field(
        "all-linear", description="layers with low-rank updates, by the end of their names"
    )


class Development(Settings):
    """Effectiveness on a part that is not trained on; the best checkpoint is kept by it."""

    source: str | None = Field(
        None,
        description="source it is cut from; null takes the first that is judged, else the first",
    )
    queries: PositiveInt = Field(100, description="queries, drawn; none of them is trained on")
    documents: PositiveInt = Field(
        2000, description="documents searched: all judged ones of these queries, and others drawn"
    )
    measure: str = Field("ndcg@10", description="measure that decides")
    evaluations: PositiveInt = Field(8, description="evaluations over the whole training")


class TrainSettings(Settings):
    """A recipe."""

    kind: Literal["colbert", "bi_encoder", "cross_encoder"] = Field(description="what is trained")
    sources: dict[str, Source] = Field(min_length=1, description="where examples come from")
    queries: PositiveInt | None = Field(
        None, description="few-shot: distinct queries of each source that are kept, drawn"
    )
    protect: list[str] = Field(
        default=[],
        description="datasets besides the run's own whose judged queries and documents are never "
        "trained on; a split stands after a comma (pydocs,test)",
    )
    negatives: Negatives | None = Field(None, description="null: negatives of the batch alone")
    teacher: Teacher | None = Field(None, description="scores the documents of each example")
    dev: Development = Field(default_factory=lambda: Development())
    student: Student = Field(default_factory=lambda: Student())
    loss: Literal["contrastive", "kl", "margin_mse", "binary"] = Field(
        "contrastive",
        description="contrastive: the positive among all documents of the batch; kl and "
        "margin_mse: the teacher's scores (ColBERTv2, arXiv 2112.01488; arXiv 2010.02666); binary: "
        "cross-entropy of single pairs, of a cross-encoder",
    )
    contrastive_weight: float = Field(
        0.0, ge=0, description="kl, colbert: weight of the contrastive loss added to it"
    )
    temperature: PositiveFloat = Field(
        1.0, description="scores of the student are divided by it; mean MaxSim needs about 0.05"
    )
    teacher_temperature: PositiveFloat = Field(
        1.0, description="kl: scores of the teacher are divided by it"
    )
    epochs: PositiveFloat = Field(1.0, description="passes over the examples")
    max_steps: PositiveInt | None = Field(None, description="steps at most")
    batch_size: PositiveInt = Field(32, description="examples in a step")
    mini_batch: PositiveInt | None = Field(
        None, description="texts in one forward pass; null takes those of a step together"
    )
    learning_rate: PositiveFloat = Field(2e-5, description="highest learning rate")
    head_learning_rate: PositiveFloat | None = Field(
        None, description="of a projection or classifier; null takes learning_rate"
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which it rises")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's")
    query_length: PositiveInt | None = Field(
        None, description="tokens of a query in training; null takes the encoder's"
    )
    document_length: PositiveInt | None = Field(
        None, description="tokens of a document in training; null takes the encoder's"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="arithmetic of a step; auto takes bf16 where the device multiplies it"
    )
    checkpoint_every: PositiveInt | None = Field(
        None,
        description="steps between checkpoints that an interrupted training goes on from; "
        "null takes one at each evaluation",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_removed_sources(cls, values: Any) -> Any:
        """A recipe that builds on another takes a source away by setting it to null."""
        if isinstance(values, dict) and isinstance(values.get("sources"), dict):
            sources = {
                name: source for name, source in values["sources"].items() if source is not None
            }
            return {**values, "sources": sources}
        return values

    @model_validator(mode="after")
    def _together(self) -> TrainSettings:
        distils = self.loss in ("kl", "margin_mse")
        if distils and self.teacher is None and not self._files_only():
            raise ValueError(f"loss={self.loss} learns a teacher's scores: set teacher.kind")
        if distils and self.negatives is None and not self._files_only():
            raise ValueError(
                f"loss={self.loss} compares documents of a query: set negatives.system"
            )
        if self.kind != "colbert" and (self.query_length or self.document_length):
            raise ValueError("query_length and document_length are for kind=colbert")
        if self.contrastive_weight and (self.kind, self.loss) != ("colbert", "kl"):
            raise ValueError("contrastive_weight is for kind=colbert with loss=kl")
        if self.temperature != 1 and (self.loss == "margin_mse" or self.kind == "cross_encoder"):
            raise ValueError("temperature is for loss=contrastive and kl, of vectors")
        if self.mini_batch is not None and self.kind == "bi_encoder":
            raise ValueError("mini_batch is for kind=colbert, and for loss=kl of a cross-encoder")
        if self.mini_batch is not None and self.kind == "cross_encoder" and self.loss != "kl":
            raise ValueError("mini_batch is for kind=colbert, and for loss=kl of a cross-encoder")
        if self.loss == "binary" and self.kind != "cross_encoder":
            raise ValueError("loss=binary is for kind=cross_encoder")
        if self.loss == "binary" and self.negatives is None and not self._files_only():
            raise ValueError("loss=binary tells documents apart: set negatives.system")
        if self.loss == "contrastive" and self.kind == "cross_encoder":
            raise ValueError("kind=cross_encoder takes loss=binary, kl or margin_mse")
        if self.kind != "colbert" and self.student.dims is not None:
            raise ValueError("student.dims is for kind=colbert")
        if self.kind == "bi_encoder" and self.student.update == "head":
            raise ValueError("kind=bi_encoder has no head: set student.update to full or lora")
        source = self.dev.source
        if source is not None and source not in self.sources:
            raise ValueError(f"dev.source={source} is not among the sources")
        return self

    def _files_only(self) -> bool:
        return all(isinstance(source, FileSource) for source in self.sources.values())
