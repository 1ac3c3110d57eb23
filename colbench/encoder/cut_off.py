"""How much of some texts a model does not read, because they are longer than it reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CutOff(NamedTuple):
    """What is read of distinct texts, and what is not.

    Attributes:
        texts: how many there are.
        tokens: tokens read of all of them.
        truncated: texts whose end is cut off.
        truncated_tokens: tokens cut off.
    """

    texts: int
    tokens: int
    truncated: int
    truncated_tokens: int

    @classmethod
    def of(cls, counts: NDArray[np.int64], limit: int) -> CutOff:
        """Return it for texts of so many tokens, of which `limit` are read.

        >>> CutOff.of(np.array([3, 9, 5]), limit=4)
        CutOff(texts=3, tokens=11, truncated=2, truncated_tokens=6)
        """
        return cls(
            texts=len(counts),
            tokens=int(np.minimum(counts, limit).sum()),
            truncated=int((counts > limit).sum()),
            truncated_tokens=int(np.maximum(counts - limit, 0).sum()),
        )

    def told(self, *, name: str, limit: int, kind: str, remedy: str) -> str | None:
        """Say how much is not read; None where everything is.

        Args:
            name: of the encoder.
            limit: tokens of a text that are read.
            kind: what the texts are, in the plural.
            remedy: what keeps them whole.

        >>> CutOff(5183, 990, 812, 10).told(
        ...     name="minilm", limit=256, kind="documents", remedy="longer"
        ... ).partition(";")[0]
        'minilm: 812 of 5,183 documents are longer than 256 tokens'
        """
        if not self.truncated:
            return None
        share = self.truncated_tokens / (self.tokens + self.truncated_tokens)
        return (
            f"{name}: {self.truncated:,} of {self.texts:,} {kind} are longer than {limit:,} "
            f"tokens; {self.truncated_tokens:,} tokens ({100 * share:.1f} %) were cut off "
            f"({remedy})"
        )
