"""`cost`: what the query strategy takes of a step of 1,000 events, for every kind there is.

The step alone, in memory, from parsed records to encoded outputs, answers included; the share is
that of the strategy's `utility`, `commit` and `learn` in all of it, in CPU time of one process. 5 %
labels, the default learner. Two streams: ten numbers as columns and two classes, and insects (33
numbers and 6 classes, in the default encoder's 128 columns), which makes distances dear.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import Any, Final

import numpy as np

from load_tests import streams
from load_tests.asking_grid import Wanted
from load_tests.page import as_table, put
from load_tests.report import MissingData, one_core, say, table, target
from load_tests.stages import Stages
from load_tests.synthetic import COLUMNS, config
from stream_cl import build
from stream_cl.config import Config, kinds
from stream_cl.core.clock import SystemClock
from stream_cl.core.topics import NAMES, Topics
from stream_cl.pipeline.offline import Offline, Row, replay

SIZE: Final = 1000
_EVENTS: Final = 24_000
_MOST: Final = 0.20
_MAY_COST_MORE: Final = {"committee", "bald"}


def cost(wanted: Wanted) -> None:
    """Print the tables."""
    told = _on("ten columns", _synthetic(), config("columns", SIZE))
    try:
        stream = streams.stream("insects", wanted.data_dir, _EVENTS)
    except MissingData as missing:
        say(f"insects skipped: {missing}")
        return
    rows = list(streams.rows(stream.files, stream.limit))
    wide = _on("insects", rows, {"step": {"max_events": SIZE}})
    lines = [[kind, *figures, *wide[kind]] for kind, figures in told.items()]
    per = ["ten columns: µs/event", "share", "insects: µs/event", "share"]
    put(wanted.page, "cost", as_table(["strategy", *per], lines))


def _on(name: str, rows: Sequence[Row], settings: dict[str, Any]) -> dict[str, list[str]]:
    """Print a table; returns strategy → microseconds per event and share."""
    lines, shares = [], {}
    with one_core():
        for kind in sorted(kinds("query")):
            given = Config.model_validate({**settings, "query": {"kind": kind}})
            _measure(given, rows[: 3 * SIZE])  # compiles
            step_us, query_us = _measure(given, rows)
            shares[kind] = query_us / step_us
            lines.append([kind, f"{query_us:.3f}", f"{step_us:.2f}", f"{shares[kind]:.1%}"])
    say(f"\n{name}, {len(rows):,} events")
    table(["strategy", "query µs/event", "step µs/event", "share"], lines)
    held = {kind: share for kind, share in shares.items() if kind not in _MAY_COST_MORE}
    worst = max(held, key=held.__getitem__)
    what = f"{name}, largest share, {worst}"
    target(what, 100 * held[worst], 100 * _MOST, at_least=False, unit=" %")
    return {line[0]: [line[1], line[3]] for line in lines}


def _synthetic() -> list[Row]:
    values = np.random.default_rng(0).normal(size=(_EVENTS, len(COLUMNS))).round(6)
    return [
        Row(dict(zip(COLUMNS, row, strict=True)), "up" if row[0] + row[1] > 0 else "down")
        for row in values.tolist()
    ]


def _measure(settings: Config, rows: Sequence[Row]) -> tuple[float, float]:
    """CPU microseconds per event of the steps and of the strategy in them."""
    named = Topics()
    state = build.fresh_state(settings)
    plan = build.plan(settings, named, {named.named(n): 1 for n in NAMES}, lambda t, k: 0)
    offline, stages = Offline(state, plan), Stages(process_time)
    stages.wrap(offline, "step", "rest")
    for name in ("utility", "commit", "learn"):
        stages.wrap(state.query, name, "query")
    try:
        replay(offline, rows, SIZE, 0, SystemClock())
    finally:
        stages.unwrap()
    us = 1e6 / len(rows)
    return sum(stages.seconds.values()) * us, stages.seconds["query"] * us
