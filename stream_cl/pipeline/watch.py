"""What a running pipeline says of itself: times of every step, and its status when asked.

Others (the HTTP thread) never read the state: they ask, and the pipeline's own thread
answers between two steps, so that an answer is of one moment and costs nothing when nobody
asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stream_cl.core.protocols import Rehearses, Spending
from stream_cl.core.records import DeadLetter
from stream_cl.evaluation.confusion import ClassFigure
from stream_cl.evaluation.intervals import Estimate
from stream_cl.evaluation.late import OpenQuestions
from stream_cl.evaluation.learning_curve import Advice
from stream_cl.pipeline.details import advice_of, annotators_of, classes_of
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step: how much it took and how long, in seconds.

    behind_s: from the append of the newest record it took to the end of its commit; None
    when it took none. letters: the records of this step that became dead letters.
    """

    step: int
    letters: Sequence[DeadLetter]
    records: int
    events: int
    take_s: float
    score_s: float
    commit_s: float
    learn_s: float
    behind_s: float | None

    @property
    def whole_s(self) -> float:
        return self.take_s + self.score_s + self.commit_s + self.learn_s


def times_of(
    step: int,
    scored: Scored,
    began_ms: int,
    at_s: tuple[float, float, float, float],
    learned_s: float,
) -> StepTimes:
    """A step's times: `at_s` are the moments when it began, had taken, scored and committed;
    `began_ms` is the wall clock when it began."""
    began_s, taken_s, scored_s, committed_s = at_s
    newest_ms = scored.taken.newest_ms
    behind_s = None
    if newest_ms is not None:
        behind_s = max(0.0, (began_ms - newest_ms) / 1000 + committed_s - began_s)
    return StepTimes(
        step=step,
        letters=scored.dead_letters,
        records=sum(taken.records for taken in scored.taken.slices),
        events=len(scored.events),
        take_s=taken_s - began_s,
        score_s=scored_s - taken_s,
        commit_s=committed_s - scored_s,
        learn_s=learned_s - committed_s,
        behind_s=behind_s,
    )


@dataclass(slots=True)
class Status:
    """A pipeline at one moment.

    counts: totals since the state began. stores: name → (entries, bound). figures: live
    accuracy, see `evaluation.prequential`. scores: live figures that have no interval, see
    `scores_of`. classes, advice, annotators: see `details`. spending: the budget's, None before the
    first step. lag: unread input records.
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
    scores: dict[str, float | None] = field(default_factory=dict)
    classes: dict[str, ClassFigure] = field(default_factory=dict)
    advice: Advice | None = None
    annotators: dict[str, dict[str, float]] = field(default_factory=dict)
    spending: Spending | None = None


def status_of(state: State, incarnation: int, lag: int, checkpoint_step: int | None) -> Status:
    """This moment of a pipeline with this state."""
    return Status(
        incarnation=incarnation,
        step=state.step,
        events=state.events,
        learned=state.learned,
        lag=lag,
        asking=state.asking,
        checkpoint_step=checkpoint_step,
        counts=dict(state.counts),
        stores=stores_of(state),
        figures=figures_of(state),
        scores=scores_of(state),
        classes=classes_of(state),
        advice=advice_of(state),
        annotators=annotators_of(state),
        spending=state.budget.spending(),
    )


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
        "answered_questions": (len(join.panel), join.panel.capacity)
        if join.panel is not None
        else (0, 0),
        "annotators": (len(join.accounts), join.accounts.capacity),
        "examples": (len(state.evidence.examples), state.evidence.examples.capacity),
    }


def figures_of(state: State) -> dict[str, Estimate | None]:
    """Live accuracy with its intervals, that of the learner as it is now on the held-out set, and
    how often candidate sets held the truth.

    `held_out_now` predicts the whole set, so this is for when somebody asks.
    """
    now = state.held_out.accuracy(lambda x: state.guard.predict(x)[0])
    return {**live_figures(state), "held_out_now": now}


def live_figures(state: State) -> dict[str, Estimate | None]:
    """Those of `figures_of` that are there already; nothing is predicted for them."""
    asked = state.join.pending.asked()
    waiting = OpenQuestions(asked["event"], asked["propensity"])
    sets = state.evidence.sets.figures()
    return {**state.accuracy.figures(state.events, waiting), **sets}


def scores_of(state: State) -> dict[str, float | None]:
    """Live figures without an interval; None where there is nothing to count.

    Those of `evaluation.scores`, since the start and in the window, and of what was asked:
    spend_share (asked and asked again / events), answered_share and unanswered_share (of the
    questions asked; the rest is still open). agreement: Krippendorff's alpha of the answers.
    """
    window = state.accuracy.window_scores(state.events)._asdict()
    asked, again = (state.counts.get(name, 0) for name in ("asked", "asked_again"))
    panel = state.join.panel
    return {
        **state.accuracy.scores()._asdict(),
        **{f"window_{name}": value for name, value in window.items()},
        **state.accuracy.calibration_errors(state.events),
        "spend_share": (asked + again) / state.events if state.events else None,
        "answered_share": state.counts.get("answered", 0) / asked if asked else None,
        "unanswered_share": state.counts.get("unanswered", 0) / asked if asked else None,
        "agreement": None if panel is None else panel.agreement.alpha(),
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
