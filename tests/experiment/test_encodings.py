"""What encoding took, as results hold it, and what was cut off."""

from colbench.encoder.cache.store import EncodeStats
from colbench.encoder.settings import Form
from colbench.experiment.encodings import cut_off_note, encoding_infos


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
    told = cut_off_note(
        "minilm", limit=256, documents=5183, truncated=812, tokens=959, truncated_tokens=41
    )
    assert "812 of 5,183 documents are longer than 256 tokens" in told and "(4.1 %)" in told
    nothing = {"truncated": 0, "truncated_tokens": 0}
    assert cut_off_note("minilm", limit=256, documents=9, tokens=9, **nothing) is None
