"""`peer`: the stream strategies of scikit-activeml beside ours: same learner, stream and spend.

The peer runs as its documentation shows it, one event at a time: predict, query, learn the answer
at once, update. Its classifier is our `softmax` behind its interface, over the vectors of our
encoder; it too gets the labels of the first ten events. Its strategies do not spend what they are
told, so ours is run again at the share of the labels that each of them bought, with its held-out
labels counted. Ours runs through the whole pipeline, from JSON to the outputs' bytes, at step 1 and
at the default step; the peer's time is that of predict, query, learn and update, over arrays.

Instances per second are per second of CPU time, of one process alone on one core for ours and as
measured in each run for the peer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean
from time import process_time
from typing import Any, Final

from load_tests import streams
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
_SPEED_EVENTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class PeerJob(Job):
    """A job of `asking_peer_worker`: a strategy by name, and the share it is told to spend."""

    strategy: str = ""
    rate: float = 0.0


def peer(wanted: Wanted) -> None:
    """Print a table for each stream and rate."""
    try:
        found = version("scikit-activeml")
    except PackageNotFoundError:
        raise MissingData("scikit-activeml is not there; `make bench-asking` installs it") from None
    say(f"scikit-activeml {found}, scikit-learn {version('scikit-learn')}; {wanted.seeds} seeds")
    default = Config().step.max_events
    written = [f"scikit-activeml {found}. {settings(wanted)}."]
    for name in wanted.streams:
        stream = streams.stream(name, wanted.data_dir, wanted.limit)
        sets = (*streams.sets(name), *wanted.sets)
        planned = _peer_cells(stream, sets, wanted.seeds, found)
        theirs = run(planned, Results(wanted.cache / "peer"), wanted.jobs, PEER_WORKER)
        speed = {step: _speed(stream, sets, step) for step in (1, default)}
        for rate in RATES:
            written.append(_compare(wanted, stream, sets, rate, theirs, speed))
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
    speed: dict[int, float],
) -> str:
    say(f"\n{stream.name}, told to spend {rate:.0%}")
    ours = _ours(wanted, stream, sets, rate, theirs, list(speed))
    rows, best = [], ("", 0.0, 0.0)
    for strategy in STRATEGIES:
        runs = _of(theirs, strategy, rate)
        right = mean([one["accuracy"] for one in runs])
        per_s = fmean(one["events"] / one["cpu_s"] for one in runs)
        row = [strategy, _share(runs), _percent(right.value, right.half), f"{per_s:,.0f}"]
        for step in speed:
            same = _of(ours, f"{strategy}/{step}", rate)
            gain = mean([a["accuracy"] - b["accuracy"] for a, b in zip(same, runs, strict=True)])
            row += [_share(same), _percent(gain.value, gain.half, "+")]
            if step == max(speed) and right.value > best[1]:
                best = (strategy, right.value, gain.value)
        rows.append(row)
    steps = [text for step in speed for text in ("labels", f"ours over it, step {step}")]
    head = ["scikit-activeml", "labels", "accuracy %", "instances/CPU s", *steps]
    table(head, rows)
    for step, ours_per_s in speed.items():
        say(f"ours at step {step}: {ours_per_s:,.0f} events/CPU s")
    slowest = fmean(one["events"] / one["cpu_s"] for one in _of(theirs, best[0], rate))
    step = max(speed)
    what = f"over its best, {best[0]}, same spend, step {step}"
    target(what, 100 * best[2], 0.0, unit=" points")
    target(f"times its rate, step {step}", speed[step] / slowest, 50)
    fast = ", ".join(f"{per_s:,.0f} events/CPU s at step {step}" for step, per_s in speed.items())
    return f"{stream.name}, told to spend {rate:.0%}; ours: {fast}.\n\n{as_table(head, rows)}"


def _ours(
    wanted: Wanted,
    stream: Stream,
    sets: Sequence[str],
    rate: float,
    theirs: Runs,
    steps: Sequence[int],
) -> Runs:
    """Our runs at the share that each strategy bought, named strategy/step."""
    planned = []
    for strategy in STRATEGIES:
        runs = _of(theirs, strategy, rate)
        bought = fmean(one["labels_asked"] / one["events"] for one in runs)
        share = round(min(1.0, max(bought, 1e-4)), 5)
        for step in steps:
            laid = (*sets, f"budget.fraction={share}", f"step.max_events={step}")
            way = Way(f"{strategy}/{step}", "ours", rate, laid)
            planned += cells(None, [stream], [way], wanted.seeds)
    return run(planned, Results(wanted.cache), wanted.jobs, WORKER)


def _of(runs: Runs, strategy: str, rate: float) -> list[dict[str, Any]]:
    """Figures of one strategy at one rate, by seed."""
    return [f for c, f in runs if (c.strategy, c.rate) == (strategy, rate)]


def _speed(stream: Stream, sets: Sequence[str], step: int) -> float:
    """Events per CPU second of our whole pipeline."""
    few = replace(stream, limit=min(stream.limit or _SPEED_EVENTS, _SPEED_EVENTS))
    rows = streams.rows(few.files, few.limit)
    config = load(None, [*sets, f"step.max_events={step}"], {})
    with one_core():
        run_once(config, list(rows)[:1000])
        began = process_time()
        outcome, _ = run_once(config, rows)
        return len(outcome.truth) / (process_time() - began)


def _share(runs: Sequence[dict[str, Any]]) -> str:
    return f"{fmean(one['labels_asked'] / one['events'] for one in runs):.2%}"


def _percent(value: float, half: float | None, sign: str = "") -> str:
    return f"{100 * value:{sign}.2f}" + ("" if half is None else f" ± {100 * half:.2f}")
