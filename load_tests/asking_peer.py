"""`peer`: the stream strategies of scikit-activeml beside ours: same learner, stream and spend.

The peer runs as its documentation shows it, one event at a time: predict, query, learn the answer
at once, update. Its classifier is our `softmax` behind its interface, over the vectors of our
encoder; it too gets the labels of the first ten events. Its strategies do not spend what they are
told, so ours is run again at the share of the labels that each of them bought. Ours runs through
the whole pipeline, from JSON to the outputs' bytes. By default it draws three of ten labels at
random and keeps one of them from the learner, so that its figures are honest; the peer has no such
figures, so ours is run without that, too ("by choice": quantile lines, as its BIQF draws them, one
label of fifty at random, none held out).

Instances per second are per second of CPU time, as measured in each run for the peer: predict,
query, learn and update, over arrays. Ours is measured likewise, over the same arrays
(`asking_arrays`), and with the whole pipeline around it, in one process alone on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean
from time import process_time
from typing import Any, Final, NamedTuple

from load_tests import streams
from load_tests.asking_arrays import encoded, events_per_cpu_second
from load_tests.asking_grid import WORKER, Runs, Wanted, settings
from load_tests.page import as_table, put
from load_tests.report import MissingData, one_core, say, table, target
from stream_cl.cli.compare_cells import Cell, Job, Results, code_digest, key
from stream_cl.cli.compare_plan import Stream, Way, cells
from stream_cl.cli.compare_pool import run
from stream_cl.cli.compare_statistics import mean
from stream_cl.cli.evaluate import run_once
from stream_cl.config import Config
from stream_cl.config.file import load

PEER_WORKER: Final = (sys.executable, "-m", "load_tests.asking_peer_worker")
RATES: Final = (0.05,)
STRATEGIES: Final = (
    "StreamRandomSampling",
    "FixedUncertainty",
    "VariableUncertainty",
    "RandomVariableUncertainty",
    "Split",
    "VariableUncertainty with BIQF",
    "StreamProbabilisticAL",
    "StreamDensityBasedAL",
    "CognitiveDualQueryStrategyVarUn",
)
"""Of `skactiveml.stream`; BIQF is its balanced incremental quantile filter."""
_STEP: Final = Config().step.max_events
_BY_CHOICE: Final = ("budget.kind=quantile", "budget.held_out=0", "budget.floor=0.02")
OURS: Final[dict[str, tuple[str, ...]]] = {
    f"step {_STEP}": (f"step.max_events={_STEP}",),
    f"step {_STEP}, by choice": (f"step.max_events={_STEP}", *_BY_CHOICE),
    "step 1, by choice": ("step.max_events=1", *_BY_CHOICE),
}
"""What ours is run with."""
_SHOWN: Final = f"step {_STEP}, by choice"
_SPEED_EVENTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class PeerJob(Job):
    """A job of `asking_peer_worker`: a strategy by name, and the share it is told to spend."""

    strategy: str = ""
    rate: float = 0.0


Gains = dict[str, dict[str, list[float]]]
"""Their strategy → what ours is run with → points of accuracy above it, a number a stream."""


class Speed(NamedTuple):
    """Events per CPU second, of the asking over arrays and of the whole pipeline."""

    arrays: float
    pipeline: float


class Beaten(NamedTuple):
    """Their most accurate strategy: accuracy, what ours has over it, and instances per CPU s."""

    strategy: str
    accuracy: float
    gain: float
    per_s: float


def peer(wanted: Wanted) -> None:
    """Print a table for each stream and rate."""
    try:
        found = version("scikit-activeml")
    except PackageNotFoundError:
        raise MissingData("scikit-activeml is not there; `make bench-asking` installs it") from None
    say(f"scikit-activeml {found}, scikit-learn {version('scikit-learn')}; {wanted.seeds} seeds")
    written = [f"scikit-activeml {found}. {settings(wanted)}."]
    gains: Gains = {}
    for name in wanted.streams:
        stream = streams.stream(name, wanted.data_dir, wanted.limit)
        sets = (*streams.sets(name), *wanted.sets)
        planned = _peer_cells(stream, sets, wanted.seeds, found)
        theirs = run(planned, Results(wanted.cache / "peer"), wanted.jobs, PEER_WORKER)
        speed = {step: _speed(stream, sets, step) for step in (1, _STEP)}
        for rate in RATES:
            written.append(_compare(wanted, stream, sets, rate, theirs, speed, gains))
    written.append(_over_streams(wanted, gains))
    put(wanted.page, "peer", "\n\n".join(written))


def _peer_cells(stream: Stream, sets: Sequence[str], seeds: int, peer: str) -> list[Cell]:
    config, code = load(None, list(sets), {}), code_digest()
    made = []
    for rate in RATES:
        for strategy in STRATEGIES:
            for seed in range(seeds):
                told = (*sets, f"seed={seed}")
                named = key(config.model_copy(update={"seed": seed}), stream.digest, code)
                job = PeerJob(
                    f"{named}-{peer}-{strategy}-{rate}", None, told, stream.files, stream.limit,
                    None, strategy, rate,
                )  # fmt: skip
                made.append(Cell(stream.name, strategy, "its own", rate, seed, job))
    return made


def _compare(
    wanted: Wanted,
    stream: Stream,
    sets: Sequence[str],
    rate: float,
    theirs: Runs,
    speed: dict[int, Speed],
    gains: Gains,
) -> str:
    say(f"\n{stream.name}, told to spend {rate:.0%}")
    ours = _ours(wanted, stream, sets, rate, theirs)
    rows, best = [], Beaten("", 0.0, 0.0, 0.0)
    for strategy in STRATEGIES:
        runs = _of(theirs, strategy, rate)
        right = mean([one["accuracy"] for one in runs])
        per_s = fmean(one["events"] / one["cpu_s"] for one in runs)
        row = [strategy, _share(runs), _percent(right.value, right.half), f"{per_s:,.0f}"]
        for name in OURS:
            same = _of(ours, f"{strategy}/{name}", rate)
            gain = mean([a["accuracy"] - b["accuracy"] for a, b in zip(same, runs, strict=True)])
            row += [_share(same), _percent(gain.value, gain.half, "+")]
            gains.setdefault(strategy, {}).setdefault(name, []).append(100 * gain.value)
            if name == _SHOWN and right.value > best.accuracy:
                best = Beaten(strategy, right.value, gain.value, per_s)
        rows.append(row)
    head = ["scikit-activeml", "labels", "accuracy %", "instances/CPU s"]
    head += [text for name in OURS for text in ("labels", f"ours over it, {name}")]
    table(head, rows)
    fast = "; ".join(
        f"at step {step} {pace.arrays:,.0f} events/CPU s over arrays, {pace.pipeline:,.0f} with "
        "the whole pipeline"
        for step, pace in speed.items()
    )
    say(f"ours: {fast}")
    target(
        f"over its best, {best.strategy}, same spend, {_SHOWN}", 100 * best.gain, 0, unit=" points"
    )
    times = speed[_STEP].arrays / best.per_s
    target(f"times its rate, over arrays, step {_STEP}", times, 50)
    return f"{stream.name}, told to spend {rate:.0%}. Ours: {fast}.\n\n{as_table(head, rows)}"


def _over_streams(wanted: Wanted, gains: Gains) -> str:
    """Print what ours has over each strategy in the mean of the streams."""
    say(f"\nmean over {', '.join(wanted.streams)}")
    head = ["scikit-activeml", *(f"ours over it, {name}" for name in OURS)]
    rows = [[one, *(f"{fmean(by[name]):+.2f}" for name in OURS)] for one, by in gains.items()]
    table(head, rows)
    for name in OURS:
        means = {one: fmean(by[name]) for one, by in gains.items()}
        least = min(means, key=means.__getitem__)
        what = f"over {least}, {name}, mean over the streams, least of all"
        target(what, means[least], 0, unit=" points")
    return f"Mean over the streams.\n\n{as_table(head, rows)}"


def _ours(wanted: Wanted, stream: Stream, sets: Sequence[str], rate: float, theirs: Runs) -> Runs:
    """Our runs at the share that each strategy bought, named strategy/settings."""
    planned = []
    for strategy in STRATEGIES:
        runs = _of(theirs, strategy, rate)
        bought = fmean(one["labels_asked"] / one["events"] for one in runs)
        share = round(min(1.0, max(bought, 1e-4)), 5)
        for name, own in OURS.items():
            laid = (*sets, f"budget.fraction={share}", *own)
            way = Way(f"{strategy}/{name}", "ours", rate, laid)
            planned += cells(None, [stream], [way], wanted.seeds)
    return run(planned, Results(wanted.cache), wanted.jobs, WORKER)


def _of(runs: Runs, strategy: str, rate: float) -> list[dict[str, Any]]:
    """Figures of one strategy at one rate, by seed."""
    return [f for c, f in runs if (c.strategy, c.rate) == (strategy, rate)]


def _speed(stream: Stream, sets: Sequence[str], step: int) -> Speed:
    few = replace(stream, limit=min(stream.limit or _SPEED_EVENTS, _SPEED_EVENTS))
    rows = streams.rows(few.files, few.limit)
    config = load(None, [*sets, f"step.max_events={step}", *_BY_CHOICE], {})
    with one_core():
        arrays = events_per_cpu_second(config, *encoded(config, rows), step)
        run_once(config, list(rows)[:1000])
        began = process_time()
        outcome, _ = run_once(config, rows)
        return Speed(arrays, len(outcome.truth) / (process_time() - began))


def _share(runs: Sequence[dict[str, Any]]) -> str:
    return f"{fmean(one['labels_asked'] / one['events'] for one in runs):.2%}"


def _percent(value: float, half: float | None, sign: str = "") -> str:
    return f"{100 * value:{sign}.2f}" + ("" if half is None else f" ± {100 * half:.2f}")
