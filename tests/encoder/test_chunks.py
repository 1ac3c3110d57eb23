"""Splitting long documents: with small real tokenizers of both families, every property at once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.encoder.chunks import split_texts
from colbench.errors import ConfigError

WORDS = ["paris", "germany", "capital", "is", "the"]
PIECES = ["ger", "##man", "##y", "##p", "##is", "par", "##x"]
ALPHABET = "parismgey x, .é🗼\n\t"


def word_piece(folder):
    from transformers import BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", ".", *WORDS, *PIECES]
    vocabulary += [letter for c in "abcdefghijklmnopqrstuvwxyz" for letter in (c, f"##{c}")]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return BertTokenizerFast(str(folder / "vocab.txt"))


def byte_pair(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [" ".join(WORDS)] * 5 + ["germany paris"],
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["[CLS]", "[SEP]"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(scope="module", params=[word_piece, byte_pair])
def tokenizer(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("tokenizer"))


def counter(tokenizer, prompt=""):
    def count(texts):
        return np.array([len(tokenizer(prompt + text)["input_ids"]) for text in texts])

    return count


def split(tokenizer, text, limit, overlap, prompt=""):
    (spans,) = split_texts(
        [text],
        tokenizer=tokenizer,
        count=counter(tokenizer, prompt),
        limit=limit,
        overlap=overlap,
        name="tiny",
    )
    assert all(a < b <= c < d for (a, c), (b, d) in pairwise(spans))
    return [text[start:end] for start, end in spans]


def covered(text, chunks):
    """Whether the chunks can stand in the text so that each goes on where the one before ended, or
    earlier, and ends further on, up to the end of the text."""
    ends = {0}
    for chunk in chunks:
        starts = [n for n in range(len(text) + 1) if text.startswith(chunk, n)]
        ends = {
            start + len(chunk)
            for start in starts
            if any(start <= end < start + len(chunk) for end in ends)
        } or ({0} if text == chunk else set())
    return len(text) in ends


texts = st.one_of(
    st.text(ALPHABET, max_size=120),
    st.lists(st.sampled_from([*WORDS, ",", "xyzzy", "é", "parispgermanyx"]), max_size=60).map(
        " ".join
    ),
)


@given(text=texts, limit=st.integers(10, 24), overlap=st.integers(0, 3))
def test_chunks_cover_the_text_in_order_and_fit(tokenizer, text, limit, overlap):
    chunks = split(tokenizer, text, limit, overlap)
    assert counter(tokenizer)(chunks).max() <= limit
    assert covered(text, chunks)


@given(text=texts, limit=st.integers(12, 24))
def test_a_prompt_takes_its_part_of_every_chunk(tokenizer, text, limit):
    chunks = split(tokenizer, text, limit, 0, prompt="is the ")
    assert counter(tokenizer, "is the ")(chunks).max() <= limit
    assert "".join(chunks) == text


@given(text=texts, limit=st.integers(3, 9))
def test_the_smallest_chunks_still_cover_the_text(tokenizer, text, limit):
    chunks = split(tokenizer, text, limit, 0)
    assert "".join(chunks) == text
    sizes = counter(tokenizer)(chunks)
    assert all(len(c) == 1 for c, size in zip(chunks, sizes, strict=True) if size > limit)


@given(text=texts)
def test_a_text_that_fits_is_one_chunk_unchanged(tokenizer, text):
    limit = max(int(counter(tokenizer)([text])[0]), 10)
    assert split(tokenizer, text, limit, 2) == [text]


@given(count=st.integers(10, 60), limit=st.integers(12, 20), overlap=st.integers(0, 4))
def test_words_of_one_token_overlap_by_exactly_what_was_asked(tokenizer, count, limit, overlap):
    text = " ".join((WORDS[3:] * count)[:count])
    room = limit - 2
    chunks = [chunk.split() for chunk in split(tokenizer, text, limit, overlap)]
    for one, other in pairwise(chunks):
        assert len(one) == room
        assert one[room - overlap :] == other[:overlap]
    assert sum(map(len, chunks)) - overlap * (len(chunks) - 1) == count


@given(
    words=st.lists(st.sampled_from(["germany", "paris", "xyz", "is", "the,"]), min_size=5),
    limit=st.integers(14, 20),
    overlap=st.integers(0, 4),
)
def test_no_word_that_fits_into_a_chunk_is_cut(tokenizer, words, limit, overlap):
    text = " ".join(words)
    for chunk in split(tokenizer, text, limit, overlap):
        assert set(chunk.replace(",", " , ").split()) <= {*" ".join(words).split(), "the", ","}


@given(
    lengths=st.lists(st.integers(1, 6), min_size=12, max_size=40),
    limit=st.integers(20, 24),
    overlap=st.integers(1, 8),
)
def test_words_of_several_tokens_overlap_by_no_less_than_was_asked(
    tokenizer, lengths, limit, overlap
):
    first = iter(a + b for a in "xzqjkvw" for b in "xzqjkvw")
    text = " ".join(next(first) + "q" * (length - 1) for length in lengths)
    chunks = split(tokenizer, text, limit, overlap)
    at = [(text.index(chunk), text.index(chunk) + len(chunk)) for chunk in chunks]

    def tokens(start, end):
        return len(tokenizer(text[start:end], add_special_tokens=False)["input_ids"])

    for (begin, end), (start, reached) in pairwise(at):
        assert begin < start <= end < reached
        following = (text + " ").index(" ", end + 1)  # where the next word ends
        room_is_short = tokens(start, following) + 8 > limit - 2
        assert tokens(start, end) >= overlap or room_is_short


def test_a_word_longer_than_a_chunk_is_cut_and_overlaps(tmp_path):
    tokenizer = word_piece(tmp_path)
    chunks = split(tokenizer, "q" * 40, 12, 2)
    assert [len(chunk) for chunk in chunks] == [10, 10, 10, 10, 8]
    joined = chunks[0] + "".join(chunk[2:] for chunk in chunks[1:])
    assert joined == "q" * 40


def test_splitting_depends_on_no_other_text(tokenizer):
    long = [" ".join(WORDS * n) for n in (3, 9, 5)] + ["é🗼" * 30, ""]
    together = split_texts(
        long, tokenizer=tokenizer, count=counter(tokenizer), limit=12, overlap=3, name="tiny"
    )
    slices = [
        [text[start:end] for start, end in spans]
        for text, spans in zip(long, together, strict=True)
    ]
    assert slices == [split(tokenizer, text, 12, 3) for text in long]


@pytest.mark.parametrize(("limit", "overlap"), [(12, 5), (2, 0), (1, 0)])
def test_an_overlap_of_half_a_chunk_is_refused_in_one_line(tokenizer, limit, overlap):
    with pytest.raises(ConfigError, match=r"chunk_overlap=\d .*document_length=\d+") as caught:
        split(tokenizer, "is", limit, overlap)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_offsets_is_refused(tokenizer):
    class Slow:
        is_fast = False

    with pytest.raises(ConfigError, match="long_documents=truncate"):
        split_texts(
            ["a"], tokenizer=Slow(), count=counter(tokenizer), limit=9, overlap=0, name="tiny"
        )


@pytest.mark.parametrize("fixture", ["plain_bert", "stanford", "pylate", "native"])
def test_a_late_interaction_model_reads_every_chunk_in_full(fixture, request):
    from colbench.encoder.models import load_encoder
    from colbench.encoder.settings import EncoderSettings, Form

    settings = EncoderSettings(
        name="tiny",
        model=str(request.getfixturevalue(fixture)),
        document_length=10,
        precision="fp32",
        long_documents="chunk",
        chunk_overlap=2,
    )
    encoder = load_encoder(settings, Form.TOKENS)
    text = "paris is the capital of france . berlin is the capital of germany . what a b " * 3
    (chunks,) = encoder.split([text])
    sizes = encoder.count_tokens(chunks)
    assert len(chunks) > 4 and sizes.max() <= encoder.document_limit == 10
    assert (sizes[:-1] == 10).all()
