"""What a running pipeline says of itself: times of every step, and its status when asked.

Others (the HTTP thread) never read the state: they ask, and the pipeline's own thread
answers between two steps, so that an answer is of one moment and costs nothing when nobody
asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Rehearses, SeesDrift, Spending
from stream_cl.core.records import DeadLetter, Outgoing
from stream_cl.evaluation.confusion import ClassFigure
from stream_cl.evaluation.intervals import Estimate
from stream_cl.evaluation.late import OpenQuestions
from stream_cl.evaluation.learning_curve import Advice
from stream_cl.pipeline.around import Around
from stream_cl.pipeline.details import (
    HeldOutFigures,
    advice_of,
    annotators_of,
    classes_of,
    held_out_of,
    other_classes_of,
)
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step: how much it took and how long, in seconds.

    behind_s: from the append of the newest record it took to the end of its commit; None
    when it took none. letters: the records of this step that became dead letters. predict_s,
    learner_s: in the learner alone, predicting and learning. committed_ms: the wall clock after the
    commit. appended_ms: append times of the events, ascending in each partition. waited_ms:
    `int64 [m]`, how long each question had waited that was answered. outputs: what its transaction
    published.
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
    predict_s: float
    learner_s: float
    committed_ms: float
    appended_ms: Sequence[Sequence[int]]
    waited_ms: npt.NDArray[np.int64]
    outputs: Sequence[Outgoing] = ()

    @property
    def whole_s(self) -> float:
        return self.take_s + self.score_s + self.commit_s + self.learn_s


def times_of(
    step: int,
    scored: Scored,
    began_ms: int,
    at_s: tuple[float, float, float, float, float],
    learner_s: tuple[float, float],
) -> StepTimes:
    """A step's times: `at_s` are the moments when it began, had taken, scored, committed and
    learned; `began_ms` is the wall clock when it began; `learner_s` what the learner took to
    predict and to learn."""
    began_s, taken_s, scored_s, committed_s, learned_s = at_s
    taken = scored.taken
    committed_ms = began_ms + 1000 * (committed_s - began_s)
    behind_s = None
    if taken.newest_ms is not None:
        behind_s = max(0.0, (committed_ms - taken.newest_ms) / 1000)
    events = scored.raw_events.topic
    return StepTimes(
        step=step,
        letters=scored.dead_letters,
        records=sum(part.records for part in taken.slices),
        events=len(scored.events),
        take_s=taken_s - began_s,
        score_s=scored_s - taken_s,
        commit_s=committed_s - scored_s,
        learn_s=learned_s - committed_s,
        behind_s=behind_s,
        predict_s=learner_s[0],
        learner_s=learner_s[1],
        committed_ms=committed_ms,
        appended_ms=[chunk.timestamps_ms for chunk in taken.chunks if chunk.topic == events],
        waited_ms=scored.waited_ms,
        outputs=scored.outputs,
    )


@dataclass(slots=True)
class Status:
    """A pipeline at one moment.

    counts: totals since the state began. stores: name → (entries, bound). figures: live
    accuracy, see `evaluation.prequential`. scores: live figures that have no interval, see
    `scores_of`. classes, advice, annotators: see `details`. spending: the budget's, None before the
    first step. incarnation: 0 before the start has ended, when nothing else is known either.
    open_requests: questions neither answered nor expired. drift_burst: events that are still asked
    about first because of a drift. around: what is around the state at this moment.
    """

    incarnation: int = 0
    step: int = 0
    events: int = 0
    learned: int = 0
    asking: bool = True
    open_requests: int = 0
    drift_burst: int = 0
    around: Around = field(default_factory=Around)
    counts: dict[str, int] = field(default_factory=dict)
    stores: dict[str, tuple[int, int]] = field(default_factory=dict)
    figures: dict[str, Estimate | None] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)
    classes: dict[str, ClassFigure] = field(default_factory=dict)
    other_classes: Estimate | None = None
    held_out: HeldOutFigures = field(default_factory=HeldOutFigures)
    advice: Advice | None = None
    annotators: dict[str, dict[str, float]] = field(default_factory=dict)
    spending: Spending | None = None

    @property
    def lag(self) -> int:
        """Unread input records."""
        return self.around.lag


def status_of(state: State, incarnation: int, around: Around, every: bool) -> Status:
    """This moment of a pipeline with this state; with `every` labels come unasked."""
    query, look = state.query, around.checkpoints.look
    return Status(
        incarnation=incarnation,
        step=state.step,
        events=state.events,
        learned=state.learned,
        asking=state.asking,
        open_requests=0 if every else len(state.join.pending),
        drift_burst=query.left if isinstance(query, SeesDrift) else 0,
        around=around,
        counts=dict(state.counts),
        stores=stores_of(state),
        figures={**live_figures(state), "held_out_now": look.accuracy},
        scores=scores_of(state),
        classes=classes_of(state),
        other_classes=other_classes_of(state),
        held_out=held_out_of(state, look),
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
