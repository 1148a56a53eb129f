"""`peer`: the stream strategies of scikit-activeml beside ours: same learner, stream and spend.

The peer runs as its documentation shows it, one event at a time: predict, query, learn the answer
at once, update. Its classifier is our `softmax` behind its interface, over the vectors of our
encoder; it too gets the labels of the first ten events. Ours runs over the same vectors
(`asking_arrays`): in steps of one event, as the peer does, and in the default's, where what is
asked is learned after the step, so that an event is predicted by a learner that is up to a step
old. Its strategies do not spend what they are told, so ours is run again at the share of the labels
that each of them bought.

By default ours draws three of ten labels at random and keeps one of them from the learner, so that
its figures are honest; the peer has no such figures, so ours is run without that, too ("by choice":
one label of fifty at random, none held out).

Instances per second are per second of CPU time, as measured in each run of both: predict, query,
learn and update. Those runs are minutes apart, in which a machine may become slower or faster by
half. So the most accurate of theirs and ours take turns over the first events of the stream once
more, and the median of the turns' ratios is what is compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean, median
from typing import Any, Final, NamedTuple

from load_tests import streams
from load_tests.asking_grid import Runs, Wanted, settings
from load_tests.page import as_table, put
from load_tests.report import MissingData, say, table, target
from stream_cl.cli.compare_cells import Cell, Job, Results, code_digest, key
from stream_cl.cli.compare_plan import Stream
from stream_cl.cli.compare_pool import run
from stream_cl.cli.compare_statistics import Mean, mean
from stream_cl.config import Config
from stream_cl.config.file import load

PEER_WORKER: Final = (sys.executable, "-m", "load_tests.asking_peer_worker")
RATE: Final = 0.05
OURS: Final = "ours"
"""Name of our way of asking, beside theirs."""
STRATEGIES: Final[dict[str, bool]] = {
    "StreamRandomSampling": True,
    "FixedUncertainty": False,
    "VariableUncertainty": False,
    "RandomVariableUncertainty": True,
    "Split": True,
    "VariableUncertainty with BIQF": False,
    "StreamProbabilisticAL": False,
    "StreamDensityBasedAL": True,
    "CognitiveDualQueryStrategyVarUn": False,
}
"""Of `skactiveml.stream`, and whether it draws: those that do not are one run whatever the seed.
BIQF is its balanced incremental quantile filter."""
LEFT_OUT: Final = {("nsl_kdd", "StreamProbabilisticAL")}
"""Of stream and strategy: with the 40 classes of nsl_kdd it takes 0.19 s an event, hours a run."""
_STEP: Final = Config().step.max_events
_BY_CHOICE: Final = ("budget.held_out=0", "budget.floor=0.02")
WAYS: Final[dict[str, tuple[str, ...]]] = {
    f"step {_STEP}": (f"step.max_events={_STEP}",),
    f"step {_STEP}, by choice": (f"step.max_events={_STEP}", *_BY_CHOICE),
    "step 1": ("step.max_events=1",),
    "step 1, by choice": ("step.max_events=1", *_BY_CHOICE),
}
"""What ours is run with."""
_SPENDS: Final = (0.9, 1.1)
"""Shares of what it was told that a strategy may spend to be among those that do as told."""


@dataclass(frozen=True, slots=True)
class PeerJob(Job):
    """A job of `asking_peer_worker`: a strategy by name, and the share it is told to spend.

    pace: it and ours take turns, for their rates alone; ours is told what stands in `sets`.
    """

    strategy: str = ""
    rate: float = 0.0
    pace: bool = False


class Pair(NamedTuple):
    """One of their strategies on a stream, and each of our ways at what it spent.

    accuracy: theirs, in %. per_s: instances per CPU second, theirs. labels: share of the events
    that it asked for. gains: points of accuracy above it, and ours per CPU second, by way.
    """

    accuracy: Mean
    per_s: float
    labels: float
    gains: dict[str, tuple[Mean, float]]

    @property
    def as_told(self) -> bool:
        """Whether it spent about what it was told."""
        return _SPENDS[0] <= self.labels / RATE <= _SPENDS[1]


Pairs = dict[str, Pair]
"""By their strategy."""


def peer(wanted: Wanted) -> None:
    """Print a table for each stream, and one for all of them."""
    try:
        found = version("scikit-activeml")
    except PackageNotFoundError:
        raise MissingData("scikit-activeml is not there; `make bench-asking` installs it") from None
    say(f"scikit-activeml {found}, scikit-learn {version('scikit-learn')}; {wanted.seeds} seeds")
    caption = f"scikit-activeml {found}. {settings(wanted)}."
    every = []
    for name in wanted.streams:
        stream = streams.stream(name, wanted.data_dir, wanted.limit)
        sets = *streams.sets(name), *wanted.sets
        pairs = _pairs(wanted, stream, sets, found)
        every.append(pairs)
        best = max(pairs, key=lambda one: pairs[one].accuracy.value)
        turns = _by_turns(wanted, stream, sets, best, pairs[best].labels, found)
        put(wanted.page, f"peer {name}", f"{caption}\n\n{_shown(name, pairs, best, turns)}")
    if len(every) > 1:
        put(wanted.page, "peer", f"{caption}\n\n{_over_streams(wanted, every)}")


def _pairs(wanted: Wanted, stream: Stream, sets: Sequence[str], peer: str) -> Pairs:
    """Run theirs, then ours at what each of theirs spent."""
    seeds, kept = range(wanted.seeds), Results(wanted.cache / "peer")
    planned = [
        _cell(stream, sets, name, RATE, seed, peer)
        for name, draws in STRATEGIES.items()
        if (stream.name, name) not in LEFT_OUT
        for seed in (seeds if draws else [0])
    ]
    theirs = _by_strategy(run(planned, kept, wanted.jobs, PEER_WORKER))
    planned = []
    for name, runs in theirs.items():
        share = round(min(1.0, max(fmean(x["labels_asked"] / x["events"] for x in runs), 1e-4)), 5)
        for way, own in WAYS.items():
            laid = (*sets, f"budget.fraction={share}", *own)
            planned += [_cell(stream, laid, OURS, share, seed, f"{name}/{way}") for seed in seeds]
    same: dict[str, list[dict[str, Any]]] = {}
    for cell, figures in run(planned, kept, wanted.jobs, PEER_WORKER):
        same.setdefault(cell.budget, []).append(figures)
    return {name: paired(name, runs, same) for name, runs in theirs.items()}


def _by_turns(
    wanted: Wanted, stream: Stream, sets: Sequence[str], best: str, labels: float, peer: str
) -> dict[str, Any]:
    """Theirs and ours by turns, one process at a time."""
    laid = (*sets, f"budget.fraction={round(labels, 5)}")
    cell = _cell(stream, laid, best, RATE, 0, f"{peer}/by turns", pace=True)
    ((_, turns),) = run([cell], Results(wanted.cache / "peer"), 1, PEER_WORKER)
    return turns


def _cell(
    stream: Stream,
    sets: Sequence[str],
    strategy: str,
    rate: float,
    seed: int,
    named: str,
    pace: bool = False,
) -> Cell:
    told = (*sets, f"seed={seed}")
    made_of = key(load(None, list(told), {}), stream.digest, code_digest())
    place = f"{made_of}-{named}-{strategy}-{rate}"
    job = PeerJob(place, None, told, stream.files, stream.limit, None, strategy, rate, pace)
    return Cell(stream.name, strategy, named, rate, seed, job)


def _by_strategy(runs: Runs) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for cell, figures in runs:
        found.setdefault(cell.strategy, []).append(figures)
    return found


def paired(name: str, theirs: list[dict[str, Any]], ours: dict[str, list[dict[str, Any]]]) -> Pair:
    """Their runs of one strategy, and ours by strategy/way; where theirs is one run, it is held
    against each of ours."""
    gains = {}
    for way in WAYS:
        same = ours[f"{name}/{way}"]
        against = theirs if len(theirs) == len(same) else theirs * len(same)
        points = [100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(same, against, strict=True)]
        gains[way] = mean(points), _per_s(same)
    return Pair(
        mean([100 * one["accuracy"] for one in theirs]),
        _per_s(theirs),
        fmean(one["labels_asked"] / one["events"] for one in theirs),
        gains,
    )


def _per_s(runs: Sequence[dict[str, Any]]) -> float:
    return sum(one["events"] for one in runs) / sum(one["cpu_s"] for one in runs)


def times(turns: dict[str, Any], way: str) -> float:
    """Our rate over theirs: the median of the turns' ratios."""
    return median(a / b for a, b in zip(turns["ours"][way], turns["theirs"], strict=True))


def _shown(stream: str, pairs: Pairs, best: str, turns: dict[str, Any]) -> str:
    """Print the table of a stream; returns it for the page."""
    head = ["scikit-activeml", "labels", "accuracy %", "instances/CPU s"]
    head += [f"ours over it, {way}" for way in WAYS]
    rows = [
        [name, f"{pair.labels:.2%}", _points(pair.accuracy), f"{pair.per_s:,.0f}"]
        + [_points(pair.gains[way][0], "+") for way in WAYS]
        for name, pair in pairs.items()
    ]
    fast = {way: fmean(pair.gains[way][1] for pair in pairs.values()) for way in WAYS}
    pace = "; ".join(f"{way} {per_s:,.0f}" for way, per_s in fast.items())
    ratios = "; ".join(f"{way} {times(turns, way):,.0f}" for way in WAYS)
    say(f"\n{stream}, told to spend {RATE:.0%}. Ours, events/CPU s: {pace}.")
    say(f"By turns with {best}, times its rate: {ratios}.")
    table(head, rows)
    for way in WAYS:
        gain, _ = pairs[best].gains[way]
        above = gain.value + (gain.half or 0.0)
        target(f"{stream}, {way}: over its best, same spend", gain.value, 0, unit=" points")
        target(f"{stream}, {way}: the upper end of that", above, 0, unit=" points")
        target(f"{stream}, {way}: times its rate, by turns", times(turns, way), 50)
    text = f"{stream}, told to spend {RATE:.0%}. Ours, events per CPU second: {pace}."
    text += f" By turns with {best}, times its rate: {ratios}."
    return f"{text}\n\n{as_table(head, rows)}"


def _over_streams(wanted: Wanted, every: Sequence[Pairs]) -> str:
    """Print what ours has over each strategy in the mean of the streams."""
    say(f"\nmean over {', '.join(wanted.streams)}")
    head = ["scikit-activeml", *(f"ours over it, {way}" for way in WAYS)]
    gains = {
        name: {
            way: fmean(pairs[name].gains[way][0].value for pairs in every if name in pairs)
            for way in WAYS
        }
        for name in STRATEGIES
        if any(name in pairs for pairs in every)
    }
    rows = [[name, *(f"{by[way]:+.2f}" for way in WAYS)] for name, by in gains.items()]
    table(head, rows)
    told = [name for name in gains if all(pairs[name].as_told for pairs in every if name in pairs)]
    told = told or list(gains)  # over a few events nobody does
    for way in WAYS:
        least = min(told, key=lambda name: gains[name][way])
        what = f"{way}: over {least}, mean of the streams, least of those that spend as told"
        target(what, gains[least][way], 0, unit=" points")
    return f"Mean over the streams.\n\n{as_table(head, rows)}"


def _points(value: Mean, sign: str = "") -> str:
    half = "" if value.half is None else f" ± {value.half:.2f}"
    return f"{value.value:{sign}.2f}{half}"
