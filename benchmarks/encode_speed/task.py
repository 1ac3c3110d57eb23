"""What `experiment=encode_speed` asks of its worker; the reply is a `FormSpeed`."""

from __future__ import annotations

from benchmarks.encode_speed.settings import EncodeVariant
from colbench.encoder.settings import EncoderSettings, Form
from colbench.experiment.job import Message


class EncodeSpeedTask(Message):
    """Time every variant of an encoder in one form, beside sentence-transformers."""

    encoder: EncoderSettings
    form: Form
    variants: list[EncodeVariant]
    documents: int
    queries: int
    trials: int
    batch_size: int
    seed: int
