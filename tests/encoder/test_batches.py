"""Which texts share a forward pass."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from colbench.encoder.batches import plan_batches

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=60)
BUDGETS = st.integers(1, 200)


@given(LENGTHS, BUDGETS)
def test_every_text_is_in_one_batch_and_no_batch_is_larger_than_the_budget(lengths, budget):
    plan = plan_batches(np.array(lengths), budget)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    for batch in plan:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert len(batch) == 1 or padded <= budget


@given(LENGTHS, BUDGETS)
def test_batches_are_as_large_as_the_budget_allows(lengths, budget):
    plan = plan_batches(np.array(lengths), budget)
    for batch in plan[:-1]:
        assert (len(batch) + 1) * max(lengths[i] for i in batch) > budget


@given(LENGTHS, BUDGETS, st.data())
def test_batches_that_are_done_leave_the_others_as_they_were(lengths, budget, data):
    plan = [batch.tolist() for batch in plan_batches(np.array(lengths), budget)]
    done = data.draw(st.sets(st.integers(0, len(plan) - 1), max_size=len(plan) - 1))
    left = sorted(i for number, batch in enumerate(plan) if number not in done for i in batch)
    again = plan_batches(np.array([lengths[i] for i in left]), budget)
    assert [[left[i] for i in batch] for batch in again] == [
        batch for number, batch in enumerate(plan) if number not in done
    ]
