"""Working hours: how much of a stretch of time people work."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_cl import build
from stream_cl.budget.hours import LOOK_BACK_MS, WorkingHours
from stream_cl.config import Config, budgets

HOUR_MS = 3_600_000
WEEK = range(5)


def ms(text: str, zone: str = "Europe/Berlin") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("start", "stop", "hours"),
    [
        ("2026-03-02T08:00", "2026-03-02T12:00", 3),
        ("2026-03-02T18:00", "2026-03-03T09:30", 0.5),
        ("2026-03-06T16:00", "2026-03-09T10:00", 2),  # over a weekend
        ("2026-03-02T00:00", "2026-03-09T00:00", 40),
        ("2026-03-27T16:00", "2026-03-30T10:00", 2),  # over the change to summer time
        ("2026-03-02T12:00", "2026-03-02T12:00", 0),
    ],
)
def test_nine_to_five(start, stop, hours):
    work = WorkingHours(WEEK, 9 * 60, 17 * 60, "Europe/Berlin")
    for _ in range(2):  # the second time what is remembered may answer
        assert work.open_ms(ms(start), ms(stop)) == hours * HOUR_MS


def test_a_night_shift_begins_on_its_day():
    """From Friday evening into Saturday, though nobody works on Saturdays."""
    work = WorkingHours([4], 22 * 60, 6 * 60, "UTC")
    assert work.open_ms(ms("2026-03-06T00:00", "UTC"), ms("2026-03-08T00:00", "UTC")) == 8 * HOUR_MS
    assert work.is_open(ms("2026-03-07T05:59", "UTC"))
    assert not work.is_open(ms("2026-03-06T05:59", "UTC"))
    assert not work.is_open(ms("2026-03-07T06:00", "UTC"))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 400 * 24 * 60),
    st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sets(st.integers(0, 6)),
)
def test_stretches_add_up(start, minutes, opens, closes, days):
    """Else the size of a step would decide how many tokens there are."""
    if opens == closes:
        return
    work = WorkingHours(days, opens, closes, "America/New_York")
    first = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    at = [round(first.timestamp() * 1000)]
    for length in minutes:
        at.append(at[-1] + length * 60_000)
    parts = [work.open_ms(a, b) for a, b in itertools.pairwise(at)]
    assert sum(parts) == WorkingHours(days, opens, closes, "America/New_York").open_ms(
        at[0], at[-1]
    )
    assert all(part >= 0 for part in parts)


def test_of_years_without_events_the_last_days_are_looked_at():
    """A pause must not cost a loop over all its days."""
    work = WorkingHours(range(7), 0, 24 * 60, "UTC")
    assert work.open_ms(0, 50 * 365 * 24 * HOUR_MS) == LOOK_BACK_MS


def test_from_a_config():
    given = {"kind": "per_time", "hours": "09:00-17:30", "days": "mon-wed,sat"}
    config = Config.model_validate({"budget": {**given, "time_zone": "Europe/Berlin"}})
    assert isinstance(config.budget, budgets.PerTimeBudget)
    work = build.working_hours(config.budget)
    assert work is not None
    assert work.open_ms(ms("2026-03-02T00:00"), ms("2026-03-09T00:00")) == 4 * 8.5 * HOUR_MS
    assert build.working_hours(budgets.PerTimeBudget()) is None
    weekend = build.working_hours(budgets.PerTimeBudget(days="sat,sun"))
    assert weekend is not None
    assert weekend.open_ms(ms("2026-03-02", "UTC"), ms("2026-03-09", "UTC")) == 48 * HOUR_MS


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hours", "9-17", "HH:MM-HH:MM"),
        ("hours", "09:60-17:00", "no clock shows"),
        ("hours", "09:00-09:00", "no time at all"),
        ("days", "monday", "mon-fri"),
        ("time_zone", "Mars/Olympus", "no time zone"),
        ("time_zone", "/etc/passwd", "no time zone"),
    ],
)
def test_a_mistake_says_what_would_be_right(key, value, says):
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"budget": {"kind": "per_time", key: value}})
