"""`step`: the step alone, in memory, from parsed records to encoded outputs.

No log and no disk: what is measured is `pipeline.step`, the code that every event goes
through. The answers to what a step asked come with the next one.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

from load_tests.report import Options, one_core, say, table, target
from load_tests.stages import Stages
from load_tests.synthetic import answers, config, events
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.topics import NAMES, Topics
from stream_cl.pipeline import batches, publish
from stream_cl.pipeline import step as path
from stream_cl.pipeline.offline import Offline

TARGET_PER_S: Final = 150_000
_STEPS: Final = {1000: 100, 256: 200, 32: 600, 1: 4000}
"""Step size → steps measured; a fifth as many go before as warm-up."""


class Measured(NamedTuple):
    """Median, tenth and ninetieth percentile of the microseconds per event."""

    median_us: float
    low_us: float
    high_us: float

    @property
    def per_s(self) -> float:
        return 1e6 / self.median_us


def run(options: Options) -> None:
    """Print the table, and the profile if it is asked for."""
    say("10 numeric features, 5 % labels, softmax, in memory, one core; medians over steps")
    rows, promised = [], 0.0
    with one_core():
        for encoder in ("columns", "hashing"):
            for size, steps in _STEPS.items():
                found = measure(encoder, size, steps)
                if encoder == "columns" and size == 1000:
                    promised = found.per_s
                rows.append(
                    [
                        encoder,
                        f"{size:,}",
                        str(steps),
                        f"{found.median_us:.2f}",
                        f"{found.low_us:.2f} to {found.high_us:.2f}",
                        f"{found.per_s:,.0f}",
                    ]
                )
        table(["encoder", "step", "steps", "µs/event", "10 to 90 %", "events/s"], rows)
        target("the step alone, columns, steps of 1,000", promised, TARGET_PER_S, unit=" events/s")
        if options.profile:
            for size in (1000, 1):
                _profile(size)


def measure(encoder: str, size: int, steps: int) -> Measured:
    """Time steps of `size` events each, after a warm-up."""
    taken = _Steps(encoder, size)
    taken.take(steps // 5)
    times = sorted(taken.take(steps))
    tenth = len(times) // 10
    return Measured(
        *(seconds / size * 1e6 for seconds in (median(times), times[tenth], times[-1 - tenth]))
    )


class _Steps:
    """A pipeline in memory and the stream that it is fed with."""

    def __init__(self, encoder: str, size: int) -> None:
        settings = Config.model_validate(config(encoder, size))
        named = Topics()
        partitions = {named.named(name): 1 for name in NAMES}
        self.state = build.fresh_state(settings)
        self.plan = build.plan(settings, named, partitions, lambda topic, key: 0)
        self._offline = Offline(self.state, self.plan)
        self._size = size
        self._next = 0
        self._labels: list[bytes] = []

    def take(self, steps: int) -> list[float]:
        """Seconds of each of so many further steps."""
        start, size = self._next, self._size
        self._next += steps * size
        records = events(start, self._next)
        times = []
        for at in range(0, len(records), size):
            part = records[at : at + size]
            began = perf_counter()
            scored = self._offline.step(part, self._labels)
            times.append(perf_counter() - began)
            self._labels = answers(scored)
        return times


def _profile(size: int) -> None:
    """Print what each stage of a step takes."""
    taken, stages = _Steps("columns", size), Stages()
    taken.take(_STEPS[size] // 5)
    state = taken.state
    for owner, name, stage in (
        (taken._offline, "step", "the rest of the step"),
        (type(taken.plan.decoder), "events", "decode events"),
        (type(taken.plan.decoder), "labels", "decode labels"),
        (path, "_fresh", "draws and duplicates"),
        (state.encoder, "encode", "encode"),
        (state.guard, "predict", "predict"),
        (state.query, "utility", "utility"),
        (state.budget, "decide", "budget"),
        (publish, "predictions", "write predictions"),
        (batches, "by_source", "keys and headers of predictions"),
        (type(taken.plan.requests), "open", "write requests"),
        (state.window, "commit", "window: put in"),
        (path, "absorb", "pending, labels, figures"),
        (state.guard, "learn", "learn"),
    ):
        stages.wrap(owner, name, stage)
    try:
        times = taken.take(_STEPS[size])
    finally:
        stages.unwrap()
    say(f"\nprofile, columns, steps of {size:,}: mean {sum(times) / len(times) / size * 1e6:.2f}")
    table(["stage", "µs/event", "share"], stages.table(len(times) * size))
