"""What the loop of the budgets that ask reads and writes: its state and its settings.

The state is arrays, so that it is copied and written down as it is; `Count` and `Level` say what
stands where.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.budget._rules import POWER


class Count(IntEnum):
    """Places in `State.counts`."""

    ASKABLE = 0  # events that could be asked
    ASKED = 1  # questions
    RANKED = 2  # utilities ever seen
    EVENTS = 3
    OPEN = 4  # labels asked for that neither came nor expired
    ARRIVED = 5  # events that could be asked at the present logical time
    OBSERVED = 6  # events that the estimate of their rate was made from
    LAST_MS = 7  # the present logical time; −1 before the first step
    ANSWERED = 8  # answers that were paid
    BESIDES = 9  # labels spent by others, less those given back
    KEPT = 10  # questions that later events are compared with, the earlier ones too
    COMPARED = 11  # events that were, while the mean distance fills


class Level(IntEnum):
    """Places in `State.levels`. Money is labels where the price is 1."""

    DEFICIT = 0  # money that should have been spent and was not
    WAITING = 1  # questions to be paid back
    REFUNDED = 2  # questions paid back
    THRESHOLD = 3
    PRICE = 4  # money that a label is expected to cost
    PAID = 5  # money that answers have cost
    GAP_MS = 6  # milliseconds between two events
    ELAPSED_MS = 7  # between the present logical time and the one of events before it
    GRANTED = 8  # money granted to the events of the present logical time
    MEMORY = 9  # events that the estimate of their rate remembers
    CHARGED = 10  # money that the questions which are open were charged with
    WEIGHT = 11  # mean of the weights by rank of the latest events, at least 1
    DISTANCE = 12  # mean squared distance of an event to the questions before it
    OWED = 13  # money that the questions to be paid back were charged with


class State(NamedTuple):
    """ring, propensities `float64 [window]`; counts, levels as named above; limits `int64
    [m, 3]`: event number, key and class of the latest labels, m = 0 without limits; questions
    `float64 [width + 1, m]`: the latest that are learned from, one a column, its squared length
    last, no rows where events are not compared."""

    ring: npt.NDArray[np.float64]
    propensities: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]
    limits: npt.NDArray[np.int64]
    questions: npt.NDArray[np.float64]

    def copy(self) -> State:
        """The same, in memory of its own."""
        return State(
            self.ring.copy(),
            self.propensities.copy(),
            self.counts.copy(),
            self.levels.copy(),
            self.limits.copy(),
            self.questions.copy(),
        )


class Settings(NamedTuple):
    """What does not change: see `budget._ranked` for the words.

    answers: labels that a question is charged with.
    per_event: money per event; 0 where `per_ms`, money per millisecond, is given; until the rate
    of the events is known, `start` is b. power: the exponent of the rank; slack: mean weight by
    rank that is let be. floor, held_out, split: shares. labels_per_key is 0
    where there is no limit, and class_share 1.
    """

    rule: int = POWER
    per_event: float = 0.0
    per_ms: float = 0.0
    start: float = 0.05
    horizon: float = 3.0
    deficit_max: float = 20.0
    floor: float = 0.3
    held_out: float = 0.1
    cold_start: int = 10
    labels_per_key: int = 0
    class_share: float = 1.0
    limit_window: int = 5000
    step: float = 0.01
    delta: float = 0.0
    split: float = 0.0
    by_rank: bool = False
    power: int = 4
    slack: float = 1.0
    answers: int = 1

    def of(self, **given: Any) -> Settings:
        """With what is given, in the types that the loop is compiled for."""
        kinds = {name: type(value) for name, value in Settings()._asdict().items()}
        return self._replace(**{name: kinds[name](value) for name, value in given.items()})

    def packed(self) -> npt.NDArray[np.void]:
        """As an array of one record, which the loop takes in a third of the time."""
        kinds = [(name, np.asarray(value).dtype) for name, value in self._asdict().items()]
        return np.array([tuple(self)], dtype=np.dtype(kinds, align=True))
