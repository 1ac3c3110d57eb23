"""Forged indexes with right checksums are refused in one line, or answer as the real one."""

import json
import os
import subprocess
import sys

import forging
import numpy as np
import pytest
from synthetic import as_documents, build, random_documents

from colbench.index.colbert.writer import IndexWriter

KINDS = {"packed": {"nbits": 4, "dims": 16}, "whole": {"nbits": 16}, "centroids": {"nbits": 0}}


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """An index of each kind, with two segments and deleted documents."""
    folder = tmp_path_factory.mktemp("wholes")
    for name, changes in KINDS.items():
        rng = np.random.default_rng(0)
        build(folder / name / "index", random_documents(rng, 30, 24), 24, centroids=12, **changes)
        with IndexWriter.open(folder / name / "index") as writer:
            writer.add(as_documents(random_documents(rng, 9, 24, prefix="e"), 24))
            writer.delete(["d003", "e001"])
    return folder


def attack(whole, first, count):
    program = [sys.executable, "-X", "faulthandler", forging.__file__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [str(whole), str(first), str(count)]
    done = subprocess.run([*program, *words], capture_output=True, text=True, env=environment)
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"{last} {done.stderr[-3000:]}"
    return json.loads(last[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_forged_index_is_refused_in_one_line_or_answers_as_the_real_one(kind, wholes):
    said = attack(wholes / kind / "index", 0, 104)
    assert said["refused"] > 60 and sum(said.values()) == 104


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_forged_indexes(kind, wholes):
    seed = int.from_bytes(os.urandom(4), "little")
    said = attack(wholes / kind / "index", seed, 2000)
    assert said["refused"] > 1000, (seed, said)
