"""`replay_mlp` in the pipeline: events per second beside accuracy, and beside a plain loop.

The pipeline takes its steps in memory, as `stream-cl evaluate` does: from the records' bytes to
the outputs' bytes, with 5 % labels drawn at random and answered after their step. The plain
loop (`load_tests.plain_loop`) takes the same blocks of events in turn with it: it parses and
standardises them, predicts step by step, writes the predictions as JSON, and learns the very
labels that the pipeline learned, at the same places. What the pipeline does besides (checks,
draws, duplicates, pending, held-out, figures, headers) the plain loop does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from load_tests.plain_loop import PlainProgram
from load_tests.report import one_core, say, table, target
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.topics import NAMES, Topics
from stream_cl.evaluation.agreement import accuracy
from stream_cl.pipeline.offline import Offline, Row, replay
from stream_cl.pipeline.scored import Scored

TARGET_RATIO: Final = 0.9
_STEPS: Final = (1, 32, 256)
_BLOCK: Final = 20 * 256
"""Events of a block; the first of a run is a warm-up."""


class Run(NamedTuple):
    """One seed: fractions right, and events per second of both in each block."""

    right: float
    plain_right: float
    per_s: list[float]
    plain_per_s: list[float]


def compare(rows: list[Row], seeds: int) -> None:
    """Print the table. `rows` have the same numeric features in the same order."""
    say(
        f"{len(rows):,} events of elec2, 5 % labels drawn at random, reservoir of 1,000, one core; "
        f"means over {seeds} seeds (columns: 1), medians over blocks of {_BLOCK:,} events"
    )
    names = list(rows[0].features)
    encoders: list[tuple[dict[str, Any], int]] = [
        ({"kind": "hashing"}, seeds),
        ({"kind": "columns", "columns": names}, 1),
    ]
    lines, ratios = [], {}
    for encoder, runs in encoders:
        for step in _STEPS:
            found = [_run(rows, _config(encoder, step, seed)) for seed in range(runs)]
            ours = [rate for run in found for rate in run.per_s]
            plain = [rate for run in found for rate in run.plain_per_s]
            ratio = median(a / b for a, b in zip(ours, plain, strict=True))
            ratios[encoder["kind"], step] = ratio
            right = [100 * fmean(run.right for run in found)]
            right.append(100 * fmean(run.plain_right for run in found))
            rates = [f"{median(ours):,.0f}", f"{median(plain):,.0f}", f"{ratio:.2f}"]
            shown = [f"{step:,}", f"{right[0]:.2f}", f"{right[1]:.2f}", *rates]
            lines.append([encoder["kind"], *shown])
    head = ["encoder", "step", "accuracy %", "plain loop %", "events/s", "plain loop", "to plain"]
    table(head, lines)
    for (kind, step), ratio in ratios.items():
        what = f"in the pipeline against a plain torch loop, {kind}, step {step}"
        target(what, ratio, TARGET_RATIO, unit=" times")


def _config(encoder: dict[str, Any], step: int, seed: int) -> Config:
    return Config.model_validate(
        {
            "seed": seed,
            "step": {"max_events": step},
            "encoder": encoder,
            "learner": {"kind": "replay_mlp"},
            "memory": {"kind": "reservoir", "capacity": 1000},
            "query": {"kind": "random"},
            "budget": {"kind": "fraction", "fraction": 0.05},
        }
    )


def _run(rows: list[Row], config: Config) -> Run:
    """One seed, block after block: the pipeline, then the plain loop over the same events."""
    named = Topics()
    state = build.fresh_state(config)
    plan = build.plan(config, named, {named.named(name): 1 for name in NAMES}, lambda *_: 0)
    watched = _Watched(state, plan)
    classes = {name: i for i, name in enumerate(dict.fromkeys(row.label for row in rows))}
    truth = [classes[row.label] for row in rows]
    plain = PlainProgram(state.encoder.width, len(rows[0].features), len(classes), config.seed)
    per_s, plain_per_s = [], []
    done = 0

    def progress(events: int) -> None:
        nonlocal done
        if events - done < _BLOCK and events < len(rows):
            return
        steps, number = [], done
        for values, learned in watched.steps:
            steps.append((values, learned, [truth[number + row] for row in learned]))
            number += len(values)
        per_s.append((events - done) / watched.seconds)
        plain_per_s.append((events - done) / plain.block(steps))
        watched.clear()
        done = events

    with one_core():
        outcome = replay(watched, rows, config.step.max_events, 0, SystemClock(), progress)
    return Run(
        accuracy(outcome.truth, outcome.predicted),
        float(np.mean(np.array(plain.predicted) == np.array(truth))),
        per_s[1:],
        plain_per_s[1:],
    )


class _Watched(Offline):
    """Remembers of its steps what the plain loop has to do, and how long they took."""

    def clear(self) -> None:
        self.steps: list[tuple[Sequence[bytes], list[int]]] = []
        self.seconds = 0.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.clear()

    def step(self, events: Sequence[bytes], labels: Sequence[bytes]) -> Scored:
        began = perf_counter()
        scored = super().step(events, labels)
        self.seconds += perf_counter() - began
        if events:
            decision = scored.verdicts.decision
            learned = np.flatnonzero(decision.asked & ~decision.held_out).tolist()
            self.steps.append((events, learned))
        return scored
