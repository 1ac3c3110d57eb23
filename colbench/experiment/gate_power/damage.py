"""An index that lost documents, or mixed up their ids, as seen in the rankings it would give.

Exact for systems that score every document by itself (exact MaxSim, a flat bi-encoder): a document
that is not in the index is not ranked, and all others keep their scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colbench.run.model import Ranking, Run


def lost_documents(run: Run, doc_ids: Sequence[str], share: float, seed: int) -> Run:
    """Return the run of an index that lacks a random share of the documents."""
    lost = set(_chosen(doc_ids, share, seed))
    return Run(
        run.name,
        {query: Ranking.sort(*_kept(ranking, lost)) for query, ranking in run.rankings.items()},
    )


def _kept(ranking: Ranking, lost: set[str]) -> tuple[list[str], list[float]]:
    pairs = [(doc, score) for doc, score in ranking if doc not in lost]
    return [doc for doc, _ in pairs], [score for _, score in pairs]


def shuffled_ids(run: Run, doc_ids: Sequence[str], share: float, seed: int) -> Run:
    """Return the run of an index in which a random share of the documents carry wrong ids.

    The chosen ids go round in a circle, so that none of them is right.
    """
    chosen = _chosen(doc_ids, share, seed)
    renamed = dict(zip(chosen, [*chosen[1:], *chosen[:1]], strict=True))
    return Run(
        run.name,
        {
            query: Ranking.sort(
                [renamed.get(doc, doc) for doc in ranking.doc_ids], ranking.scores.tolist()
            )
            for query, ranking in run.rankings.items()
        },
    )


def _chosen(doc_ids: Sequence[str], share: float, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    places = random.permutation(len(doc_ids))[: round(share * len(doc_ids))]
    return [doc_ids[place] for place in places]
