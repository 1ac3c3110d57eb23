"""Exact MaxSim in numpy; its settings make it misbehave. Runs where colbench is not imported."""

import os
import sys
import time

import numpy as np

PACKAGE = "numpy"
BUILD = {"fail": None, "die": None, "sleep": None, "hold": None, "print": None, "scale": 1.0}
SEARCH = {"fail": None, "die": None, "sleep": None, "most": None, "answer": None}


class Engine:
    def load(self):
        print("a warning that is not the reason", file=sys.stderr)
        assert not os.environ["PYTHONPATH"] and "colbench" not in sys.modules

    def build(self, documents, folder, *, settings, seed, threads):
        misbehave(settings)
        if "print" in settings:
            print(settings["print"], flush=True)
        assert {str(document.dtype) for document in documents} == {"float16"}
        assert os.environ["OMP_NUM_THREADS"] == str(threads)
        vectors = np.concatenate(documents).astype(np.float32) * settings["scale"]
        np.save(folder / "vectors.npy", vectors)
        np.save(folder / "lengths.npy", [len(document) for document in documents])
        (folder / "left-over").write_text("not read by a search", encoding="utf-8")

    def files_read(self, folder):
        return [folder / "vectors.npy", folder / "lengths.npy"]

    def open(self, folder, *, threads):
        self.vectors = np.load(folder / "vectors.npy")
        lengths = np.load(folder / "lengths.npy")
        self.starts = np.cumsum(lengths) - lengths

    def search(self, query, k, settings):
        misbehave(settings)
        scores = np.maximum.reduceat(self.vectors @ query.T, self.starts).sum(1)
        best = np.argsort(-scores)[: min(k, settings.get("most", k))]
        ranking = [(doc, scores[doc]) for doc in best]
        if "answer" in settings:
            return eval(settings["answer"], {"ranking": ranking, "nan": float("nan")})
        return ranking[::-1]  # any order will do


def misbehave(settings):
    if "fail" in settings:
        raise RuntimeError(settings["fail"])
    if "die" in settings:
        print("the last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), settings["die"])
    if "sleep" in settings:
        time.sleep(settings["sleep"])
    if "hold" in settings:
        self_held = np.ones(settings["hold"] << 20, dtype=np.uint8)
        time.sleep(60)
        del self_held
