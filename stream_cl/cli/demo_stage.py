"""The acts of the demo: begin, kill and recover, finish, check.

Two pipelines run over the same rows under the same ids, with the same seed, learner and budget,
each over a log of its own with a producer and an annotator of its own. One chooses what it
asks, one asks at random. Both are killed at the same moment, since what is predicted after an
outage is predicted with an older model: killed alone, either would look worse than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from stream_cl.cli.demo_processes import Children
from stream_cl.cli.demo_screen import HEADS, Screen, estimate, percent, tell
from stream_cl.cli.demo_stream import CHOSEN, RANDOM, SIDES
from stream_cl.cli.demo_watch import RECENT, Watch
from stream_cl.core.errors import StreamClError

if TYPE_CHECKING:
    from stream_cl.cli.demo_account import Account
    from stream_cl.cli.demo_stream import Stream
    from stream_cl.core.clock import Clock

DELAY: Final = "lognormal:0.5,0.5"
KILL_AT: Final = 0.4
"""The share of the stream after which the pipeline is killed."""
_LOOK_S: Final = 0.05
_START_S: Final = 60.0
_CATCH_UP_S: Final = 30.0
_ANSWERS_S: Final = 4.0
_LEFT_ALONE_S: Final = 60
"""Should the demo itself be killed -9, its processes leave after this long without work."""


@dataclass(slots=True)
class Recovery:
    """What happened when the pipeline that chooses was killed.

    waited: events that were in the log and not predicted one second later. until: events that
    had been produced when it ran again. checkpoint: the step of the one found, or None.
    """

    pid: int
    step: int
    predicted: int
    waited: int = 0
    until: int = 0
    took_s: float = 0.0
    caught_up_s: float = 0.0
    incarnation: int = 0
    checkpoint: int | None = None
    replayed: int = 0


@dataclass(slots=True)
class Stage:
    """The acts of the demo, in their order. `watches` has one for each side."""

    stream: Stream
    children: Children
    watches: Mapping[str, Watch]
    screen: Screen
    clock: Clock
    ended: Callable[[], bool]
    recovery: Recovery | None = field(default=None, init=False)
    states: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.states = dict.fromkeys(SIDES, "starting")

    def introduce(self) -> None:
        """Say what will be seen."""
        stream = self.stream
        if stream.cut:
            self.screen.say(f"only its first {stream.events:,} rows: as many as fit into the time")
        self.screen.say(
            f"{stream.events:,} events at {stream.rate:,.0f} a second, to two pipelines that ask "
            "for the labels of 10 % of them: one\n"
            "where it is unsure, the other at random. Answers come about half a second later\n"
            f"configs: {stream.configs[CHOSEN]} and {stream.configs[RANDOM].name}\n"
            "true accuracy is against the truth of every event, which the demo knows and the "
            "pipelines do not; naive and\n"
            "unbiased are made from the answers alone, the second by the probability with which "
            "each was asked; 95 % intervals.\n"
            "The no-change baseline repeats the true label of the event before"
        )

    def begin(self) -> None:
        """Pipelines, annotators and, when the pipelines run, producers; until it is time to
        kill."""
        stream = self.stream
        for side in SIDES:
            self._start(side, "pipeline", "run", stream.configs[side])
        for side in SIDES:
            self._running(side, incarnation=1)
            answering = ("--truth", stream.file, "--delay", DELAY)
            self._start(side, "annotator", "annotate", stream.configs[side], *answering)
            self.states[side] = "running"
        for side in SIDES:
            sending = ("--data", stream.file, "--rate", stream.rate)
            name = _child(side, "producer")
            self.children.start(name, "produce", stream.configs[side], *sending)
        some = max(1, int(KILL_AT * stream.events))
        most_s = stream.seconds + _START_S
        self._wait(lambda: self.watches[CHOSEN].predicted >= some, most_s, "predicting")

    def kill_and_recover(self) -> None:
        """kill -9, a second without pipelines, a restart, and what the choosing one found."""
        watch = self.watches[CHOSEN]
        pid = self._kill()
        facts = self.recovery = Recovery(pid, watch.step, watch.predicted)
        self.screen.say(
            f">>> kill -9 {pid}: the pipeline that chooses is killed after step {watch.step:,} and "
            f"{watch.predicted:,} predictions; the producer goes on. The other is killed with it, "
            "so that neither has an advantage"
        )
        self._pass(1.0)
        facts.waited = watch.backlog
        self.screen.say(f">>> one second later {watch.backlog:,} events wait; starting both again")
        began_s = self.clock.monotonic_s()
        for side in SIDES:
            self.states[side] = "recovering"
            self._start(side, "pipeline", "run", self.stream.configs[side])
        found = self._running(CHOSEN, incarnation=2)
        facts.took_s = self.clock.monotonic_s() - began_s
        facts.until = watch.produced
        facts.incarnation, facts.checkpoint = found["incarnation"], found["checkpoint"]
        facts.replayed = found["replayed"]
        base = "no checkpoint"
        if facts.checkpoint is not None:
            base = f"the checkpoint of step {facts.checkpoint:,}"
        self.screen.say(
            f">>> recovered in {facts.took_s:.1f} s as incarnation {facts.incarnation}: found "
            f"{base}, replayed {facts.replayed:,} steps without publishing them again; "
            f"{found['lag']:,} events and answers wait"
        )
        self._running(RANDOM, incarnation=2)
        self.states = dict.fromkeys(SIDES, "running")
        few = max(5, int(self.stream.rate * 0.2))
        self._wait(
            lambda: all(one.backlog <= few for one in self.watches.values()),
            _START_S,
            "catching up",
        )
        facts.caught_up_s = self.clock.monotonic_s() - began_s - facts.took_s
        self.screen.say(
            f">>> caught up {facts.caught_up_s:.1f} s later; going on as if nothing had been"
        )

    def finish(self) -> None:
        """Until the last event is predicted and the last question answered; then stop all."""
        watches = list(self.watches.values())
        most_s = self.stream.seconds + _START_S
        self._wait(
            lambda: all(self.children.ended(_child(side, "producer")) for side in SIDES),
            most_s,
            "producing",
        )
        self._wait(
            lambda: all(watch.backlog <= 0 for watch in watches),
            _CATCH_UP_S,
            "predicting the last events",
        )
        last_s = self.clock.monotonic_s() + _ANSWERS_S
        self._until(lambda: all(watch.answered >= watch.asked for watch in watches), last_s)
        # What was answered last is to be learned as well.
        self._pass(0.2)
        for name in ("annotator", "pipeline"):
            for side in SIDES:
                self.children.stop(_child(side, name))
        self.states = dict.fromkeys(SIDES, "stopped")
        for watch in watches:
            watch.poll()
        self.screen.update(self.watches, self.states)

    def check(self, accounts: Mapping[str, Account]) -> bool:
        """Say whether in both logs every event has exactly one prediction, and the figures."""
        tell("\nCheck, counted in the logs:")
        all_kept = True
        for side, account in accounts.items():
            found, events = account.count, self.stream.events
            kept = found.once and found.events == events
            all_kept &= kept
            tell(
                f"  {side}: {found.events:,} events of {events:,} were produced, "
                f"{found.predictions:,} predictions published"
            )
            if not kept:
                tell(
                    f"  FAILED: {found.missing:,} events have no prediction, {found.repeated:,} "
                    f"have more than one, {found.strangers:,} predictions have no event"
                )
        if all_kept:
            tell("  OK: every event is predicted exactly once")
        for side, watch in self.watches.items():
            tell(
                f"\nAsked {HEADS[side]}: {watch.asked:,} labels "
                f"({watch.asked / self.stream.events:.1%} of the events), {watch.answered:,} "
                "answered\n"
                f"  true accuracy: {percent(watch.accuracy)} since the start, "
                f"{percent(watch.accuracy_recent)} over the last {RECENT}\n"
                f"  from the answers alone: unbiased {estimate(watch.unbiased)}, "
                f"naive {estimate(watch.naive)}"
            )
        tell(f"no-change baseline: {percent(self.watches[CHOSEN].no_change)}")
        return all_kept

    def _kill(self) -> int:
        """kill -9 both pipelines; the process id of the one that chooses."""
        pids = [self.children.kill(_child(side, "pipeline")) for side in SIDES]
        self.states = dict.fromkeys(SIDES, "killed")
        for watch in self.watches.values():
            watch.poll()
        return pids[0]

    def _start(self, side: str, name: str, *arguments: object) -> None:
        idle_s = _LEFT_ALONE_S + self.stream.seconds
        self.children.start(_child(side, name), *arguments, "--until-idle", idle_s)

    def _running(self, side: str, incarnation: int) -> dict[str, Any]:
        """Wait until this incarnation takes steps; what it says of its start."""
        found: dict[str, Any] = {}

        def runs() -> bool:
            for entry in self.children.said(_child(side, "pipeline")):
                if entry.get("event") == "running" and entry.get("incarnation") == incarnation:
                    found.update(entry)
            return bool(found)

        self._wait(runs, _START_S, "starting the pipeline")
        return found

    def _wait(self, done: Callable[[], bool], most_s: float, what: str) -> None:
        if not self._until(done, self.clock.monotonic_s() + most_s):
            watch = min(self.watches.values(), key=lambda watch: watch.predicted)
            raise StreamClError(
                f"{what} took more than {most_s:.0f} s, and the demo gave up; "
                f"{watch.produced:,} events were produced, {watch.predicted:,} "
                "predicted. Is the machine busy? Try again with more --seconds"
            )

    def _pass(self, seconds: float) -> None:
        self._until(lambda: False, self.clock.monotonic_s() + seconds)

    def _until(self, done: Callable[[], bool], until_s: float) -> bool:
        """Show what happens until `done`; False when the time is over first."""
        while True:
            if self.ended():
                self.children.kill_all()
                self.screen.say("stopped; nothing is left running")
                raise KeyboardInterrupt
            for side in SIDES:
                self.children.check(_child(side, "pipeline"), _child(side, "annotator"))
                self.watches[side].poll()
            self.screen.update(self.watches, self.states)
            if done():
                return True
            left_s = until_s - self.clock.monotonic_s()
            if left_s <= 0:
                return False
            self.clock.sleep(min(_LOOK_S, left_s))


def _child(side: str, name: str) -> str:
    """What a process is called, in messages and as the file of its log."""
    return name if side == CHOSEN else f"{name}-{side}"
