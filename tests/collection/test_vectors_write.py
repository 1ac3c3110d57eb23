"""The writer of `dataset=vectors`: arrays, generators, a model; all of it or nothing."""

import numpy as np
import pytest

from colbench.collection.load import load_collection
from colbench.collection.settings import VectorsSettings
from colbench.errors import DataError, StorageError
from colbench.vectors import write_vectors


def rows(seed, count, dims=8):
    values = np.random.default_rng(seed).normal(size=(count, dims)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


IDS = ["a", "b", "c"]
MATRICES = [rows(number, number + 1) for number in range(3)]
QUERIES = {"q": rows(9, 2)}


@pytest.mark.parametrize(
    "given",
    [
        dict(zip(IDS, MATRICES, strict=True)),
        zip(IDS, MATRICES, strict=True),
        (IDS, MATRICES),
        list(zip(IDS, MATRICES, strict=True)),
        ((i, m) for i, m in zip(IDS, MATRICES, strict=True)),
    ],
    ids=["mapping", "zip", "lists", "pairs", "generator"],
)
def test_vectors_are_taken_in_every_form(tmp_path, given):
    made = write_vectors(tmp_path / "v", given, QUERIES)
    collection = load_collection(VectorsSettings(path=made))
    assert collection.doc_ids == IDS
    assert collection.given.documents.lengths.tolist() == [1, 2, 3]


def test_a_generator_is_never_held_whole(tmp_path):
    alive, most = set(), []

    class Counted(np.ndarray):
        def __del__(self):
            alive.discard(id(self))

    def pages():
        for number in range(50):
            page = rows(number, 4).view(Counted)
            alive.add(id(page))
            most.append(len(alive))
            yield f"p{number}", page

    write_vectors(tmp_path / "v", pages(), QUERIES)
    assert max(most) <= 3


def test_torch_tensors_are_taken(tmp_path):
    import torch

    tensor = torch.from_numpy(rows(1, 3)).to(torch.bfloat16)
    made = write_vectors(tmp_path / "v", {"a": tensor}, QUERIES, dtype="bfloat16")
    ((_, _, block),) = load_collection(VectorsSettings(path=made)).given.documents.blocks(9)
    assert np.array_equal(block, tensor.float().numpy())


class Model:
    """Has what sentence-transformers' MultiVectorEncoder has: a matrix a text, of its words."""

    def __init__(self):
        self.batches = []

    def encode_document(self, sentences):
        self.batches.append(len(sentences))
        return [rows(len(text), len(text.split())) for text in sentences]

    encode_query = encode_document


def test_a_model_makes_the_vectors_of_texts(tmp_path):
    model = Model()
    documents = {f"d{n}": f"the text number {n}" for n in range(70)}
    made = write_vectors(tmp_path / "v", documents, {"q": "a query"}, model=model)
    assert model.batches == [64, 6, 1]
    collection = load_collection(VectorsSettings(path=made))
    assert collection.texts == list(documents.values()) and collection.given.has_texts
    assert collection.queries[0].text == "a query"
    assert collection.given.documents.lengths.tolist() == [4] * 70


def test_a_multi_vector_encoder_of_sentence_transformers_is_such_a_model(tmp_path):
    from colbench.encoder.loading.assemble import assemble
    from colbench.encoder.settings import EncoderSettings, Form

    settings = EncoderSettings(name="m", model="embedded:all-MiniLM-L6-v2")
    model, _ = assemble(settings, Form.TOKENS, "cpu", None)
    assert type(model).__name__ == "MultiVectorEncoder"
    texts = {"a": "Paris is the capital of France.", "b": "the sea"}
    made = write_vectors(
        tmp_path / "v", texts, {"q": "where is Paris"}, model=model, dtype="float32"
    )
    given = load_collection(VectorsSettings(path=made)).given
    ((_, _, rows_of_b),) = given.documents.select([1]).blocks(99)
    (expected,) = model.encode_document(["the sea"])
    assert np.allclose(rows_of_b, np.asarray(expected), atol=1e-5)
    assert len(given.queries.lengths) == 1


BAD = [
    ({"a": np.full((1, 8), np.nan)}, "document 'a' holds NaN or infinity"),
    ({"a": np.ones(8)}, "document 'a' has float64 of the shape"),
    ({"a": np.ones((2, 8), dtype=int)}, "document 'a' has int64"),
    ({"a": rows(1, 2), "b": rows(1, 2, 4)}, "document 'b' has 4 dimensions, those before it 8"),
    ({"a": np.empty((0, 8), np.float32)}, "document 'a' has no vectors"),
    ([("a", rows(1, 1)), ("a", rows(1, 1))], "document id 'a' is used twice"),
    ([("a b", rows(1, 1))], "document id 'a b' contains whitespace"),
    ([(1, rows(1, 1))], "the document id 1 is no string"),
    ([rows(1, 1)], "must come as pairs"),
    ({}, "there is no document"),
    (3, "must be a mapping of ids to matrices, or pairs of them, not int"),
    ({"a": np.full((1, 8), 1e6, np.float32)}, "has numbers beyond float16"),
    ({"a": [["x"]]}, "document 'a' has"),
]


@pytest.mark.parametrize(("documents", "message"), BAD)
def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path, documents, message):
    with pytest.raises(DataError, match=message):
        write_vectors(tmp_path / "v", documents, QUERIES)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    made = write_vectors(tmp_path / "v", {"a": rows(1, 1)}, QUERIES)
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    with pytest.raises(StorageError, match="is there already"):
        write_vectors(tmp_path / "v", {"b": rows(1, 1)}, QUERIES)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before
    with pytest.raises(DataError, match="queries have 4 dimensions, documents 8"):
        write_vectors(tmp_path / "w", {"a": rows(1, 1)}, {"q": rows(1, 1, 4)})
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
