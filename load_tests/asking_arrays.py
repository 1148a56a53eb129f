"""Our asking without the pipeline around it, to be compared with a library that has none.

Predict, say how useful each event's label would be, decide, learn the answers after the step: the
same calls that the pipeline makes, over vectors that are encoded beforehand. No records, ids,
questions, figures, digests or outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from time import process_time
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.protocols import Asking, Candidates
from stream_cl.core.records import FloatMatrix, RawRecords
from stream_cl.pipeline.offline import Row
from stream_cl.pipeline.state import State

_PLENTY: Final = 10**9
_CHUNK: Final = 1000


def encoded(config: Config, rows: Iterable[Row]) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
    """The stream as our pipeline's learner sees it: `x float32 [n, d]`, classes `y [n]`."""
    encoder, decoder = build.encoder(config.encoder), build.decoder(config.format, config.folder)
    parts, labels, names = [], [], dict[str | None, int]()
    given = iter(rows)
    while part := list(islice(given, _CHUNK)):
        start = len(labels)
        values: list[bytes | None] = []
        for i, row in enumerate(part, start=start):
            kind = "features" if isinstance(row.features, dict) else "vector"
            values.append(orjson.dumps({"id": str(i), "time": i, kind: row.features}))
            labels.append(names.setdefault(row.label, len(names)))
        n = len(part)
        raw = RawRecords("events", [0] * n, list(range(n)), [None] * n, values, [()] * n)
        events, _ = decoder.events(raw)
        found = encoder.encode(events)
        encoder.commit(found)
        assert len(found.x) == n
        parts.append(found.x)
    return np.concatenate(parts), np.array(labels, dtype=np.int64)


class Asked(NamedTuple):
    """What came of a stream: the share predicted right, labels asked for, and CPU time."""

    accuracy: float
    labels: int
    cpu_s: float


def ask(config: Config, x: FloatMatrix, y: npt.NDArray[np.int64], step: int) -> Asked:
    """Go through encoded events `x [n, d]` of classes `y [n]`, `step` at a time."""
    _ask(build.fresh_state(config), x[: 10 * step], y, step, config.seed)  # compiles
    state = build.fresh_state(config)
    began = process_time()
    right = _ask(state, x, y, step, config.seed)
    return Asked(right / len(x), state.budget.spending().asked, process_time() - began)


def _ask(state: State, x: FloatMatrix, y: npt.NDArray[np.int64], step: int, seed: int) -> int:
    """How many of the events were predicted right."""
    learner, query, budget = state.guard.learner, state.query, state.budget
    generator = np.random.default_rng(seed)
    words = generator.integers(2**64, size=(3, len(x)), dtype=np.uint64)
    draws = generator.random((2, len(x)))
    allowed = np.ones(step, dtype=np.bool_)
    right = 0
    for start in range(0, len(x), step):
        span = slice(start, start + step)
        now, true = x[span], y[start : min(start + step, len(x))]
        probabilities = learner.predict(now)
        best = probabilities.argmax(axis=1) if probabilities.shape[1] else np.full(len(now), -1)
        right += int(np.count_nonzero(best == true))
        utilities = query.utility(Asking(now, probabilities, learner, words[2, span]))
        decision = budget.decide(
            Candidates(
                utilities.values, draws[0, span], draws[1, span], allowed[: len(now)],
                room=_PLENTY, room_floor=_PLENTY, predicted=best,
                x=now, spread=utilities.spread,
            )
        )  # fmt: skip
        query.commit(utilities)
        budget.commit(decision)
        chosen = decision.asked & ~decision.held_out
        if chosen.any():
            learner.learn(now[chosen], true[chosen], np.ones(int(chosen.sum())))
            query.learn(now[chosen], true[chosen])
    return right
