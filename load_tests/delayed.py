"""A recorded stream through the pipeline's own steps, whose answers come late by chance."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.topics import NAMES, Topics
from stream_cl.pipeline.offline import Offline, Row
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State

SIGMA: Final = 1.5
"""Of the logarithm of a delay: one answer in twenty takes 12 times the median or longer."""


class Step(NamedTuple):
    """One step: the events' numbers, what was decided, and the state before it was learned."""

    first: int
    scored: Scored
    state: State


def delays(n: int, median_events: float, seed: int) -> npt.NDArray[np.float64]:
    """`float64 [n]`: lognormal, in events; 0 for all where the median is."""
    if not median_events:
        return np.zeros(n)
    draw = np.random.default_rng(seed)
    return np.exp(np.log(median_events) + SIGMA * draw.standard_normal(n))


def steps(config: Config, rows: Sequence[Row], late: npt.NDArray[np.float64]) -> Iterator[Step]:
    """Every step of a run; the answer to event i is read `late[i]` events after it."""
    named = Topics("")
    plan = build.plan(config, named, dict.fromkeys(NAMES, 1), lambda topic, key: 0)
    offline = Offline(build.fresh_state(config), plan)
    due: list[tuple[float, int]] = []
    for first in range(0, len(rows), config.step.max_events):
        part = rows[first : first + config.step.max_events]
        events = [
            orjson.dumps({"id": str(first + i), "time": first + i, "features": row.features})
            for i, row in enumerate(part)
        ]
        answers = []
        while due and due[0][0] <= first:
            number = heapq.heappop(due)[1]
            answers.append(orjson.dumps({"id": str(number), "label": rows[number].label}))
        scored = offline.step(events, answers)
        for i in np.flatnonzero(scored.verdicts.decision.asked).tolist():
            number = int(scored.events.ids[i])
            heapq.heappush(due, (number + float(late[number]), number))
        yield Step(first, scored, offline.state)
