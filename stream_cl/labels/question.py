"""What is kept of a question that was answered, and what is said of it when that changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.labels.dawid_skene import Posterior


class Vote(NamedTuple):
    """The answer of one annotator that holds: a revision takes the place of what it revises."""

    annotator: str
    number: int
    revision: int = 0


class Correction(NamedTuple):
    """The consensus of a question is another class now. `x float32 [1, width]`."""

    id: str
    x: FloatMatrix
    old: int
    new: int
    weight: float
    held_out: bool


@dataclass(slots=True)
class Question:
    """An answered question.

    x: `float32 [1, width]`. predicted: what the learner said of the event when it came,
    `float64 [k]`, empty where it knew nothing. gold: the class that is known to be right, or −1.
    q: posterior. prior: the shares of the classes when the last answer came, `float64 [k]`, kept
    since later ones may be those of other times. number: the consensus, −1 before the first
    answer. quality: see `relabel`. attempt: how often it was asked. asked_ms: when it was asked
    again, −1 while no such request is open.
    """

    x: FloatMatrix
    held_out: bool
    predicted: Posterior
    gold: int = -1
    votes: list[Vote] = field(default_factory=list)
    q: Posterior = field(default_factory=lambda: np.zeros(0))
    prior: Posterior = field(default_factory=lambda: np.zeros(0))
    number: int = -1
    quality: float = 0.0
    attempt: int = 1
    asked_ms: int = -1

    @property
    def weight(self) -> float:
        """How likely the consensus is, above 0."""
        return float(self.q[self.number])

    def key(self) -> tuple[object, ...]:
        return (*map(tuple, self.votes), self.number, self.attempt, self.asked_ms)

    def plain(self) -> Snapshot:
        """All but the columns x, predicted, q and prior."""
        return {
            "held_out": self.held_out,
            "gold": self.gold,
            "votes": [list(vote) for vote in self.votes],
            "number": self.number,
            "quality": self.quality,
            "attempt": self.attempt,
            "asked_ms": self.asked_ms,
        }
