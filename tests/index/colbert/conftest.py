"""What all tests of the ColBERT index share."""

from __future__ import annotations

import pytest

from colbench.progress import QUIET_VARIABLE


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(QUIET_VARIABLE, "1")
        yield
