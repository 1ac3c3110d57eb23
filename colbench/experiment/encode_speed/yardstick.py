"""What encoding is held against: sentence-transformers as it ships, in fp32, on the same model."""

from __future__ import annotations

from collections.abc import Sequence

from colbench.encoder.assemble import assemble
from colbench.encoder.settings import EncoderSettings, Form
from colbench.experiment.encode_speed.race import Racer


def yardstick(
    settings: EncoderSettings,
    form: Form,
    *,
    query_length: int | None,
    device: str,
    batch_size: int,
) -> Racer:
    """Return `encode_document` and `encode_query` of the model, with their own defaults.

    It reads as many tokens as our encoder does; nothing else is set.

    Args:
        settings: the model, its lengths and prompts; backend and precision are not looked at.
        form: pooled for a SentenceTransformer, tokens for a MultiVectorEncoder.
        query_length: the collection's published one, as of `load_encoder`.
        device: torch device.
        batch_size: texts in a batch.
    """
    model, _ = assemble(settings, form, device, query_length)

    def documents(texts: Sequence[str]) -> object:
        return model.encode_document(
            list(texts), batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True
        )

    def query(text: str) -> object:
        return model.encode_query([text], show_progress_bar=False, convert_to_numpy=True)

    return Racer(documents, query)
