"""Kills, zombies and weather over a pipeline that runs meanwhile."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from pathlib import Path
from typing import Final

from load_tests.chaos.account import Account, Zombie
from load_tests.chaos.lives import Broken, Ending, Life
from load_tests.chaos.weather import Weather
from stream_cl.core.faults import FAULT_POINTS

OFTEN: Final = frozenset(
    {
        *("step-taken", "step-scored", "commit-half-written", "committed"),
        *("learning", "learned"),
    }
)
"""Points that are passed in every step."""
RANDOM: Final = "random moment"
_TRY_S: Final = 180.0
"""Within this time one of the lives must come to what is wanted of it. One that ends because the
broker is away, or does not come to a fault point in time, is followed by the next."""
_AGAIN_S: Final = 0.5
"""Pause before a life that follows one that ended by an error, as supervisors make it."""
_AFTER_TIMEOUT_S: Final = 1.5
"""The broker looks every second for transactions whose time is over."""
_QUIET_IDLES: Final = 4
"""So often in a row it must say that nothing came before it is believed."""
_PASSING: Final = frozenset({"TransportError", "CommitUnknown"})
"""Errors that a supervisor answers by starting again: the broker was away."""


class Storm:
    """Lives of one pipeline in `folder`.

    Args:
        folder: with config.json.
        weather: None where there is none.
        transaction_timeout_s: of the pipeline.
        stride: steps that a life takes at most before it is killed.
        heard: told of the events predicted, step by step.
        options: further arguments of every life.
    """

    def __init__(
        self,
        folder: Path,
        account: Account,
        draw: random.Random,
        weather: Weather | None,
        transaction_timeout_s: float,
        stride: int,
        heard: Callable[[int], None] = lambda _: None,
        options: tuple[str, ...] = (),
    ) -> None:
        self._folder = folder
        self._account = account
        self._draw = draw
        self._weather = weather
        self._timeout_s = transaction_timeout_s
        self._stride = stride
        self._heard = heard
        self._options = options
        self._lives: list[Life] = []

    def kill(self, where: str) -> None:
        """Kill a life at a fault point or at a random moment.

        Raises:
            Broken: the point was reached in none of many lives, or a life ended as none may.
        """
        for attempt in _tries():
            if where == RANDOM:
                ending = self._kill_at_a_random_moment()
            else:
                ending = self._kill_at(where, attempt)
            if ending.how == "killed":
                self._account.kills[where] += 1
                return
        raise Broken(f"{where} was not reached within {_TRY_S:.0f} s")

    def _kill_at_a_random_moment(self) -> Ending:
        """One in five dies while it recovers, the others somewhere inside or between two steps."""
        life = self._born()
        if self._draw.random() < 0.2:
            life.until("ready")
            time.sleep(self._draw.uniform(0.0, 0.5))
        else:
            life.until("step", self._draw.randint(1, self._stride))
            time.sleep(self._draw.uniform(0.0, 0.05))
        life.signal(signal.SIGKILL)
        return self._end(life)

    def _kill_at(self, point: str, attempt: int) -> Ending:
        nth = self._draw.randint(1, self._stride) if point in OFTEN and attempt == 0 else 1
        life = self._born("--point", point, "--nth", str(nth))
        if life.listen("step", 3 * self._stride + 7, 30.0) or not life.is_over:
            life.signal(signal.SIGTERM)
        ending = self._end(life)
        if ending.how == "done":
            # There is nothing to replay after a life that ended in order: leave something.
            other = self._born()
            other.until("step", 2)
            other.signal(signal.SIGKILL)
            self._end(other)
        return ending

    def stop(self, point: str | None, succeeded: bool) -> None:
        """Stop a life past its transaction's timeout, at a point or anywhere, and continue it;
        with a successor that is born meanwhile, or without.

        Raises:
            Broken: it went on although it had a successor.
        """
        if self._weather is not None:
            self._weather.calm()
        zombie = next((life for _ in _tries() if (life := self._paused(point))), None)
        if zombie is None:
            raise Broken(f"{point} was not reached within {_TRY_S:.0f} s")
        stopped_s = time.monotonic()
        self._account.note(f"incarnation {zombie.incarnation} is stopped")
        successor = self._successor() if succeeded else None
        time.sleep(max(0.0, stopped_s + self._timeout_s + _AFTER_TIMEOUT_S - time.monotonic()))
        self._account.note(f"incarnation {zombie.incarnation} is continued")
        zombie.signal(signal.SIGCONT)
        if successor is not None:
            ending = self._end(zombie)
            # One that waited for an answer when it was stopped finds its time for that over.
            if ending.how not in {"fenced", "fault"}:
                raise Broken(
                    f"incarnation {zombie.incarnation} woke up beside {successor.incarnation} and "
                    f"ended with {ending.how} {ending.said}, not fenced"
                )
            self._note(zombie, successor, ending.how)
            self._finish(successor)
            return
        goes_on = zombie.until("step", 3)
        zombie.signal(signal.SIGTERM)
        ending = self._end(zombie)
        self._note(zombie, None, "went on" if goes_on else ending.how)

    def _note(self, zombie: Life, successor: Life | None, how: str) -> None:
        other = successor.incarnation if successor else None
        self._account.zombies.append(Zombie(zombie.incarnation, other, how))

    def _paused(self, point: str | None) -> Life | None:
        """A life that is stopped; None if it ended before."""
        if point is None:
            life = self._born()
            if not life.until("step", self._draw.randint(2, self._stride + 1)):
                self._end(life)
                return None
            time.sleep(self._draw.uniform(0.0, 0.05))
            life.signal(signal.SIGSTOP)
            return life
        nth = self._draw.randint(2, self._stride + 1)
        life = self._born("--point", point, "--nth", str(nth), "--stop")
        if life.until("paused"):
            return life
        self._end(life)
        return None

    def _successor(self) -> Life:
        """A life that has taken some steps beside the stopped one."""
        for _ in _tries():
            life = self._born()
            if life.until("step", 2):
                return life
            self._end(life)
        raise Broken(f"no life came to its first steps within {_TRY_S:.0f} s")

    def through(self, kind: str) -> None:
        """Let it happen while a life goes on, or ends by it and is started again.

        Raises:
            Broken: afterwards none takes steps again.
        """
        assert self._weather is not None
        life = self._successor()
        happening = self._weather.begin(kind)
        self._account.weather_alone[kind] += 1
        for _ in _tries():
            while not happening.done() and not life.is_over:
                life.listen("step", 1, 0.2)
            if not life.is_over and life.until("step", 3):
                happening.result()
                self._finish(life)
                return
            self._end(life)
            self._account.weather_over[kind] += 1
            life = self._born()
        raise Broken(f"after {kind!r} no life takes steps again")

    def last(self, nothing_more_comes: Callable[[], bool], within_s: float) -> tuple[Life, str]:
        """Run, and start again after a fault, until nothing is left to do; the life that came to
        that and was asked to stop, and its digest.

        Raises:
            Broken: none came to the end in time.
        """
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            life = self._born()
            while not life.is_over and time.monotonic() < deadline_s:
                if not life.listen("idle", 1, 5.0) or not nothing_more_comes():
                    continue
                if life.listen("idle", _QUIET_IDLES, 10.0):
                    break
            ending = self._finish(life)
            if ending.how == "done" and time.monotonic() < deadline_s:
                return life, ending.said.partition(" ")[2]
        raise Broken(f"no life came to the end of the log within {within_s:.0f} s")

    def to_the_end(self) -> tuple[Life, str]:
        """The life that ends by itself because nothing is left to read, and its digest.

        Raises:
            Broken: it did not end in order.
        """
        life = self._born()
        ending = self._end(life)
        if ending.how != "done":
            raise Broken(f"undisturbed, the run ended with {ending.how} {ending.said}")
        return life, ending.said.partition(" ")[2]

    def _finish(self, life: Life) -> Ending:
        """Ask a life to stop, and wait for that."""
        life.signal(signal.SIGTERM)
        return self._end(life)

    def _born(self, *arguments: str) -> Life:
        self._account.note(f"a life is born {' '.join(arguments)}")
        life = Life(self._folder, *self._options, *arguments, heard=self._heard)
        self._lives = [one for one in self._lives if not one.is_over] + [life]
        return life

    def _end(self, life: Life) -> Ending:
        """Wait for its end and enter it into the account.

        Raises:
            Broken: it ended by an error that no weather explains.
        """
        ending = life.end()
        now = self._weather.now if self._weather is not None else "clear"
        self._account.ended(life, ending, now)
        if ending.how == "fault":
            if ending.said.split()[0] not in _PASSING:
                raise Broken(f"incarnation {life.incarnation} ended with {ending.said}")
            time.sleep(_AGAIN_S)
        return ending

    def close(self) -> None:
        """Kill whatever still lives."""
        for life in self._lives:
            life.kill()


def _tries() -> Iterator[int]:
    """Counts up until the time for it is over."""
    deadline_s = time.monotonic() + _TRY_S
    return takewhile(lambda _: time.monotonic() < deadline_s, count())


def deaths(number: int, draw: random.Random) -> list[str]:
    """So many deaths, half of them at fault points, in a random order."""
    order = draw.sample(FAULT_POINTS, len(FAULT_POINTS))
    points = [order[i % len(order)] for i in range(number // 2)]
    some = points + [RANDOM] * (number - len(points))
    draw.shuffle(some)
    return some
