"""What is fed, read back and scored in numpy, without the code that wrote it."""

import numpy as np


def matrices(fields, variant):
    """Token vectors of each passage: float32 (tokens, dims), or bytes of signs, int8."""
    field, cells = {"float": ("vectors", ">f4"), "bits": ("bits", "i1")}[variant]
    passages = {}
    for block in fields[field]["blocks"]:
        row = np.frombuffer(bytes.fromhex(block["values"]), dtype=cells)
        tokens = passages.setdefault(int(block["address"]["passage"]), {})
        assert int(block["address"]["token"]) not in tokens
        tokens[int(block["address"]["token"])] = row.astype(row.dtype.newbyteorder("="))
    return [
        np.stack([tokens[n] for n in range(len(tokens))]) for _, tokens in sorted(passages.items())
    ]


def score(fields, query, variant):
    """MaxSim of the best passage, as the rank profile says it."""
    best = []
    for matrix in matrices(fields, variant):
        if variant == "bits":
            matrix = 2.0 * np.unpackbits(matrix.view(np.uint8), axis=1) - 1
        best.append((query.astype(np.float64) @ matrix.astype(np.float64).T).max(axis=1).sum())
    return max(best, default=-np.inf)
