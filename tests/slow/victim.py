"""A pipeline in a process of its own, to be killed by the tests beside this file.

    python -m tests.slow.victim FOLDER [--steps N] [--point NAME --nth N]

Runs over the log in FOLDER with the settings in FOLDER/config.json, until nothing is left to
read or for N steps, and ends as a pipeline does that is asked to stop. Says on stdout, a line
each: `ready` when everything is imported, `started STEP REPLAYED`, `step K` after every step,
`done STEP DIGEST`. With --point it kills itself, as `kill -9` would, when the fault point is
reached for the Nth time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.testing.faults import KillAt


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the arguments say, those of the command line if none are given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=sys.maxsize)
    parser.add_argument("--point")
    parser.add_argument("--nth", type=int, default=1)
    given = parser.parse_args(arguments)
    text = (given.folder / "config.json").read_bytes()
    config = Config.model_validate(orjson.loads(text)).beside(given.folder)
    faults = KillAt(given.point, given.nth) if given.point else None
    clock = SystemClock()
    say("ready")
    log = build.open_transport(config, clock, faults)
    pipeline = build.pipeline(config, log, clock, faults)
    found = pipeline.start()
    say(f"started {pipeline.state.step} {found.replayed}")
    taken = 0
    while taken < given.steps and pipeline.step(expiry=False):
        taken += 1
        say(f"step {pipeline.state.step}")
    pipeline.close()
    say(f"done {pipeline.state.step} {pipeline.state.fingerprint()}")
    log.close()


def say(line: str) -> None:
    """One line to stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
