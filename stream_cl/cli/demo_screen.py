"""How the demo is shown: a live table in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from stream_cl.cli.demo_watch import RECENT, Watch

if TYPE_CHECKING:
    from rich.table import Table

    from stream_cl.core.clock import Clock

_TABLE_S: Final = 0.2
_LINE_S: Final = 2.0


class Screen(Protocol):
    def say(self, text: str) -> None:
        """A line of the story, seen at once."""

    def update(self, watch: Watch, state: str) -> None:
        """Show the figures, if it is time to; `state` says what the pipeline is doing."""


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
    """A plain line every two seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = self._next_s = clock.monotonic_s()

    def say(self, text: str) -> None:
        """A line of the story."""
        tell(text)

    def update(self, watch: Watch, state: str) -> None:
        """The figures in one line."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _LINE_S
        figures = "  ".join(f"{name} {value}" for name, value in rows(watch, state))
        tell(f"{now_s - self._started_s:4.0f} s  {figures}")


class LiveTable:
    """A table that changes in place, below the story."""

    def __init__(self, live: Any, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._next_s = clock.monotonic_s()

    def say(self, text: str) -> None:
        """A line of the story, above the table."""
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def update(self, watch: Watch, state: str) -> None:
        """The figures, five times a second."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _TABLE_S
        self._live.update(table(rows(watch, state)), refresh=True)


def table(figures: list[tuple[str, str]]) -> Table:
    """The figures, one a row."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.ROUNDED, show_header=False)
    grid.add_column(style="dim")
    grid.add_column(min_width=34)
    for name, value in figures:
        grid.add_row(name, value)
    return grid


def rows(watch: Watch, state: str) -> list[tuple[str, str]]:
    """Name and value of every figure."""
    share = f" ({watch.asked / watch.predicted:.1%})" if watch.predicted else ""
    return [
        ("events", f"{watch.produced:,}"),
        ("predicted", f"{watch.predicted:,}"),
        ("events/s", f"{watch.per_second:,.0f}"),
        ("asked", f"{watch.asked:,}{share}"),
        ("answered", f"{watch.answered:,}"),
        (f"accuracy of the last {RECENT}", percent(watch.accuracy_recent)),
        ("since the start", percent(watch.accuracy)),
        ("no-change baseline", percent(watch.no_change)),
        ("pipeline", f"{state}, incarnation {watch.incarnation}, step {watch.step:,}"),
    ]


def percent(share: float | None) -> str:
    """A share for people; a dash where there is none yet."""
    return "–" if share is None else f"{share:.1%}"
