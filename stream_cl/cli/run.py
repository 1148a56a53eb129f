"""`stream-cl run`: the pipeline itself."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream_cl.cli.common import ConfigPath, Sets, read_config, stop_asked
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.pipeline.runner import Pipeline
    from stream_cl.pipeline.watch import StepTimes

_TELL_S: Final = 10.0
_LETTERS_MOST: Final = 20
"""Dead letters that are shown within _TELL_S."""


class Role(StrEnum):
    """Which half of the pipeline this process is."""

    ALL = "all"
    SCORER = "scorer"
    TRAINER = "trainer"


def command(
    config: ConfigPath,
    role: Annotated[
        Role, typer.Option(help="Which half of the pipeline; only `all` is there yet.")
    ] = Role.ALL,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Leave when nothing came for this long."),
    ] = None,
    new_state: Annotated[
        bool, typer.Option("--new-state", help="Give up what was learned, keep the positions.")
    ] = False,
    sets: Sets = None,
) -> None:
    """Read events, publish predictions and label requests, learn from the answers."""
    if role is not Role.ALL:
        raise UserError(
            f"--role {role.value}: this version runs everything in one process; use all"
        )
    loaded = read_config(config, sets)
    fix_hash_seed(loaded)
    run(loaded, until_idle, new_state)


def run(config: Config, until_idle_s: float | None, new_state: bool = False) -> None:
    """Run until a signal comes or the input is idle; then checkpoint and leave."""
    from stream_cl import build
    from stream_cl.cli.endpoints import Endpoints
    from stream_cl.core.clock import SystemClock
    from stream_cl.observe.logs import configure, logger
    from stream_cl.pipeline.loop import run_steps

    configure(config.log.level, config.log.format)
    clock, say = SystemClock(), logger(log=config.log_name)
    log = build.open_transport(config, clock)
    endpoints, letters = Endpoints(config, clock), _Letters(clock, say)

    def watch(times: StepTimes) -> None:
        endpoints.watch(times)
        letters(times)

    tracing = build.tracing(config)
    pipeline = build.pipeline(config, log, clock, watch=watch, trace=tracing)
    progress, retention = _Progress(pipeline, clock, say), _Retention(pipeline, say)

    def turn() -> None:
        endpoints.turn()
        retention()
        progress()

    if config.delivery == "at_least_once":
        what = "outputs may come twice, and the state cannot be rebuilt from the log"
        say.warning("delivery: at_least_once", means=what)
    try:
        with stop_asked() as stop, endpoints.serving(pipeline):
            if endpoints.url is not None:
                say.info("console", url=endpoints.url)
            _start(pipeline, say, new_state)
            endpoints.running()
            run_steps(pipeline, clock, stop, config.step.poll_ms / 1000, until_idle_s, turn)
            endpoints.stopping()
            pipeline.close()
    finally:
        pipeline.abandon()
        log.close()
        if tracing is not None:
            tracing.close()
    say.info("stopped", step=pipeline.state.step, **pipeline.state.counts)


def _start(pipeline: Pipeline, say: Any, new_state: bool) -> None:
    from stream_cl.observe.logs import bind
    from stream_cl.pipeline import heap

    say.info("starting")
    found = pipeline.start(new_state=new_state)
    heap.settle()
    bind(incarnation=found.incarnation)
    for corrupt in found.corrupt_checkpoints:
        say.warning("checkpoint skipped", why=corrupt)
    if found.numeric_differences:
        say.warning("replay differs in numbers", steps=found.numeric_differences)
    say.info(
        "running",
        step=pipeline.state.step,
        checkpoint=found.checkpoint_step,
        replayed=found.replayed,
        lag=pipeline.lag(),
    )


class _Retention:
    """A log line when retention has taken what a checkpoint needs; once for each."""

    def __init__(self, pipeline: Pipeline, say: Any) -> None:
        self._pipeline = pipeline
        self._say = say
        self._told = ""

    def __call__(self) -> None:
        found = self._pipeline.retention.expired
        if found != self._told:
            self._told = found
            if found:
                self._say.warning("retention", why=found)


class _Letters:
    """A log line for each dead letter, but not a flood of them: the topic has them all."""

    def __init__(self, clock: Clock, say: Any) -> None:
        self._clock = clock
        self._say = say
        self._since_s = clock.monotonic_s()
        self._said = 0

    def __call__(self, times: StepTimes) -> None:
        if not times.letters:
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._since_s >= _TELL_S:
            if self._said > _LETTERS_MOST:
                self._say.warning("dead letters not shown", count=self._said - _LETTERS_MOST)
            self._since_s, self._said = now_s, 0
        for letter in times.letters:
            self._said += 1
            if self._said <= _LETTERS_MOST:
                self._say.warning(
                    "dead letter",
                    code=letter.code,
                    reason=letter.reason,
                    step=times.step,
                    **letter.source._asdict(),
                )


class _Progress:
    """A log line now and then while there is something to tell."""

    def __init__(self, pipeline: Pipeline, clock: Clock, say: Any) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._say = say
        self._told_s = clock.monotonic_s()
        self._told_events = pipeline.state.events

    def __call__(self) -> None:
        from stream_cl.pipeline.watch import live_figures

        now_s, state = self._clock.monotonic_s(), self._pipeline.state
        if now_s - self._told_s < _TELL_S:
            return
        if state.events != self._told_events:
            figure = live_figures(state)["window_unbiased"]
            self._say.info(
                "progress",
                step=state.step,
                events=state.events,
                per_s=round((state.events - self._told_events) / (now_s - self._told_s)),
                asked=state.counts.get("asked", 0),
                learned=state.learned,
                accuracy=None if figure is None else round(figure.value, 4),
                lag=self._pipeline.lag(),
            )
        self._told_s, self._told_events = now_s, state.events


def fix_hash_seed(config: Config) -> None:
    """Start this process again with a fixed PYTHONHASHSEED where the learner depends on it.

    River's trees iterate over sets; without this two runs of one seed differ.
    """
    if config.learner.kind != "river" or not sys.flags.hash_randomization:
        return
    from stream_cl.config import environment

    program = [sys.executable, "-m", "stream_cl.cli.main", *sys.argv[1:]]
    os.execve(sys.executable, program, {**environment(), "PYTHONHASHSEED": "0"})
