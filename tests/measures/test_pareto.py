"""The front holds what nothing beats, and only that."""

from hypothesis import given
from hypothesis import strategies as st

from colbench.measures.pareto import pareto_front

VALUES = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float)),
    max_size=12,
)


def beats(one, other):
    return one != other and one[0] <= other[0] and one[1] >= other[1]


@given(VALUES)
def test_exactly_what_nothing_beats_is_on_the_front(values):
    wanted = {name for name, v in values.items() if not any(beats(w, v) for w in values.values())}
    assert set(pareto_front(values)) == wanted


def test_those_that_are_equal_in_both_are_on_the_front_together():
    values = {"first": (2.0, 0.7), "worse": (2.0, 0.6), "second": (2.0, 0.7), "dear": (3.0, 0.7)}
    assert pareto_front(values) == ["first", "second"]


@given(VALUES)
def test_cost_and_effectiveness_rise_along_the_front(values):
    front = [values[name] for name in pareto_front(values)]
    assert front == sorted(front)
    assert [effect for _, effect in front] == sorted(effect for _, effect in front)
