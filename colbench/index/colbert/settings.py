"""How an index is built, and how it is searched. Two groups: one index serves many searches.

`conf/index/*.yaml` and `conf/search/*.yaml` hold ready ones.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from colbench.settings import Settings

Arithmetic = Literal["int8", "fp32"]


class IndexSettings(Settings):
    """Build parameters. Two indexes with equal settings over equal vectors have equal bytes."""

    nbits: Literal[0, 1, 2, 4, 8, 16] = Field(
        4,
        description="bits per dimension of the residual; 0 keeps centroids only, 16 keeps the "
        "vectors themselves as fp16",
    )
    centroids: int | None = Field(
        None,
        ge=1,
        description="number of centroids; null takes the paper's 2^floor(log2(16*sqrt(tokens)))",
    )
    dims: int | None = Field(
        None,
        ge=1,
        description="project to this many dimensions (uncentred PCA of the sample); null keeps all",
    )
    pooling: int = Field(
        1, ge=1, le=4, description="merge tokens of a document to 1/pooling of them (Ward)"
    )
    skip_tokens: Literal["none", "punctuation", "stopwords"] = Field(
        "none",
        description="document tokens left out: punctuation, or punctuation and English stop words",
    )
    sample_per_centroid: int = Field(
        32, ge=1, description="vectors sampled for each centroid, whole documents at a time"
    )
    iterations: int = Field(8, ge=1, description="iterations of k-means")
    assignment: Literal["coarse", "exact"] = Field(
        "coarse",
        description="how a token finds its centroid: among those near its cell, or among all",
    )
    chunk_tokens: int = Field(
        65_536, ge=256, description="vectors processed at a time: sets the peak memory of a build"
    )
    seed: int = Field(0, ge=0, description="of the sample and of k-means")


class SearchSettings(Settings):
    """Search parameters: PLAID's three, and what colbench adds to tell its losses apart.

    Santhanam et al. 2022, https://arxiv.org/abs/2205.09707, table 2.
    """

    name: str = Field("custom", description="short name used in tables")
    nprobe: int = Field(
        2, ge=1, description="centroids whose documents become candidates, for each query token"
    )
    centroid_score_threshold: float | None = Field(
        0.45,
        description="centroids that score below it for every query token are left out of the "
        "first interaction; null leaves none out",
    )
    ndocs: int | None = Field(
        1024,
        ge=4,
        description="documents kept by the first interaction; a quarter of them are scored with "
        "their residuals. null takes max(4k, 4096)",
    )
    exhaustive: bool = Field(
        False, description="score every document with its residuals; nothing is pruned"
    )
    arithmetic: Arithmetic = Field(
        "int8",
        description="of the residual part of a score; int8 rounds query and bucket weights to a "
        "byte, fp32 is the plain computation",
    )

    @model_validator(mode="after")
    def _quarter(self) -> SearchSettings:
        if self.ndocs is not None and self.ndocs % 4:
            raise ValueError(f"ndocs must be a multiple of 4, {self.ndocs} is not")
        return self

    def kept(self, k: int) -> int:
        """Return the documents kept by the first interaction in a search for the k best."""
        return self.ndocs if self.ndocs is not None else max(4 * k, 4096)


def paper_centroids(tokens: int) -> int:
    """Return 2^⌊log2(16·√tokens)⌋, at least 1.

    >>> paper_centroids(1_242_251)
    16384
    """
    if tokens < 1:
        return 1
    # In integers: the logarithm of a float is not exact at powers of two.
    return 1 << (math.isqrt(256 * tokens).bit_length() - 1)
