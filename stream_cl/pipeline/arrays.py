"""Steps over arrays whose labels are known, without a log and without records.

For trying out ways of asking on data that is there: predict, say how useful each label would be,
decide, and learn the answers before the next step. These are the calls of `pipeline.step` and
`pipeline.absorb`; there are no ids, questions, figures, outputs, digests or recovery.

Several steps are predicted ahead. A learner changes only when it learns, and it learns only what
was asked; values and decisions do not depend on where steps end (the contracts of strategies and
budgets say so, to the bit). So all events up to the end of the step with the next question are
predicted, valued and decided together, and what was predicted beyond it is thrown away. Steps of
one event, of which one in twenty asks, take a fifth of their time so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.draws import unit
from stream_cl.core.protocols import (
    Asking,
    Budget,
    Candidates,
    Decision,
    HearsAnswers,
    Learner,
    QueryStrategy,
    Utilities,
)
from stream_cl.core.records import FloatMatrix
from stream_cl.pipeline.step import likeliest

AHEAD: Final = 24
"""Events that are predicted together where steps are smaller. With a question for each twentieth
event 12 to 24 took the same time for 2 classes of 128 numbers as for 10 classes of 784."""
_PLENTY: Final = 2**62

Classes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Course:
    """What came of n events, an entry for each, in their order.

    predicted: `int64 [n]`, the class, −1 before the first label. asked, held_out: `bool [n]`; what
    is held out was asked and not learned. propensity: `float64 [n]`, the probability with which it
    was asked.
    """

    predicted: Classes
    asked: Flags
    held_out: Flags
    propensity: npt.NDArray[np.float64]


class ArraySteps:
    """Goes through arrays; what it is given learns and spends as it does.

    Args:
        step: events per step, at least 1.
    """

    def __init__(self, learner: Learner, query: QueryStrategy, budget: Budget, step: int) -> None:
        assert step >= 1
        self._learner, self._query, self._budget = learner, query, budget
        self._step = step
        self._ahead = step * max(1, AHEAD // step)
        # isinstance with a protocol takes 10 µs.
        self._hears = query if isinstance(query, HearsAnswers) else None

    def run(self, x: FloatMatrix, y: Classes, words: npt.NDArray[np.uint64]) -> Course:
        """Predict and learn n events.

        Args:
            x: `float32 [n, d]`.
            y: `[n]`, their classes, from 0.
            words: `uint64 [n, 3]`, what is drawn for each, see `core.draws`.

        Raises:
            LearnerFailed: a number is not finite.
        """
        n = len(x)
        uniform = np.ascontiguousarray(unit(words[:, :2]).T)
        kept = np.ascontiguousarray(words[:, 2])
        allowed = np.ones(self._ahead, dtype=np.bool_)
        course = Course(
            np.empty(n, np.int64), np.empty(n, np.bool_), np.empty(n, np.bool_), np.empty(n)
        )
        start = 0
        while start < n:
            ahead = slice(start, min(start + self._ahead, n))
            now = x[ahead]
            probabilities = self._learner.predict(now)
            predicted = likeliest(probabilities)
            asking = Asking(now, probabilities, self._learner, kept[ahead])
            utilities = self._query.utility(asking)
            decision = self._budget.decide(
                Candidates(
                    utilities.values, uniform[0, ahead], uniform[1, ahead],
                    allowed[: len(now)], room=_PLENTY, room_floor=_PLENTY, predicted=predicted,
                    x=now, spread=utilities.spread, until_asked=self._step,
                )
            )  # fmt: skip
            stop = start + len(decision.asked)
            self._commit(asking, utilities, decision)
            done = slice(start, stop)
            course.predicted[done] = predicted[: stop - start]
            course.asked[done] = decision.asked
            course.held_out[done] = decision.held_out
            course.propensity[done] = decision.propensity
            self._learn(now, predicted, y[done], decision)
            start = stop
        return course

    def _commit(self, asking: Asking, utilities: Utilities, decision: Decision) -> None:
        """Keep what comes of the events that were decided, and nothing of those beyond."""
        decided = len(decision.asked)
        if decided < len(asking.x) and utilities.after is not None:
            some = Asking(
                asking.x[:decided], asking.probabilities[:decided], asking.learner,
                None if asking.words is None else asking.words[:decided],
            )  # fmt: skip
            utilities = self._query.utility(some)
        self._query.commit(utilities)
        self._budget.commit(decision)

    def _learn(
        self, now: FloatMatrix, predicted: Classes, true: Classes, decision: Decision
    ) -> None:
        """The answers to what was asked, those held out apart."""
        (rows,) = (decision.asked > decision.held_out).nonzero()
        if len(rows):
            x, y = now.take(rows, axis=0), true[rows]
            self._learner.learn(x, y, np.ones(len(rows)))
            self._query.learn(x, y)
            if self._hears is not None:
                self._hears.hear(y, predicted[rows], np.full(len(rows), np.nan))
