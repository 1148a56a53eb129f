"""Waiting in slices."""

from __future__ import annotations

import pytest

from stream_cl.transport.kafka_patience import Patience


@pytest.mark.parametrize("limit_s", [0.0, 0.2, 2.0, 5.25])
def test_it_waits_as_long_as_it_may(limit_s: float) -> None:
    """Else a broker that is silent is waited for too long, or given up too early."""
    waited: list[float] = []
    assert not Patience(limit_s).wait(lambda slice_s: bool(waited.append(slice_s)))
    assert sum(waited) == pytest.approx(limit_s)


def test_a_stop_costs_one_slice() -> None:
    """Else a pipeline that was stopped and continued gives up before it hears that it is fenced."""
    patience, calls = Patience(2.0), iter([False, False, True])
    assert patience.wait(lambda slice_s: next(calls))
    assert patience.wait(lambda slice_s: True)


def test_what_is_there_is_found_when_the_time_is_over() -> None:
    """Else the last of many records is taken for lost although its answer has come."""
    patience = Patience(0.0)
    assert patience.wait(lambda slice_s: slice_s == 0.0)
