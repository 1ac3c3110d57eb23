"""The rate of a matrix product."""

import math

import pytest
import torch

from colbench.measures import machine as gemm
from colbench.measures.machine import gemm_gflops


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_product_of_floats_has_a_rate(precision):
    rate = gemm_gflops(precision, "cpu", side=64, seconds=0.0)
    assert rate is not None and math.isfinite(rate) and rate > 0


def test_what_no_encoder_runs_on_a_cpu_has_none():
    assert gemm_gflops("fp16", "cpu", side=64, seconds=0.0) is None


def test_slow_products_are_of_smaller_matrices(monkeypatch):
    fast = gemm._fitting(torch.float32)
    monkeypatch.setattr(gemm, "_LONGEST", 0.0)
    assert gemm._fitting(torch.float32) == 256 <= fast <= 2048


def test_a_device_that_is_not_there_has_none():
    assert gemm_gflops("fp32", "cuda:97", side=64, seconds=0.0) is None


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="fp12"):
        gemm_gflops("fp12")
