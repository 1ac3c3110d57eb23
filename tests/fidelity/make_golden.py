"""Make golden.npz: what the authors' codec answers, so that every machine can check ours.

    COLBENCH_STANFORD_PYTHON=.venv-stanford/bin/python python tests/fidelity/make_golden.py

`make fidelity` makes that environment. The file holds the shared `vectors`, `centroids` and
`stanford` (its version); and for each number of bits, named `cutoffs_2` and so on, the `cutoffs`
and `weights` that were given, `codes`, `packed` and `decompressed` that came back, and the
`learnt_cutoffs` and `learnt_weights` of the vectors taken as a held-out sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bridge import Arrays, ask, write_npz
from questions import make_question

GOLDEN = Path(__file__).with_name("golden.npz")
NBITS = (1, 2, 4, 8)


def make_golden() -> Arrays:
    """Ask the authors' implementation; needs COLBENCH_STANFORD_PYTHON."""
    asked = {}
    for nbits in NBITS:
        question = make_question(nbits, 128, vectors=48, centroids=12, seed=7)
        asked[f"codec_{nbits}"] = question
        asked[f"buckets_{nbits}"] = {
            "heldout": question["vectors"],
            "centroids": question["centroids"],
            "nbits": question["nbits"],
        }
    answers = ask(asked)
    golden = {name: asked["codec_1"][name] for name in ("vectors", "centroids")}
    golden["stanford"] = np.array("colbert-ai 0.2.22")
    for nbits in NBITS:
        golden[f"cutoffs_{nbits}"] = asked[f"codec_{nbits}"]["cutoffs"]
        golden[f"weights_{nbits}"] = asked[f"codec_{nbits}"]["weights"]
        for name, value in answers[f"codec_{nbits}"].items():
            golden[f"{name}_{nbits}"] = value
        for name, value in answers[f"buckets_{nbits}"].items():
            golden[f"learnt_{name}_{nbits}"] = value
    return golden


if __name__ == "__main__":
    write_npz(GOLDEN, make_golden())
