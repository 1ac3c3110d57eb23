"""Tiny checkpoints in every format, made on the fly, and an encoder that needs no model."""

import hashlib
import json
import string

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from colbench.encoder.settings import EncoderSettings, Form

WORDS = ["paris", "berlin", "is", "the", "capital", "of", "france", "germany", "what", "a", "b"]
VOCABULARY = [
    *["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"],
    *string.punctuation,
    *WORDS,
]


def save_bert(folder, head=None, **config):
    """Save a random BERT of 16 dimensions with its tokenizer; return the model."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        **config,
    )
    model = (BertForSequenceClassification if head else BertModel)(settings)
    model.save_pretrained(folder)
    return model


@pytest.fixture
def make_bert():
    return save_bert


@pytest.fixture(scope="session")
def plain_bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    save_bert(folder)
    return folder


@pytest.fixture(scope="session")
def cross_bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cross")
    save_bert(folder, head=True, num_labels=1)
    return folder


@pytest.fixture(scope="session")
def bi_encoder(tmp_path_factory, plain_bert):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    folder = tmp_path_factory.mktemp("bi")
    model = SentenceTransformer(modules=[Transformer(str(plain_bert)), Pooling(16, "mean")])
    model.prompts = {"query": "what ", "document": ""}
    model.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def stanford(tmp_path_factory):
    """Stanford ColBERT: backbone under `bert.`, projection as `linear.weight`, one file."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("stanford")
    weights = {f"bert.{key}": value for key, value in save_bert(folder).state_dict().items()}
    weights["linear.weight"] = torch.randn(128, 16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["HF_ColBERT"]}))
    metadata = {"query_maxlen": 12, "doc_maxlen": 10, "dim": 128, "mask_punctuation": True}
    (folder / "artifact.metadata").write_text(json.dumps(metadata))
    return folder


@pytest.fixture(scope="session")
def pylate(tmp_path_factory):
    """PyLate 1: a projection in a module folder, settings in one file without a model type."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("pylate")
    save_bert(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    saved = {
        "prompts": {},
        "query_prefix": "[unused0]",
        "document_prefix": "[unused1]",
        "query_length": 12,
        "document_length": 10,
        "attend_to_expansion_tokens": False,
        "skiplist_words": list(string.punctuation),
    }
    (folder / "config_sentence_transformers.json").write_text(json.dumps(saved))
    dense = folder / "1_Dense"
    dense.mkdir()
    save_file({"linear.weight": torch.randn(8, 16)}, dense / "model.safetensors")
    (dense / "config.json").write_text(
        json.dumps(
            {
                "in_features": 16,
                "out_features": 8,
                "bias": False,
                "activation_function": "torch.nn.modules.linear.Identity",
            }
        )
    )
    return folder


@pytest.fixture(scope="session")
def native(tmp_path_factory, plain_bert):
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from torch import nn

    folder = tmp_path_factory.mktemp("native")
    projection = Dense(
        16, 4, bias=False, activation_function=nn.Identity(), module_input_name="token_embeddings"
    )
    modules = [
        Transformer(str(plain_bert)),
        projection,
        MultiVectorMask(),
        Normalize(module_input_name="token_embeddings"),
    ]
    MultiVectorEncoder(modules=modules).save_pretrained(str(folder))
    return folder


class HashedTexts(FakeEncoder):
    """An `Encoder` whose vectors are a hash of the text; remembers every batch it was given."""

    def __init__(self, *, form=Form.TOKENS, dims=4, batch_size=2, fingerprint="0" * 64):
        self.settings = EncoderSettings(name="fake", model="fake")
        self.batch_tokens = batch_size
        self.form = form
        self.dims = dims
        self.fingerprint = self.document_fingerprint = fingerprint
        self.batches = []

    def count_tokens(self, texts):
        return np.ones(len(texts), dtype=np.int64)

    def matrix(self, text):
        digest = hashlib.sha256(text.encode()).digest()
        rows = 1 if self.form is Form.DENSE else 1 + digest[0] % 5
        seed = int.from_bytes(digest[:8], "little")
        return np.random.default_rng(seed).normal(size=(rows, self.dims)).astype(np.float32)

    def encode_documents(self, texts):
        self.batches.append(list(texts))
        return [self.matrix(text) for text in texts]

    def encode_queries(self, texts):
        return [self.matrix(text) for text in texts]


@pytest.fixture
def make_encoder():
    return HashedTexts
