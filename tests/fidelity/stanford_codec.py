"""Ask the authors' implementation of ColBERTv2's codec (colbert-ai 0.2.22), on the CPU.

    python stanford_codec.py QUESTION.npz ANSWER.npz [QUESTION.npz ANSWER.npz ...]

Run by the Python of an environment of its own (requirements.txt); imports nothing of colbench.
Nothing of colbert-ai is replaced, except where `bare_indexer` and `answer_count` say so. Which
arrays a question holds decides what is asked:

| question | answer |
| --- | --- |
| vectors, centroids, cutoffs, weights, nbits, perhaps codes | codes, packed, decompressed |
| residuals, centroids, cutoffs, weights, nbits | packed |
| heldout, centroids, nbits | cutoffs, weights |
| tokens | centroids: how many the indexer would make for each number of tokens |
"""

from __future__ import annotations

import contextlib
import os
import sys

# Before torch is imported: on a GPU the authors' code rounds residuals to float16.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import torch
from colbert.indexing.codecs.residual import ResidualCodec
from colbert.indexing.collection_indexer import CollectionIndexer
from colbert.infra.config import ColBERTConfig


def main(arguments: list[str]) -> None:
    for question, answer in zip(arguments[::2], arguments[1::2], strict=True):
        with np.load(question, allow_pickle=False) as file:
            asked = {name: file[name] for name in file.files}
        # The authors' code prints; what it prints is no part of the answer.
        with contextlib.redirect_stdout(sys.stderr), torch.inference_mode():
            answered = answer_one(asked)
        np.savez(answer, allow_pickle=False, **answered)


def answer_one(asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if "tokens" in asked:
        return {"centroids": np.array([answer_count(int(count)) for count in asked["tokens"]])}
    if "heldout" in asked:
        return answer_buckets(asked)
    if "residuals" in asked:
        packed = make_codec(asked).binarize(torch.from_numpy(asked["residuals"]))
        return {"packed": packed.numpy()}
    return answer_codec(asked)


def make_config(centroids: np.ndarray, nbits: np.ndarray) -> ColBERTConfig:
    return ColBERTConfig(dim=centroids.shape[1], nbits=int(nbits))


def make_codec(asked: dict[str, np.ndarray]) -> ResidualCodec:
    """Make the codec as colbert-ai loads it from an index: centroids stored as float16."""
    return ResidualCodec(
        make_config(asked["centroids"], asked["nbits"]),
        centroids=torch.from_numpy(asked["centroids"].astype(np.float16)),
        avg_residual=torch.zeros(()),
        bucket_cutoffs=torch.from_numpy(asked["cutoffs"].astype(np.float32)),
        bucket_weights=torch.from_numpy(asked["weights"].astype(np.float32)),
    )


def answer_codec(asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    codec = make_codec(asked)
    # The indexer rounds what it compresses to float16 (collection_indexer.py, `index`).
    vectors = torch.from_numpy(asked["vectors"]).half()
    if "codes" in asked:
        codes = torch.from_numpy(asked["codes"])
        residuals = vectors - codec.lookup_centroids(codes, out_device="cpu")
        compressed = codec.Embeddings(codes, codec.binarize(residuals))
    else:
        compressed = codec.compress(vectors)
    return {
        "codes": compressed.codes.numpy(),
        "packed": compressed.residuals.numpy(),
        "decompressed": codec.decompress(compressed).numpy(),
    }


def bare_indexer() -> CollectionIndexer:
    """Return a CollectionIndexer without what its constructor loads: an encoder's checkpoint."""
    indexer = object.__new__(CollectionIndexer)
    indexer.use_gpu = False
    indexer.verbose = 0
    return indexer


def answer_buckets(asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    indexer = bare_indexer()
    indexer.config = make_config(asked["centroids"], asked["nbits"])
    cutoffs, weights, _ = indexer._compute_avg_residual(
        torch.from_numpy(asked["centroids"].astype(np.float32)),
        torch.from_numpy(asked["heldout"].astype(np.float16)),
    )
    return {"cutoffs": cutoffs.numpy(), "weights": weights.numpy()}


class OnePassage:
    """A collection of one passage, as far as `CollectionIndexer.setup` looks at it."""

    def __len__(self) -> int:
        return 1

    def get_chunksize(self) -> int:
        return 1


def answer_count(tokens: int) -> int:
    """Run `CollectionIndexer.setup` over one passage of so many tokens.

    Replaced: sampling and encoding (they would need a model) and writing the plan.
    """
    indexer = bare_indexer()
    indexer.config = make_config(np.empty((1, 128)), np.array(2))
    indexer.config.resume = False
    indexer.collection = OnePassage()
    indexer._sample_pids = lambda: {0}
    indexer._sample_embeddings = lambda _pids: float(tokens)
    indexer._save_plan = lambda: None
    indexer.setup()
    return indexer.num_partitions


if __name__ == "__main__":
    main(sys.argv[1:])
