"""What was done to a pipeline and what became of it, to be printed."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from load_tests.chaos.lives import Ending, Life
from load_tests.report import say, table

_REMEMBERED: Final = 40
"""Events that are printed where something must not have happened."""


@dataclass(frozen=True, slots=True)
class Zombie:
    """A life that was stopped past its transaction timeout: its incarnation, that of the
    successor if there was one, and how it ended after it was continued."""

    incarnation: int
    successor: int | None
    ending: str


@dataclass
class Account:
    """All that was done.

    kills: fault point or `random moment` → lives that were killed there.
    weather, weather_s: kind → how often, and seconds in all. weather_alone: how often it came
    over a life of its own. weather_over: lives among these that ended by it.
    faults: what a life said that ended by an error, without its numbers, and the weather → how
    often. unstarted: lives that ended before they had recovered. history: the latest events.
    """

    kills: Counter[str] = field(default_factory=Counter)
    zombies: list[Zombie] = field(default_factory=list)
    weather: Counter[str] = field(default_factory=Counter)
    weather_s: Counter[str] = field(default_factory=Counter)
    weather_alone: Counter[str] = field(default_factory=Counter)
    weather_over: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    replayed: list[int] = field(default_factory=list)
    started_s: list[float] = field(default_factory=list)
    unstarted: int = 0
    history: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    began_s: float = field(default_factory=time.monotonic)

    def note(self, what: str) -> None:
        """Remember for a while what happened, and when."""
        self.history.append(f"{time.monotonic() - self.began_s:9.3f} s  {what}")

    def ended(self, life: Life, ending: Ending, weather: str) -> None:
        """A life is over. weather: what there was when it ended."""
        self.endings[ending.how] += 1
        self.note(f"incarnation {life.incarnation} {ending.how} at step {life.step} {ending.said}")
        if life.replayed is None or life.started_s is None:
            self.unstarted += 1
        else:
            self.replayed.append(life.replayed)
            self.started_s.append(life.started_s)
        if ending.how in {"fault", "fenced"}:
            self.faults[f"{_without_numbers(ending.said)} [{weather}]"] += 1

    def tell_history(self) -> None:
        """Print what happened last."""
        for line in self.history:
            say(line)

    def tell(self) -> None:
        """Print all of it as tables."""
        rows = [[f"killed: {where}", f"{count}", ""] for where, count in sorted(self.kills.items())]
        rows += [
            [f"stopped, {kind}", f"{len(some)}", _counted(one.ending for one in some)]
            for kind, some in (
                ("with a successor", [one for one in self.zombies if one.successor]),
                ("without one", [one for one in self.zombies if not one.successor]),
            )
            if some
        ]
        rows += [
            [kind, f"{count}", f"{self.weather_s[kind]} s in all; over {self.weather_alone[kind]} "
             f"lives of its own, of which {self.weather_over[kind]} ended by it"]
            for kind, count in sorted(self.weather.items())
        ]  # fmt: skip
        table(["what", "times", "what happened"], rows)
        lives = sum(self.endings.values())
        say(
            f"{lives} lives: {_counted(self.endings.elements())}; {self.unstarted} ended before "
            f"they had recovered"
        )
        if self.replayed:
            ordered = sorted(self.started_s)
            say(
                f"recoveries: {len(self.replayed)}, steps replayed {sum(self.replayed)} in all, "
                f"{max(self.replayed)} at most; from a life's begin to its first step "
                f"{ordered[len(ordered) // 2]:.1f} s in the middle, {ordered[-1]:.1f} s at most"
            )
        for said, count in self.faults.most_common():
            say(f"  ended {count} times with: {said}")


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in sorted(Counter(words).items()))


def _without_numbers(said: str) -> str:
    """The same words for faults of a kind."""
    return re.sub(r"\d+", "#", said)
