"""An event's own time, read to the millisecond or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core import limits
from stream_cl.decode.times import parse_time

_NOON = 1_714_564_800_000  # 2024-05-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2024-05-01T12:00:00Z", _NOON),
        ("2024-05-01t12:00:00z", _NOON),
        ("2024-05-01 12:00:00Z", _NOON),
        ("2024-05-01T12:00:00+00:00", _NOON),
        ("2024-05-01T12:00:00-00:00", _NOON),
        ("2024-05-01T14:30:00+02:30", _NOON),
        ("2024-05-01T12:00:00.5Z", _NOON + 500),
        ("2024-05-01T12:00:00.1239999999999999Z", _NOON + 123),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T18:59:60.25-05:00", 1_483_228_800_250),
        ("0001-01-01T00:00:00Z", limits.TIME_MIN_MS),
        ("9999-12-31T23:59:59.999Z", limits.TIME_MAX_MS),
    ],
)
def test_rfc_3339(text: str, time_ms: int) -> None:
    assert parse_time(text) == time_ms


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), st.integers(-23 * 60, 23 * 60))
def test_every_moment_in_every_zone(moment: datetime, minutes: int) -> None:
    """An offset read with the wrong sign would shift a stream by hours."""
    text = moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
    expected = moment.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    elapsed = expected - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(text) == elapsed // timedelta(milliseconds=1)


def test_epoch_milliseconds() -> None:
    for time_ms in (0, -1, _NOON, limits.TIME_MIN_MS, limits.TIME_MAX_MS):
        assert parse_time(time_ms) == time_ms
