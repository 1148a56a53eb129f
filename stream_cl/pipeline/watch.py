"""What a running pipeline says of itself: times of every step, and its status when asked.

Others (the HTTP thread) never read the state: they ask, and the pipeline's own thread
answers between two steps, so that an answer is of one moment and costs nothing when nobody
asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from stream_cl.core.protocols import Rehearses
from stream_cl.evaluation.intervals import Estimate
from stream_cl.pipeline.state import State


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step: how much it took and how long, in seconds.

    behind_s: from the append of the newest record it took to the end of its commit; None
    when it took none.
    """

    records: int
    events: int
    take_s: float
    score_s: float
    commit_s: float
    learn_s: float
    behind_s: float | None


@dataclass(slots=True)
class Status:
    """A pipeline at one moment.

    counts: totals since the state began. stores: name → (entries, bound). figures: live
    accuracy, see `evaluation.prequential`. lag: unread input records.
    """

    incarnation: int = 0
    step: int = 0
    events: int = 0
    learned: int = 0
    lag: int = 0
    asking: bool = True
    checkpoint_step: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    stores: dict[str, tuple[int, int]] = field(default_factory=dict)
    figures: dict[str, Estimate | None] = field(default_factory=dict)


def stores_of(state: State) -> dict[str, tuple[int, int]]:
    """Every bounded store: name → (entries, bound)."""
    join, learner = state.join, state.guard.learner
    rehearsed = learner.memory if isinstance(learner, Rehearses) else None
    return {
        "memory": (len(rehearsed), rehearsed.capacity) if rehearsed is not None else (0, 0),
        "pending": (len(join.pending), join.pending.capacity),
        "early_labels": (len(join.early), join.early.capacity),
        "closed_questions": (len(join.closed), join.closed.capacity),
        "duplicate_window": (len(state.window), state.window.window_events),
        "held_out": (len(state.held_out), state.held_out.capacity),
        "classes": (len(join.classes), join.classes.max_classes),
    }


class Questions:
    """Lets other threads ask for something that only the pipeline's thread may read."""

    def __init__(self, answer: Callable[[], Status]) -> None:
        self._answer = answer
        self._last = Status()
        self._asked = threading.Event()
        self._answered = threading.Condition()
        self._number = 0

    def turn(self) -> None:
        """Called by the pipeline's thread between two steps."""
        if self._asked.is_set():
            self._asked.clear()
            self._last = self._answer()
            with self._answered:
                self._number += 1
                self._answered.notify_all()

    def ask(self, timeout_s: float) -> Status:
        """The status now; the last one known if no step ended within `timeout_s`."""
        with self._answered:
            before = self._number
            self._asked.set()
            self._answered.wait_for(lambda: self._number > before, timeout_s)
        return self._last
