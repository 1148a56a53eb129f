"""Inputs for a pipeline that is killed again and again, its lives, and what it leaves behind."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import features, label_of

CONFIG: Final[dict[str, Any]] = {
    "encoder": {"kind": "hashing", "width": 16},
    "budget": {"kind": "fraction", "fraction": 0.2},
    "labels": {"ttl_s": 20.0, "closed_window": 2000, "early_capacity": 500},
    "dedupe": {"window_events": 5000},
    "checkpoint": {"every_steps": 7, "digest_every_steps": 3},
}
"""Small stores and few steps between two checkpoints, so that all of it happens often."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_AT_ONCE: Final = 500
_PATIENCE_S: Final = 120


def write_inputs(folder: Path, events: int, step_events: int) -> None:
    """Settings, and a log with events, duplicates, rubbish, and labels of every fate.

    A second of the log's time passes with every 1,000 events. Two answers in five come, 3
    seconds later; some of them 25 seconds later, which is too late.
    """
    draw = random.Random(events)
    stream = features(events)
    config = {**CONFIG, "step": {"max_events": step_events}}
    with TestDriver(config, folder) as driver:
        (folder / "config.json").write_bytes(orjson.dumps(config))
        answers: dict[int, list[bytes]] = {}
        for round_, start in enumerate(range(0, events, _AT_ONCE)):
            part = list(enumerate(stream[start : start + _AT_ONCE], start))
            values = [orjson.dumps({"id": str(i), "time": i, "features": x}) for i, x in part]
            same, other = draw.sample(values, 2)
            other = other.replace(b'"features"', b'"features" ')
            driver.pipe("events", [*values, same, other, b"{not json", b'{"id":"","time":1}'])
            driver.clock.advance(seconds=_AT_ONCE / 1000)
            for i, x in part:
                if draw.random() < 0.4:
                    answer = {"id": str(i), "label": label_of(x), "annotator": "truth"}
                    when = round_ + (50 if i % 20 == 0 else 6)
                    answers.setdefault(when, []).append(orjson.dumps(answer))
            due = answers.pop(round_, [])
            contrary = [value.replace(b'"label":"', b'"label":"not ') for value in due[:20]]
            early = orjson.dumps({"id": str(start + _AT_ONCE + draw.randrange(500)), "label": "up"})
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

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._step = 0
        self._replayed: int | None = None
        self._digest: str | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.slow.victim", str(folder), *arguments],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def until(self, word: str, times: int = 1) -> bool:
        """Wait until it has said `word` so often; False when it ended before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
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
        self._process.send_signal(signal.SIGKILL)
        return self.end()

    def end(self) -> Life:
        """What it did until it ended, by itself or by a signal."""
        self.until("")
        status = self._process.wait(_PATIENCE_S)
        assert status in {0, -signal.SIGKILL}, f"it failed with status {status}"
        return Life(self._step, status != 0, self._replayed, self._digest)


class Left(NamedTuple):
    """What a run left in its log: digests of each output topic without the incarnation, the
    ids that were predicted, and the number of incarnations."""

    outputs: dict[str, str]
    predicted: list[str]
    incarnations: int


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
        opened = [read.value for read in driver.read("manifest") if read.value["kind"] == "open"]
    incarnations = [entry["incarnation"] for entry in opened]
    assert incarnations == list(range(1, len(opened) + 1)), "each life has a number of its own"
    return Left(outputs, predicted, len(opened))
