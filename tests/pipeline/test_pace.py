"""`step.max_ms`: steps as long as they may take, chosen beforehand from how long others took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.pipeline.pace import Pace
from stream_cl.testing.driver import TestDriver


def test_without_a_bound_the_configured_size_stands():
    """Then two runs over one input take the same steps, however fast the machine is."""
    pace = Pace(1000, None)
    pace.took(1000, 99.0)
    assert pace.limit == 1000


def test_it_begins_small_and_comes_to_what_fits():
    pace = Pace(1000, 10.0)
    assert 1 <= pace.limit <= 10, "the first step must not be the slowest"
    for _ in range(50):
        pace.took(pace.limit, pace.limit * 0.1e-3)  # 0.1 ms a record
    assert pace.limit == pytest.approx(100, abs=1)
    for _ in range(50):
        pace.took(pace.limit, pace.limit * 5e-3)
    assert pace.limit == 2
    for _ in range(50):
        pace.took(pace.limit, pace.limit * 1.0)
    assert pace.limit == 1, "a record that takes too long is still taken"


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1e6)), max_size=20),
    st.floats(1e-6, 600_000),
    st.integers(1, 100_000),
)
def test_any_times_give_a_size_from_one_to_the_most(times, max_ms, most):
    """Also a clock that stands still, and a step that took days."""
    pace = Pace(most, max_ms)
    for records, seconds in times:
        pace.took(records, seconds)
        assert 1 <= pace.limit <= most


def test_a_clock_that_stands_still_stops_nothing(tmp_path):
    """The clock of the test driver does not move within a step."""
    with TestDriver({"step": {"max_events": 50, "max_ms": 5.0}}, tmp_path) as driver:
        driver.events([{"x": float(i)} for i in range(200)])
        driver.settle()
        assert len(driver.read("predictions")) == 200
        sizes = [r.value["outputs"]["predictions"] for r in driver.read("manifest")[1:]]
        assert max(sizes) == 50
