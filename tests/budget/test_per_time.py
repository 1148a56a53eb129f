"""The budget by time: its contract, and how many labels any hour gets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from stream_cl.budget.hours import WorkingHours
from stream_cl.budget.per_time import PerTimeBudget
from stream_cl.core.protocols import REASONS, Budget, Decision
from stream_cl.testing.budget_contract import BudgetContract, candidates, joined, part

HOUR_MS = 3_600_000
POLL_MS = 5_000


class TestPerTimeBudget(BudgetContract):
    """All events of the contract come at one time, the first; what is asked then is held within a
    few times what may be saved up, so that is much here."""

    def make(self) -> Budget:
        return PerTimeBudget(600.0, burst=1000.0)


class TestPerTimeBudgetWithEverySettingChanged(BudgetContract):
    def make(self) -> Budget:
        hours = WorkingHours(range(7), 0, 24 * 60, "UTC")
        return PerTimeBudget(
            30.0, burst=300.0, hours=hours, floor=0.8, cold_start=0, window=7, held_out=0.8
        )


def steady(hours: int, draw: np.random.Generator) -> np.ndarray:
    return np.cumsum(draw.exponential(HOUR_MS / 8000, size=hours * 8000))


def varying(hours: int, draw: np.random.Generator) -> np.ndarray:
    """By day and by night, with jumps from one event to twenty."""
    at = np.cumsum(draw.exponential(HOUR_MS / 80_000, size=hours * 80_000))
    hour = at / HOUR_MS
    rate = np.where((hour * 3).astype(int) % 4 == 1, 1.0, 0.1 + 0.05 * np.sin(hour / 4))
    return at[draw.random(len(at)) < rate]


def bursts(hours: int, draw: np.random.Generator) -> np.ndarray:
    """A hundred events at once, every few seconds."""
    starts = np.sort(draw.uniform(0, hours * HOUR_MS, size=hours * 400))
    return np.repeat(starts, 100) + np.tile(np.arange(100) * 0.1, len(starts))


ARRIVALS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "steady": steady,
    "varying": varying,
    "bursts": bursts,
}


def asked_when(
    make: Callable[[], Budget], at_ms: np.ndarray, utility: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[Decision]]:
    """Logical time and whether asked, per event, in steps every five seconds; restarted often."""
    step_ms = (at_ms // POLL_MS + 1).astype(np.int64) * POLL_MS
    starts = np.flatnonzero(np.diff(step_ms, prepend=-1))
    whole, budget, decisions = candidates(len(at_ms), seed, utility), make(), []
    for number, (start, stop) in enumerate(
        zip(starts, np.append(starts[1:], len(at_ms)), strict=True)
    ):
        if number % 97 == 0:
            restarted = make()
            restarted.restore(budget.snapshot())
            budget = restarted
        step = part(whole, start, stop)
        step.time_ms = int(step_ms[start])
        decisions.append(budget.decide(step))
        budget.commit(decisions[-1])
    return step_ms, joined(decisions)[1], decisions


def furthest(step_ms: np.ndarray, asked: np.ndarray, rate: float, after_ms: float) -> float:
    """Most of an hour's labels that any hour is off."""
    starts = np.arange(after_ms, step_ms[-1] - HOUR_MS, 20_000)
    spent = np.concatenate([[0], np.cumsum(asked)])
    first, last = np.searchsorted(step_ms, starts), np.searchsorted(step_ms, starts + HOUR_MS)
    return float(np.abs(spent[last] - spent[first] - rate).max() / rate)


@pytest.mark.parametrize("arrivals", ARRIVALS)
@pytest.mark.parametrize("rises", [False, True])
def test_every_hour_gets_its_labels(arrivals, rises):
    """People are there for so many an hour, whatever the events and the utilities do."""
    draw = np.random.default_rng(5)
    at_ms = ARRIVALS[arrivals](6, draw)
    t = np.arange(len(at_ms))
    utility = np.where(t // 3000 % 2, -t, t).astype(float) if rises else draw.random(len(t))
    step_ms, asked, _ = asked_when(lambda: PerTimeBudget(400.0, burst=20.0), at_ms, utility)
    assert furthest(step_ms, asked, 400.0, HOUR_MS / 4) <= 0.05


def test_a_working_day():
    """Nothing is asked at night and nothing is saved up for the morning."""
    work = WorkingHours(range(5), 9 * 60, 17 * 60, "Europe/Berlin")
    draw = np.random.default_rng(6)
    sunday = datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000
    at_ms = sunday + np.cumsum(draw.exponential(HOUR_MS / 4000, size=4000 * 49))
    utility = draw.random(len(at_ms))
    step_ms, asked, decisions = asked_when(lambda: PerTimeBudget(240.0, hours=work), at_ms, utility)
    opened = np.array([work.is_open(int(one)) for one in step_ms])
    assert not asked[~opened].any()
    propensity, _, _, reason = joined(decisions)
    assert (propensity[~opened] == 0).all()
    assert (propensity[opened] > 0).all()
    assert (reason[~opened] == REASONS.index("closed")).all()
    hours = ((step_ms[opened] - sunday) // HOUR_MS).astype(np.int64)
    labels = np.bincount(hours, asked[opened])[np.bincount(hours) > 0]
    assert np.abs(labels[1:] - 240).max() <= 0.05 * 240
    assert abs(labels[0] - 240) <= 0.05 * 240 + 10, "with what a cold start asks at once"


def test_too_few_events_are_all_asked():
    """More labels than events cannot be had."""
    at_ms = np.arange(500) * 60_000.0
    _, asked, _ = asked_when(lambda: PerTimeBudget(600.0), at_ms, np.zeros(500))
    assert asked[20:].all()


def test_no_more_is_saved_up_than_the_burst():
    """After a pause people are asked a little more, and not for all that they were not asked."""
    draw = np.random.default_rng(7)
    before = np.cumsum(draw.exponential(500.0, size=10_000))
    after = before[-1] + 9 * HOUR_MS + np.cumsum(draw.exponential(500.0, size=10_000))
    step_ms, asked, _ = asked_when(
        lambda: PerTimeBudget(200.0, burst=10.0), np.concatenate([before, after]), np.zeros(20_000)
    )
    hour = (step_ms > before[-1] + 9 * HOUR_MS) & (step_ms < before[-1] + 10 * HOUR_MS)
    assert asked[hour].sum() <= 200 + 10 + 8


def test_the_time_is_that_of_the_log():
    """The same events at the same logical times are decided alike, however steps are cut."""
    whole, times = candidates(600), np.repeat(np.arange(30) * 700, 20)
    asked = []
    for size in (1, 5, 20):
        budget, parts = PerTimeBudget(900.0), []
        for start in range(0, 600, size):
            step = part(whole, start, start + size)
            step.time_ms = int(times[start])
            parts.append(budget.decide(step))
            budget.commit(parts[-1])
        asked.append(joined(parts)[0].tobytes())
    assert len(set(asked)) == 1


def test_time_that_stands_still_changes_nothing():
    """A tick, or a step without events at the same time, is no news."""
    budget = PerTimeBudget(600.0)
    budget.commit(budget.decide(candidates(50)))
    before = budget.snapshot()["levels"].tobytes()
    budget.commit(budget.decide(part(candidates(50), 0, 0)))
    assert budget.snapshot()["levels"].tobytes() == before


def crowded(hours: int, draw: np.random.Generator) -> np.ndarray:
    """A third of each hour has seventeen times as many events."""
    at = np.cumsum(draw.exponential(HOUR_MS / 40_000, size=hours * 40_000))
    rate = np.where((at / HOUR_MS * 3).astype(int) % 4 == 1, 1.0, 0.06)
    return at[draw.random(len(at)) < rate]


@pytest.mark.parametrize("rate", [60.0, 120.0])
@pytest.mark.parametrize("arrivals", [steady, crowded])
def test_few_labels_an_hour_are_held_too(rate, arrivals):
    """One person who answers sixty an hour gets no 66: three labels too many or too few at most."""
    at_ms = arrivals(6, np.random.default_rng(8))
    utility = np.random.default_rng(9).random(len(at_ms))
    step_ms, asked, decisions = asked_when(lambda: PerTimeBudget(rate), at_ms, utility)
    # An hour is cut at steps of five seconds, in which 0.2 labels of 120 an hour come in.
    assert furthest(step_ms, asked, rate, HOUR_MS / 4) <= 0.05 + 1 / 600
    high, low = utility > 0.8, utility < 0.2
    assert asked[high].mean() > 1.5 * asked[low].mean(), "it still chooses"
    assert joined(decisions)[0].min() > 0


def test_the_floor_is_eased_after_a_question_and_has_a_floor_itself():
    """What was spent too much is waited for; p stays large enough for figures to be sound."""
    budget = PerTimeBudget(60.0, cold_start=30)
    whole = candidates(20_000)
    floors, shares = [], []
    for start in range(0, 20_000, 20):
        step = part(whole, start, start + 20)
        step.time_ms = start * 100
        decision = budget.decide(step)
        budget.commit(decision)
        spending = budget.spending()
        floors.append(spending.floor / (0.3 * spending.target))
        shares.append(decision.propensity.min() / spending.target)
    assert min(floors) == pytest.approx(0.05), "the debt of the cold start"
    assert max(floors) == pytest.approx(1.0)
    assert min(shares[10:]) > 0.3 * 0.05 / 2, "the target moves within a step"


def test_a_past_that_comes_at_once_is_not_free():
    """A backlog of one append has one time; a twentieth of it would be asked, and never repaid."""
    budget = PerTimeBudget(60.0)
    per_hour = [0] * 8
    for step in range(8 * 360):
        events = candidates(10_000 if step == 0 else 20, step)
        events.time_ms = step * 10_000
        decision = budget.decide(events)
        budget.commit(decision)
        per_hour[step // 360] += int(decision.asked.sum())
    assert per_hour[0] <= 66, "what is asked ahead of time is held"
    assert sum(per_hour) <= 8 * 60 * 1.02
