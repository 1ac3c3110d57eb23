"""How long the pairs of a cross-encoder are, counted text by text."""

from colbench.encoder.loading.cross_encoder import load_cross_encoder
from colbench.encoder.settings import CrossEncoderSettings


def test_counts_of_texts_add_up_to_what_is_read_of_a_pair(cross_bert):
    from transformers import AutoTokenizer

    settings = CrossEncoderSettings(name="tiny", model=str(cross_bert), max_length=12)
    model = load_cross_encoder(settings)
    tokenizer = AutoTokenizer.from_pretrained(str(cross_bert))
    query = "what is the capital"
    documents = ["paris", "", "paris , france .", "berlin is the capital of germany . " * 3]
    markers = settings.max_length - model.pair_limit
    assert markers == 3
    (asked,) = model.count_tokens([query])
    for document, tokens in zip(documents, model.count_tokens(documents), strict=True):
        assert asked + tokens + markers == len(tokenizer([query], [document])["input_ids"][0])
    assert model.count_tokens([]).shape == (0,)
