"""How the demo is shown: a live table in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from stream_cl.cli.demo_stream import CHOSEN, RANDOM
from stream_cl.cli.demo_watch import RECENT, Watch

if TYPE_CHECKING:
    from rich.table import Table

    from stream_cl.core.clock import Clock
    from stream_cl.evaluation.intervals import Estimate

    Watches = Mapping[str, Watch]
    """The watch of each side."""

_TABLE_S: Final = 0.2
_LINE_S: Final = 2.0
HEADS: Final = {CHOSEN: "where it is unsure", RANDOM: "at random"}
"""What each pipeline asks, as the head of its column."""


class Screen(Protocol):
    def say(self, text: str) -> None:
        """A line of the story, seen at once."""

    def update(self, watches: Watches, states: Mapping[str, str]) -> None:
        """Show the figures, if it is time to; `states` says what each pipeline is doing."""


def tell(text: str) -> None:
    """A line on stdout, seen at once whatever stdout is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def screen(clock: Clock) -> Iterator[Screen]:
    """The screen that suits stdout."""
    if not sys.stdout.isatty():
        yield Lines(clock)
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield LiveTable(live, clock)


class Lines:
    """A plain line for each pipeline every two seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = self._next_s = clock.monotonic_s()

    def say(self, text: str) -> None:
        """A line of the story."""
        tell(text)

    def update(self, watches: Watches, states: Mapping[str, str]) -> None:
        """The figures of each pipeline in one line."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _LINE_S
        when = f"{now_s - self._started_s:4.0f} s"
        for side, watch in watches.items():
            figures = "  ".join(f"{name} {value}" for name, value in rows(watch, states[side]))
            tell(f"{when}  {side:<6}  {figures}")
            when = " " * len(when)


class LiveTable:
    """A table that changes in place, below the story."""

    def __init__(self, live: Any, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._next_s = clock.monotonic_s()

    def say(self, text: str) -> None:
        """A line of the story, above the table."""
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def update(self, watches: Watches, states: Mapping[str, str]) -> None:
        """The figures, five times a second."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _TABLE_S
        self._live.update(table(watches, states), refresh=True)


def table(watches: Watches, states: Mapping[str, str]) -> Table:
    """The figures, one a row, the pipelines beside each other."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.ROUNDED)
    grid.add_column("asked", style="dim")
    for side in watches:
        grid.add_column(HEADS[side], min_width=24)
    columns = [rows(watch, states[side]) for side, watch in watches.items()]
    for figures in zip(*columns, strict=True):
        grid.add_row(figures[0][0], *(value for _, value in figures))
    return grid


def rows(watch: Watch, state: str) -> list[tuple[str, str]]:
    """Name and value of every figure of one pipeline."""
    share = f" ({watch.asked / watch.predicted:.1%})" if watch.predicted else ""
    return [
        ("predicted", f"{watch.predicted:,} of {watch.produced:,}"),
        ("events/s", f"{watch.per_second:,.0f}"),
        ("asked", f"{watch.asked:,}{share}, {watch.answered:,} answered"),
        ("accuracy: true", percent(watch.accuracy)),
        (f"true, last {RECENT}", percent(watch.accuracy_recent)),
        ("naive", estimate(watch.naive)),
        ("unbiased", estimate(watch.unbiased)),
        ("no-change baseline", percent(watch.no_change)),
        ("pipeline", f"{state}, incarnation {watch.incarnation}, step {watch.step:,}"),
    ]


def percent(share: float | None) -> str:
    """A share for people; a dash where there is none yet."""
    return "–" if share is None else f"{share:.1%}"


def estimate(found: Estimate | None) -> str:
    """A share with its 95 % interval; a dash where there is none yet."""
    if found is None:
        return "–"
    return f"{found.value:.1%} ({100 * found.low:.1f}–{found.high:.1%})"
