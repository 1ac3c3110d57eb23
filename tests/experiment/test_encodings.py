"""What encoding took, as results hold it, and what was cut off."""

import numpy as np

from colbench.encoder.cache.store import EncodeStats
from colbench.encoder.cut_off import CutOff
from colbench.encoder.settings import Form
from colbench.experiment.encodings import encoding_infos


def stats(form=Form.TOKENS, precision="fp32", **values):
    return EncodeStats(
        **{
            "encoded": 5,
            "cached": 5,
            "seconds": 1.0,
            "docs_per_second": 5.0,
            "tokens_per_second": 50.0,
            "gflops": 3.0,
            "tokens": 90,
            "truncated_docs": 1,
            "truncated_tokens": 10,
            "encoder": "tiny",
            "form": form.value,
            "backend": "torch",
            "precision": precision,
            "device": "cpu",
            "cosine": None,
            "chunks": None,
            **values,
        }
    )


def test_each_encoder_form_and_arithmetic_is_one_entry():
    found = encoding_infos([stats(), stats(), stats(form=Form.DENSE, gflops=None)])
    assert [(one.encoder, one.form, one.gflops) for one in found] == [
        ("tiny", "tokens", 3.0),
        ("tiny", "dense", None),
    ]
    assert found[0].gemm_gflops > 0 and found[0].gemm_gflops == found[1].gemm_gflops
    assert (found[0].truncated_docs, found[0].truncated_tokens) == (1, 10)


def test_a_speed_of_another_run_has_no_peak_beside_it():
    (cached,) = encoding_infos([stats(encoded=0, cached=10)])
    (fresh,) = encoding_infos([stats(encoded=0, cached=10)], fresh=True)
    assert cached.gflops == 3.0 and cached.gemm_gflops is None
    assert fresh.gemm_gflops > 0


def test_no_encoder_has_no_entry():
    assert encoding_infos([]) == []


def test_what_was_cut_off_is_told_with_its_share():
    told = CutOff.of(np.array([3, 9, 5]), limit=4).told(
        name="minilm", limit=4, kind="queries", remedy="more"
    )
    assert told == (
        "minilm: 2 of 3 queries are longer than 4 tokens; 6 tokens (35.3 %) were cut off (more)"
    )
    whole = CutOff.of(np.array([3, 4]), limit=4)
    assert whole.told(name="minilm", limit=4, kind="queries", remedy="more") is None


def test_the_share_that_was_cut_off_is_one_number_for_documents_and_one_for_queries():
    old = stats()
    assert (old.documents_cut, old.queries_cut) == (0.1, None)
    counted = stats(query_tokens=30, truncated_query_tokens=10, truncated_tokens=0)
    assert (counted.documents_cut, counted.queries_cut) == (0.0, 0.25)
