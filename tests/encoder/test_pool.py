"""Several devices share the documents; two processes on the CPU stand in for GPUs."""

import numpy as np
import pytest

from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError, ConfigError

WORDS = ["wing", "flow", "boundary", "layer", "shock", "heat", "transfer", "plate"]
TEXTS = [" ".join(WORDS[i % 5 :] * (1 + i % 3)) for i in range(9)]


def settings(**changed):
    return EncoderSettings(
        name="minilm", model="embedded:all-MiniLM-L6-v2", precision="fp32", **changed
    )


@pytest.mark.nightly
@pytest.mark.parametrize("form", [Form.TOKENS, Form.DENSE])
def test_two_processes_give_what_one_gives(form):
    batches = [TEXTS[:2], TEXTS[2:3], TEXTS[3:7], TEXTS[7:]]
    alone = load_encoder(settings(device="cpu"), form)
    shared = load_encoder(settings(devices=["cpu", "cpu"]), form)

    expected, found = list(alone.encode_batches(batches)), list(shared.encode_batches(batches))

    assert [len(batch) for batch in found] == [2, 1, 4, 2]
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype == np.float32
            np.testing.assert_allclose(one, other, atol=1e-5)
    # The model itself still encodes where it was.
    np.testing.assert_allclose(
        shared.encode_queries(TEXTS[:1])[0], alone.encode_queries(TEXTS[:1])[0], atol=1e-5
    )
    assert shared.document_fingerprint == alone.document_fingerprint


def test_what_fails_in_a_process_is_one_line():
    shared = load_encoder(settings(devices=["cpu", "cpu"]), Form.DENSE)

    with pytest.raises(ColbenchError, match=r"encoder\.devices failed"):
        list(shared.encode_batches([[None]]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"devices": ["cuda:77", "cuda:78"]}, "device='cuda:77' cannot be used here"),
        ({"devices": ["cpu", "cpu"], "device": "cpu"}, "both set"),
        ({"devices": ["cpu", "meta"]}, "several kinds"),
        ({"devices": ["cpu", "cpu"], "precision": "auto"}, r"encoder\.devices is for GPUs"),
    ],
)
def test_devices_that_cannot_be_used_are_refused(changed, told):
    with pytest.raises(ConfigError, match=told):
        load_encoder(settings().model_copy(update=changed), Form.TOKENS)
