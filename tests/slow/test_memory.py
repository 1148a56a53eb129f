"""Memory is bounded: a stream five times as long needs no more of it.

When this fails, a pipeline that runs for weeks is killed for memory.

    python -m tests.slow.test_memory FOLDER

is the process that is measured: it feeds a pipeline over the log in FOLDER and prints what it
found as JSON.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import orjson
import psutil
import pytest

from stream_cl.pipeline.state import State
from stream_cl.testing.driver import TestDriver

_ROOT: Final = Path(__file__).resolve().parents[2]
EVENTS: Final = 1_000_000
FULL_BY: Final = 200_000
GROWTH_MAX: Final = 0.05
_STEP: Final = 1000
_AROUND: Final = 40_000
"""Memory at a moment is the median over so many events before it: checkpoints come and go."""

CONFIG: Final[dict[str, Any]] = {
    # Labels are records of the step, too, so a step takes all that a round brings.
    "step": {"max_events": 2 * _STEP},
    "topics": {"retention_hours": 30 / 3600},
    "encoder": {"kind": "hashing", "width": 64},
    "learner": {"kind": "softmax", "max_classes": 20},
    "budget": {"kind": "fraction", "fraction": 0.1},
    "labels": {
        "ttl_s": 60.0,
        "pending_capacity": 2100,
        "early_capacity": 1000,
        "closed_window": 2000,
        "held_out_capacity": 200,
    },
    "dedupe": {"window_events": 50_000},
    "evaluation": {"window": 1000},
    "checkpoint": {"every_steps": 50},
}
"""One second of the log's time is a step of 1,000 events, so a request expires after 60,000."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_once_every_store_is_full(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.slow.test_memory", str(tmp_path)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    early, late = orjson.loads(done.stdout)
    for found in (early, late):
        sys.stdout.write(f"{found}\n")
    growth = late["resident_mb"] / early["resident_mb"] - 1
    file_growth = late["file_mb"] / early["file_mb"] - 1
    sys.stdout.write(f"memory grew by {growth:.2%}, the log's file by {file_growth:.2%}\n")
    for found in (early, late):
        not_full = {name: fill for name, fill in found["fill"].items() if fill < 0.95}
        assert not not_full, f"at event {found['events']:,} these were not full: {not_full}"
    assert late["events"] == EVENTS
    assert growth < GROWTH_MAX
    assert file_growth < 0.25, "expired records are not deleted"


def fill(state: State) -> dict[str, float]:
    """Store → how full it is, from 0 to 1. Pending keeps its last tenth for exploration."""
    join, labels = state.join, CONFIG["labels"]
    answers = len(state.accuracy.snapshot()["event"])
    return {
        "pending": min(1.0, len(join.pending) / (0.9 * labels["pending_capacity"])),
        "early labels": len(join.early) / labels["early_capacity"],
        "closed questions": len(join.closed) / labels["closed_window"],
        "held-out": len(state.held_out) / labels["held_out_capacity"],
        "duplicate window": len(state.window) / CONFIG["dedupe"]["window_events"],
        "accuracy window": answers / CONFIG["evaluation"]["window"],
        "classes": len(join.classes.names) / CONFIG["learner"]["max_classes"],
        "feature names": min(1.0, state.encoder.counters["overflow_keys"]),
    }


def feed(driver: TestDriver) -> Iterator[int]:
    """Rounds of 1,000 events and the answers to what was asked; yields the events so far.

    Half of the requests are answered, 10 seconds later, the others expire. Twenty labels a
    round are for events that never come. Feature names and class names change all the time.
    """
    generator = np.random.default_rng(0)
    answers: deque[list[bytes]] = deque([] for _ in range(10))
    position = 0
    for start in range(0, EVENTS, _STEP):
        driver.pipe("events", _events(generator, start))
        strange = [_label(f"never-{start + i}", "a") for i in range(20)]
        driver.pipe("labels", [*answers.popleft(), *strange])
        driver.clock.advance(seconds=1)
        driver.settle()
        asked = driver.log.read("label-requests", 0, position, 10 * _STEP)
        position += len(asked)
        requests = [orjson.loads(value or b"") for value in asked.values]
        opened = [request for request in requests if request["status"] == "open"]
        answers.append([_label(*_truth(request)) for request in opened[::2]])
        yield start + _STEP


def _events(generator: np.random.Generator, start: int) -> list[bytes]:
    values = generator.normal(size=(_STEP, 6)).round(4).tolist()
    newest = f"feature-{start // _STEP}"
    return [
        orjson.dumps(
            {
                "id": str(start + i),
                "time": start + i,
                "features": {**{f"f{j}": v for j, v in enumerate(row)}, newest: row[0]},
            }
        )
        for i, row in enumerate(values)
    ]


def _truth(request: dict[str, Any]) -> tuple[str, str]:
    features, number = request["features"], int(request["id"])
    side = "up" if features["f0"] > features["f1"] else "down"
    return request["id"], side if number % 4 else f"class-{number // 10_000}"


def _label(id_: str, label: str) -> bytes:
    return orjson.dumps({"id": id_, "label": label, "annotator": "truth"})


def main(folder: Path) -> None:
    """Feed a pipeline; print what was found at FULL_BY and at EVENTS as a list."""
    process = psutil.Process(os.getpid())
    resident: deque[int] = deque(maxlen=_AROUND // _STEP)
    found = []
    with TestDriver(CONFIG, folder) as driver:
        for events in feed(driver):
            resident.append(process.memory_info().rss)
            if events in {FULL_BY, EVENTS}:
                assert driver.pipeline is not None
                found.append(
                    {
                        "events": driver.pipeline.state.events,
                        "resident_mb": round(median(resident) / 1e6, 1),
                        "file_mb": round(driver.config.log_file.stat().st_size / 1e6, 1),
                        "fill": fill(driver.pipeline.state),
                        "counts": dict(driver.pipeline.state.counts),
                    }
                )
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
