"""Inputs for a pipeline that is killed again and again, its lives, and what it leaves behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import orjson

from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import features, label_of
from tests.slow import victim

CONFIG: Final[dict[str, Any]] = {
    "encoder": {"kind": "hashing", "width": 16},
    "budget": {"kind": "fraction", "fraction": 0.2},
    "labels": {"ttl_s": 20.0, "closed_window": 2000, "early_capacity": 500},
    "dedupe": {"window_events": 5000},
    "checkpoint": {"every_steps": 7, "digest_every_steps": 3},
}
"""Small stores and few steps between two checkpoints, so that all of it happens often."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_PATIENCE_S: Final = 120
_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.slow.warm"])


def write_inputs(
    folder: Path,
    events: int,
    step_events: int,
    sections: Mapping[str, Any] | None = None,
    at_once: int = 500,
) -> None:
    """Settings, and a log with events, duplicates, rubbish, and labels of every fate.

    A second of the log's time passes with every 1,000 events, which are written `at_once` at a
    time. Two answers in five come, 6 such times later (3 seconds with 500 at once); some of
    them 50 times later, which is too late. `sections` of the config replace those of CONFIG.
    """
    draw = random.Random(events)
    stream = features(events)
    config = {**CONFIG, "step": {"max_events": step_events}, **(sections or {})}
    with TestDriver(config, folder) as driver:
        (folder / "config.json").write_bytes(orjson.dumps(config))
        answers: dict[int, list[bytes]] = {}
        for round_, start in enumerate(range(0, events, at_once)):
            part = list(enumerate(stream[start : start + at_once], start))
            values = [orjson.dumps({"id": str(i), "time": i, "features": x}) for i, x in part]
            same, other = draw.sample(values, 2)
            other = other.replace(b'"features"', b'"features" ')
            driver.pipe("events", [*values, same, other, b"{not json", b'{"id":"","time":1}'])
            driver.clock.advance(seconds=at_once / 1000)
            for i, x in part:
                if draw.random() < 0.4:
                    answer = {"id": str(i), "label": label_of(x), "annotator": "truth"}
                    when = round_ + (50 if i % 20 == 0 else 6)
                    answers.setdefault(when, []).append(orjson.dumps(answer))
            due = answers.pop(round_, [])
            contrary = [value.replace(b'"label":"', b'"label":"not ') for value in due[:20]]
            ahead = str(start + at_once + draw.randrange(at_once))
            early = orjson.dumps({"id": ahead, "label": "up"})
            driver.pipe("labels", [*due, *due[:20], *contrary, early, b"rubbish"])
            driver.clock.advance(seconds=0.001)


class Life(NamedTuple):
    """How a process ended: how many steps were done, what it was killed at (None: not at all).

    replayed: steps that its recovery replayed; None if it did not come so far.
    digest: of the state, when it ended by itself.
    """

    step: int
    killed: bool
    replayed: int | None
    digest: str | None


class Victim:
    """A running `tests.slow.victim`."""

    _said: IO[str]
    _kill: Callable[[], None]
    _status: Callable[[], int]

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._step = 0
        self._replayed: int | None = None
        self._digest: str | None = None
        self._start([str(folder), *arguments])

    def _start(self, arguments: list[str]) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.slow.victim", *arguments],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        self._said = process.stdout
        self._kill = process.kill
        self._status = lambda: process.wait(_PATIENCE_S)

    def until(self, word: str, times: int = 1) -> bool:
        """Wait until it has said `word` so often; False when it ended before."""
        for line in self._said:
            said, *numbers = line.split()
            if said in {"started", "step", "done"}:
                self._step = int(numbers[0])
            if said == "started":
                self._replayed = int(numbers[1])
            if said == "done":
                self._digest = numbers[1]
            times -= said == word
            if times == 0:
                return True
        return False

    def kill(self, after_s: float) -> Life:
        """`kill -9` after a while."""
        time.sleep(after_s)
        self._kill()
        return self.end()

    def end(self) -> Life:
        """What it did until it ended, by itself or by a signal."""
        self.until("")
        self._said.close()
        status = self._status()
        assert status in {0, -signal.SIGKILL}, f"it failed with status {status}"
        return Life(self._step, status != 0, self._replayed, self._digest)


class Forked(Victim):
    """The same in a process that is forked from one that has imported everything.

    torch takes seconds to import, and a life that is to be killed is over sooner than that.
    """

    def _start(self, arguments: list[str]) -> None:
        reads, writes = _FORKS.Pipe(duplex=False)
        process = _FORKS.Process(target=_life, args=(arguments, writes))
        process.start()
        writes.close()
        self._said = os.fdopen(os.dup(reads.fileno()))
        reads.close()
        self._kill = process.kill

        def status() -> int:
            process.join(_PATIENCE_S)
            assert process.exitcode is not None, "it does not end"
            return process.exitcode

        self._status = status


def _life(arguments: list[str], says: Connection) -> None:
    os.dup2(says.fileno(), sys.stdout.fileno())
    says.close()
    victim.main(arguments)


class Left(NamedTuple):
    """What a run left in its log: digests of each output topic without the incarnation, the
    ids that were predicted, the number of incarnations, and how often each step rehearsed."""

    outputs: dict[str, str]
    predicted: list[str]
    incarnations: int
    rehearsals: list[int]


def left_by(folder: Path) -> Left:
    """Read the outputs of a run that is over."""
    outputs, predicted = {}, []
    with TestDriver(CONFIG, folder) as driver:
        for topic in ("predictions", "label-requests", "dead-letters"):
            hasher = blake2b(digest_size=16)
            offset = 0
            while len(chunk := driver.log.read(topic, 0, offset, 5000)):
                offset = chunk.offsets[-1] + 1
                for key, value, headers in zip(
                    chunk.keys, chunk.values, chunk.headers, strict=True
                ):
                    same = [header for header in headers if header[0] != "incarnation"]
                    hasher.update(repr((key, value, same)).encode())
                    if topic == "predictions":
                        predicted.append(orjson.loads(value or b"")["id"])
            outputs[topic] = f"{offset} records {hasher.hexdigest()}"
        entries = [read.value for read in driver.read("manifest")]
    incarnations = [entry["incarnation"] for entry in entries if entry["kind"] == "open"]
    assert incarnations == [*range(1, len(incarnations) + 1)], "each life has its own number"
    rehearsals = [entry["rehearsals"] for entry in entries if entry["kind"] == "step"]
    return Left(outputs, predicted, len(incarnations), rehearsals)
