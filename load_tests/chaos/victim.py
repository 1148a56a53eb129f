"""A pipeline in a process of its own, to be killed or stopped by `chaos`.

    python -m load_tests.chaos.victim FOLDER [--until-idle S] [--point NAME --nth N [--stop]]

Runs over the log that FOLDER/config.json names until SIGTERM comes, or until it was idle so
long, and ends as `stream-cl run` does. Says on stdout, a line each:

    ready                            everything is imported
    started STEP REPLAYED INCARNATION
    step K EVENTS                    after every step; events predicted so far
    idle                             after every second in which nothing came
    paused                           it is about to stop itself
    fenced KIND MESSAGE              how it ended: another one is the writer
    fault KIND MESSAGE               ... by an error
    done STEP DIGEST                 ... in order

With --point it kills itself, as `kill -9` would, when the fault point is reached for the Nth
time; with --stop it stops itself there (SIGSTOP) and goes on when it is continued.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import Fenced, StreamClError
from stream_cl.core.faults import Faults
from stream_cl.pipeline.loop import run_steps
from stream_cl.pipeline.runner import Pipeline
from stream_cl.testing.faults import CrashAt, KillAt

FENCED_STATUS: Final = 3
_IDLE_S: Final = 1.0
_DIE_WITH_PARENT: Final = 1
"""prctl's PR_SET_PDEATHSIG."""


class StopAt(CrashAt):
    """Stops the process at the point, as SIGSTOP does, until SIGCONT comes."""

    def _crash(self) -> None:
        say("paused")
        os.kill(os.getpid(), signal.SIGSTOP)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the arguments say, those of the command line if none are given."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until-idle", type=float)
    parser.add_argument("--point")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--stop", action="store_true")
    given = parser.parse_args(arguments)
    faults: Faults | None = None
    if given.point:
        faults = (StopAt if given.stop else KillAt)(given.point, given.nth)
    try:
        _run(load_config(given.folder), faults, stop, given.until_idle)
    except StreamClError as error:
        fenced = isinstance(error, Fenced)
        say(f"{'fenced' if fenced else 'fault'} {type(error).__name__} {error}")
        sys.exit(FENCED_STATUS if fenced else 1)


def load_config(folder: Path) -> Config:
    """The settings of a folder, FOLDER/config.json."""
    text = (folder / "config.json").read_bytes()
    return Config.model_validate(orjson.loads(text)).beside(folder)


def _run(
    config: Config, faults: Faults | None, stop: threading.Event, until_idle_s: float | None
) -> None:
    clock = SystemClock()
    say("ready")
    log = build.open_transport(config, clock, faults)
    try:
        pipeline = build.pipeline(config, log, clock, faults)
        try:
            found = pipeline.start()
            say(f"started {pipeline.state.step} {found.replayed} {found.incarnation}")
            poll_s = config.step.poll_ms / 1000
            run_steps(pipeline, clock, stop.is_set, poll_s, until_idle_s, _Telling(pipeline))
            pipeline.close()
        finally:
            pipeline.abandon()
    finally:
        log.close()
    say(f"done {pipeline.state.step} {pipeline.state.fingerprint()}")


class _Telling:
    """Says what became of every look at the log."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._step = pipeline.state.step
        self._said_s = time.monotonic()

    def __call__(self) -> None:
        state = self._pipeline.state
        if state.step != self._step:
            self._step, self._said_s = state.step, time.monotonic()
            say(f"step {state.step} {state.events}")
        elif time.monotonic() - self._said_s >= _IDLE_S:
            self._said_s = time.monotonic()
            say("idle")


def say(line: str) -> None:
    """One line to stdout, at once."""
    sys.stdout.write(" ".join(line.split()) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
