"""The acts of the demo: begin, kill and recover, finish, check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from stream_cl.cli.demo_processes import Children
from stream_cl.cli.demo_screen import Screen, percent, tell
from stream_cl.cli.demo_watch import RECENT, Watch, count
from stream_cl.core.errors import StreamClError

if TYPE_CHECKING:
    from stream_cl.cli.demo_stream import Stream
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport
    from stream_cl.core.topics import Topics

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
class Stage:
    """The acts of the demo, in their order."""

    stream: Stream
    children: Children
    watch: Watch
    screen: Screen
    clock: Clock
    ended: Callable[[], bool]
    state: str = field(default="starting", init=False)

    def introduce(self) -> None:
        """Say what will be seen."""
        stream = self.stream
        if stream.cut:
            self.screen.say(f"only its first {stream.events:,} rows: as many as fit into the time")
        self.screen.say(
            f"{stream.events:,} events at {stream.rate:,.0f} a second; labels are asked for 10 % "
            f"of them, and answered about half a second later\n"
            f"config: {stream.config}\n"
            "accuracy is against the truth of every event, which the demo knows and the pipeline "
            "does not; the no-change baseline repeats the true label of the event before"
        )

    def begin(self) -> None:
        """Pipeline, annotator and, when the pipeline runs, producer; until it is time to kill."""
        stream = self.stream
        self._start("pipeline", "run", stream.config)
        self._start(
            "annotator", "annotate", stream.config, "--truth", stream.file, "--delay", DELAY
        )
        self._running(incarnation=1)
        self.state = "running"
        self.children.start(
            "producer", "produce", stream.config, "--data", stream.file, "--rate", stream.rate
        )
        some = max(1, int(KILL_AT * stream.events))
        most_s = stream.seconds + _START_S
        self._wait(lambda: self.watch.predicted >= some, most_s, "predicting")

    def kill_and_recover(self) -> None:
        """kill -9, a second without a pipeline, a restart, and what it found."""
        pid = self.children.kill("pipeline")
        self.state = "killed"
        self.watch.poll()
        self.screen.say(
            f">>> kill -9 {pid}: the pipeline is killed after step {self.watch.step:,} and "
            f"{self.watch.predicted:,} predictions; the producer goes on"
        )
        self._pass(1.0)
        self.screen.say(
            f">>> one second later {self.watch.backlog:,} events wait; starting it again"
        )
        began_s = self.clock.monotonic_s()
        self.state = "recovering"
        self._start("pipeline", "run", self.stream.config)
        found = self._running(incarnation=2)
        took_s = self.clock.monotonic_s() - began_s
        checkpoint = found["checkpoint"]
        base = "no checkpoint" if checkpoint is None else f"the checkpoint of step {checkpoint:,}"
        self.screen.say(
            f">>> recovered in {took_s:.1f} s as incarnation {found['incarnation']}: found "
            f"{base}, replayed {found['replayed']:,} steps without publishing them again; "
            f"{found['lag']:,} events and answers wait"
        )
        self.state = "running"
        few = max(5, int(self.stream.rate * 0.2))
        self._wait(lambda: self.watch.backlog <= few, _START_S, "catching up")
        took_s = self.clock.monotonic_s() - began_s - took_s
        self.screen.say(f">>> caught up {took_s:.1f} s later; going on as if nothing had been")

    def finish(self) -> None:
        """Until the last event is predicted and the last question answered; then stop all."""
        stream, watch = self.stream, self.watch
        most_s = stream.seconds + _START_S
        self._wait(lambda: self.children.ended("producer"), most_s, "producing")
        self._wait(lambda: watch.backlog <= 0, _CATCH_UP_S, "predicting the last events")
        last_s = self.clock.monotonic_s() + _ANSWERS_S
        self._until(lambda: watch.answered >= watch.asked, last_s)
        # What was answered last is to be learned as well.
        self._pass(0.2)
        self.children.stop("annotator")
        self.children.stop("pipeline")
        self.state = "stopped"
        watch.poll()
        self.screen.update(watch, self.state)

    def check(self, log: Transport, topics: Topics) -> bool:
        """Count in the log itself whether every event has exactly one prediction."""
        found, watch, stream = count(log, topics), self.watch, self.stream
        kept = found.once and found.events == stream.events
        tell(
            f"\nCheck, counted in the log: {found.events:,} events of {stream.events:,} were "
            f"produced, {found.predictions:,} predictions published"
        )
        if kept:
            tell("  OK: every event is predicted exactly once")
        else:
            tell(
                f"  FAILED: {found.missing:,} events have no prediction, {found.repeated:,} have "
                f"more than one, {found.strangers:,} predictions have no event"
            )
        tell(
            f"  {watch.asked:,} labels were asked for ({watch.asked / stream.events:.1%} of the "
            f"events), {watch.answered:,} answered\n"
            f"  accuracy against the truth: {percent(watch.accuracy)} since the start, "
            f"{percent(watch.accuracy_recent)} over the last {RECENT}; "
            f"no-change baseline: {percent(watch.no_change)}"
        )
        return kept

    def _start(self, name: str, *arguments: object) -> None:
        idle_s = _LEFT_ALONE_S + self.stream.seconds
        self.children.start(name, *arguments, "--until-idle", idle_s)

    def _running(self, incarnation: int) -> dict[str, Any]:
        """Wait until this incarnation takes steps; what it says of its start."""
        found: dict[str, Any] = {}

        def runs() -> bool:
            for entry in self.children.said("pipeline"):
                if entry.get("event") == "running" and entry.get("incarnation") == incarnation:
                    found.update(entry)
            return bool(found)

        self._wait(runs, _START_S, "starting the pipeline")
        return found

    def _wait(self, done: Callable[[], bool], most_s: float, what: str) -> None:
        if not self._until(done, self.clock.monotonic_s() + most_s):
            raise StreamClError(
                f"{what} took more than {most_s:.0f} s, and the demo gave up; "
                f"{self.watch.produced:,} events were produced, {self.watch.predicted:,} "
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
            self.children.check("pipeline", "annotator")
            self.watch.poll()
            self.screen.update(self.watch, self.state)
            if done():
                return True
            left_s = until_s - self.clock.monotonic_s()
            if left_s <= 0:
                return False
            self.clock.sleep(min(_LOOK_S, left_s))
