"""Figures over time: bounded, in order, and nothing of a total is lost when rows become one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stream_cl.observe.timeline import Timeline

VALUES = st.one_of(st.floats(0, 1e6), st.just(math.nan))


@given(st.lists(VALUES, max_size=300), st.integers(1, 20), st.integers(1, 20), st.integers(1, 5))
def test_it_never_holds_more_than_it_may(
    values: list[float], recent: int, merged: int, older: int
) -> None:
    merged = min(merged, recent)
    kept = Timeline({"at": "last", "value": "most"}, recent, merged, older)
    for at, value in enumerate(values):
        kept.add((at, value))
        rows = kept.rows()
        assert len(rows) <= recent + merged + older
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert rows[-1][0] == at
    assert kept.added == len(values)


@given(st.lists(VALUES, min_size=20, max_size=20))
def test_merged_rows_say_what_their_columns_promise(values: list[float]) -> None:
    kept = Timeline({"last": "last", "mean": "mean", "most": "most"}, 10, 10, 3)
    for value in values:
        kept.add((value, value, value))
    row, known = kept.rows()[0], [value for value in values[:10] if not math.isnan(value)]
    if not known:
        assert all(math.isnan(value) for value in row)
        return
    assert row[0] == known[-1]
    assert math.isclose(row[1], sum(known) / len(known))
    assert row[2] == max(known)
