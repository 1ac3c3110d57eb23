"""How many tokens texts have and what a forward pass over them costs."""

import numpy as np
import pytest

from colbench.encoder.batches import preprocess, preprocess_ahead, read_tokens
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form

DOCUMENTS = ["paris", "", "Paris is the capital of France.", "a b " * 40]


def load(model, form=Form.TOKENS, **values):
    values = {"precision": "fp32", **values}
    return load_encoder(EncoderSettings(name="t", model=str(model), device="cpu", **values), form)


@pytest.mark.parametrize("fixture", ["plain_bert", "stanford", "pylate", "native", "bi_encoder"])
def test_counted_tokens_are_those_read_and_those_cut_off(fixture, request):
    encoder = load(request.getfixturevalue(fixture), document_length=12)
    counted = encoder.count_tokens(DOCUMENTS)
    read = read_tokens(preprocess(encoder._model, DOCUMENTS, "document"))
    assert encoder.document_limit == 12
    assert np.minimum(counted, 12).tolist() == read.tolist()
    assert counted[-1] >= 80


def test_a_prompt_is_counted(bi_encoder):
    plain, prompted = load(bi_encoder), load(bi_encoder, document_prompt="a a a ")
    assert (prompted.count_tokens(["paris"]) - plain.count_tokens(["paris"])).tolist() == [3]


@pytest.mark.parametrize("words", [3, 20, 50])
def test_operations_are_those_torch_counts(plain_bert, words):
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    encoder = load(plain_bert)
    features = preprocess(encoder._model, ["a " * words], "document")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        encoder._model(features, task="document")
    (flops,) = encoder.forward_flops(np.array([words + 2]))
    assert flops == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_texts_are_tokenised_ahead_in_order_and_an_error_is_passed_on(plain_bert):
    model = load(plain_bert)._model
    batches = [[f"{'a ' * n}"] for n in range(1, 6)]
    found = list(preprocess_ahead(model, batches, "document"))
    assert [texts for texts, _ in found] == batches
    assert [int(read_tokens(features)[0]) for _, features in found] == [3, 4, 5, 6, 7]

    def failing():
        yield ["a"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(preprocess_ahead(model, failing(), "document"))
    assert list(preprocess_ahead(model, [], "document")) == []
