"""`spend`: how exactly the budgets spend, under drift, restarts and questions without answers.

No learner and no log: utilities are drawn, and the budget decides in steps as in a pipeline. Every
run is restarted many times (a snapshot, put into a new budget). Spend is what was asked less
what was refunded; questions without an answer are given back when their time is over. What was
spent before the debt of the cold start is paid back does not count.

By events: the furthest that any window of 5,000 events is from its target, in labels, and the
whole run in %. By time and money: the furthest that any hour is from its target, in % of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from load_tests.report import Options, say, table, target
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.protocols import Bill, Budget, Candidates

Numbers = npt.NDArray[np.float64]
Draw = np.random.Generator

WINDOW: Final = 5_000
HOUR_MS: Final = 3_600_000
_EVENTS: Final = 100_000
_STEP: Final = 25
_TTL: Final = 3_000
"""Events after which a question without an answer is over."""
_HOURS: Final = 8
_POLL_MS: Final = 2_000
_TTL_MS: Final = 20 * 60_000
_DELAY_MS: Final = 60_000.0
_RESTART: Final = 97
"""Steps between two restarts."""
FRACTIONS: Final = ("fraction", "quantile", "variable_threshold", "randomised", "split")
SHARES: Final = (0.01, 0.05, 0.1)

UTILITIES: Final[dict[str, Callable[[int, Draw], Numbers]]] = {
    "even": lambda n, draw: draw.random(n),
    "a step": lambda n, draw: 0.5 * draw.random(n) + 0.5 * (np.arange(n) > n // 2),
    "ramps": lambda n, draw: np.abs(np.arange(n) / 3000 % 2 - 1),
    "blocks": lambda n, draw: 0.9 * (np.arange(n) // 1500 % 2) + 0.1 * draw.random(n),
    "rare": lambda n, draw: (draw.random(n) < 0.02).astype(np.float64),
}
ARRIVALS: Final[dict[str, Callable[[Numbers], Numbers]]] = {
    "steady": lambda hour: np.full(len(hour), 0.1),
    "by day": lambda hour: 0.1 + 0.09 * np.sin(hour / 4 * 2 * np.pi),
    "jumps": lambda hour: np.where((hour * 3).astype(int) % 4 == 1, 1.0, 0.06),
}
"""Share of the densest rate, by hour."""


class Times(NamedTuple):
    """Events of a run by time: logical time of each, and where steps begin and end."""

    step_ms: npt.NDArray[np.int64]
    edges: Sequence[int]


class Spent(NamedTuple):
    """Cumulated spend behind each step, and the logical times of the steps."""

    books: Numbers
    times_ms: Numbers


def run(options: Options) -> None:
    """Print the tables."""
    by_events()
    by_time()
    by_money()


def by_events() -> None:
    """Budgets of a share of the events."""
    say(
        f"\nof the events: {_EVENTS:,} each, shares of {', '.join(f'{s:.0%}' for s in SHARES)}, "
        f"steps of {_STEP}; worst of all shares and utilities"
    )
    lines: list[list[str]] = []
    worst: dict[str, tuple[float, float]] = {}
    for kind in FRACTIONS:
        for answered in (1.0, 0.6, 0.0):
            cells = [_cell(kind, share, name, answered) for share in SHARES for name in UTILITIES]
            window, total = max(one[0] for one in cells), max(one[1] for one in cells)
            share = max(one[2] for one in cells)
            lines.append([kind, f"{answered:.0%}", f"{window:.1f}", f"{total:.1f}", f"{share:.2f}"])
            was = worst.get(kind, (0.0, 0.0))
            worst[kind] = (max(was[0], window), max(was[1], share))
    head = ["budget", "answered", f"any {WINDOW:,}: labels off", "in all: labels off", "in all %"]
    table(head, lines)
    for kind, (window, total) in worst.items():
        target(f"{kind}: any {WINDOW:,} events", window, 20, at_least=False, unit=" labels")
        target(f"{kind}: in all", total, 1, at_least=False, unit=" %")


def _cell(kind: str, share: float, utilities: str, answered: float) -> tuple[float, float, float]:
    """Labels that the worst window is off, and the whole, and that in %."""
    config = {"kind": kind, "fraction": share}
    skip = round(40 / share)
    n = skip + _EVENTS
    draw = np.random.default_rng(round(share * 1000))
    utility = UTILITIES[utilities](n, draw)
    times = Times(np.zeros(n, dtype=np.int64), range(0, n + 1, _STEP))
    books = spent(config, utility, times, draw, answered, due=_TTL // _STEP).books[skip // _STEP :]
    size = WINDOW // _STEP
    off = float(np.abs(books[size:] - books[:-size] - share * WINDOW).max())
    wanted = share * _STEP * (len(books) - 1)
    # Refunds are sums of parts of labels: their rounding is no part of a label.
    whole = round(abs(float(books[-1] - books[0]) - wanted), 6)
    return off, whole, whole / wanted * 100


def by_time() -> None:
    """Labels an hour."""
    say(f"\nby time: {_HOURS} hours, a step every {_POLL_MS / 1000:g} s; worst of all utilities")
    lines: list[list[str]] = []
    worst: dict[int, float] = {}
    for rate, densest in ((60, 40_000), (120, 60_000), (400, 100_000), (1000, 200_000)):
        for arrivals in ARRIVALS:
            for answered in (1.0, 0.5):
                config: dict[str, object] = {"kind": "per_time", "rate_per_hour": float(rate)}
                off = max(
                    _hour(config, float(rate), arrivals, densest, name, answered)
                    for name in UTILITIES
                )
                labels = off * rate / 100
                lines.append(
                    [f"{rate} an hour", arrivals, f"{answered:.0%}", f"{off:.1f}", f"{labels:.0f}"]
                )
                worst[rate] = max(worst.get(rate, 0.0), off)
    table(["budget", "events", "answered", "any hour: % off", "labels"], lines)
    for rate, off in worst.items():
        target(f"per_time: any hour, {rate} labels an hour", off, 5, at_least=False, unit=" %")


def by_money() -> None:
    """Money an hour, by what the questions of the hour came to cost."""
    say("\nby money: 60 an hour at 0.1 a label (b: 0.3); what was asked in an hour, at its price")
    lines: list[list[str]] = []
    worst: dict[str, float] = {}
    people: dict[str, Callable[[float, float], str]] = {
        "a": lambda hour, u: "a",
        "a, 10 % b": lambda hour, u: "b" if u < 0.1 else "a",
        "a, then b": lambda hour, u: "a" if hour < _HOURS / 2 else "b",
    }
    for name, who in people.items():
        for arrivals in ARRIVALS:
            for answered in (1.0, 0.5) if name == "a" else (1.0,):
                config: dict[str, object] = {"kind": "cost", "amount": 60.0, "price": 0.1}
                config["prices"] = PRICES
                off = max(
                    _hour(config, 60.0, arrivals, 100_000, utilities, answered, who)
                    for utilities in UTILITIES
                )
                lines.append([name, arrivals, f"{answered:.0%}", f"{off:.1f}"])
                worst[name] = max(worst.get(name, 0.0), off)
    table(["who answers", "events", "answered", "any hour: % off"], lines)
    for name, off in worst.items():
        target(f"cost: any hour, answers by {name}", off, 5, at_least=False, unit=" %")


PRICES: Final = {"a": 0.1, "b": 0.3}


def _hour(
    config: dict[str, object],
    wanted: float,
    arrivals: str,
    densest: int,
    utilities: str,
    answered: float,
    who: Callable[[float, float], str] | None = None,
) -> float:
    """How far the worst hour is off, in % of what it should spend."""
    draw = np.random.default_rng(11)
    at_ms = np.cumsum(draw.exponential(HOUR_MS / densest, size=_HOURS * densest))
    at_ms = at_ms[draw.random(len(at_ms)) < ARRIVALS[arrivals](at_ms / HOUR_MS)]
    step_ms = (at_ms // _POLL_MS + 1).astype(np.int64) * _POLL_MS
    edges = [*np.flatnonzero(np.diff(step_ms, prepend=-1)).tolist(), len(step_ms)]
    utility = UTILITIES[utilities](len(at_ms), draw)
    found = spent(config, utility, Times(step_ms, edges), draw, answered, _TTL_MS, who)
    starts = np.arange(HOUR_MS / 2, found.times_ms[-1] - HOUR_MS, 10_000)
    first = np.searchsorted(found.times_ms, starts)
    last = np.searchsorted(found.times_ms, starts + HOUR_MS)
    return float(np.abs(found.books[last] - found.books[first] - wanted).max() / wanted * 100)


def spent(
    settings: dict[str, object],
    utility: Numbers,
    times: Times,
    draw: Draw,
    answered: float,
    due: int,
    who: Callable[[float, float], str] | None = None,
) -> Spent:
    """Run a budget over events.

    due: steps (where all times are 0) or milliseconds after which a question is over. who:
    annotator by hour and chance, where money is counted.
    """
    config = Config.model_validate({"budget": settings})
    budget, n = build.budget(config), len(utility)
    ask, held_out, lucky, whose = draw.random(n), draw.random(n), draw.random(n), draw.random(n)
    delays = draw.exponential(_DELAY_MS, n)
    allowed = np.ones(n, dtype=np.bool_)
    over: deque[tuple[int, int]] = deque()
    answers: list[tuple[float, str]] = []
    books, when, money = [0.0], [], 0.0
    for number, (start, stop) in enumerate(zip(times.edges[:-1], times.edges[1:], strict=True)):
        if number % _RESTART == 0:
            budget = _restarted(config, budget)
        part = slice(start, stop)
        now = int(times.step_ms[start])
        room = 10**9
        decision = budget.decide(
            Candidates(
                utility[part], ask[part], held_out[part], allowed[part], room, room, time_ms=now
            )
        )
        budget.commit(decision)
        asked = start + np.flatnonzero(decision.asked)
        for i in asked.tolist():
            if who is not None:
                person = who(now / HOUR_MS, float(whose[i]))
                money += PRICES[person]
                if lucky[i] < answered:
                    answers.append((now + float(delays[i]), person))
        over.append(((now or number) + due, int((lucky[asked] >= answered).sum())))
        while over and over[0][0] <= (now or number):
            budget.refund(over.popleft()[1])
        if answers:
            budget.charge([Bill(person, None) for ready, person in answers if ready <= now])
            answers = [one for one in answers if one[0] > now]
        spending = budget.spending()
        refunded = spending.refunded * (PRICES["a"] if who is not None else 1.0)
        books.append((money if who is not None else spending.asked) - refunded)
        when.append(now)
    return Spent(np.array(books), np.array(when, dtype=np.float64))


def _restarted(config: Config, budget: Budget) -> Budget:
    fresh = build.budget(config)
    fresh.restore(budget.snapshot())
    return fresh
