"""What of a state takes a moment to look at: accuracy, classes, spending, the oldest questions.

Plain values that share nothing with the state, so that another thread may keep them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stream_cl.core.protocols import Spending
from stream_cl.evaluation.confusion import ClassFigure
from stream_cl.evaluation.intervals import Estimate
from stream_cl.evaluation.learning_curve import Advice, Point
from stream_cl.pipeline.details import advice_of, annotators_of, classes_of
from stream_cl.pipeline.state import State
from stream_cl.pipeline.watch import live_figures, scores_of, stores_of

OPEN: Final = 30
"""Open questions that are listed, those that have waited longest."""


class Question(NamedTuple):
    """An event that waits for its label. expires_ms: in logical time, as since_ms."""

    id: str
    since_ms: int
    expires_ms: int
    predicted: str | None
    confidence: float
    propensity: float
    held_out: bool


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at a state; see `watch` and `details` for the figures.

    lag: unread input records. curve: accuracy against labels. questions: the oldest that are open,
    of `open` in all.
    """

    lag: int = 0
    time_ms: int = 0
    figures: dict[str, Estimate | None] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)
    classes: dict[str, ClassFigure] = field(default_factory=dict)
    curve: list[Point] = field(default_factory=list)
    advice: Advice | None = None
    stores: dict[str, tuple[int, int]] = field(default_factory=dict)
    spending: Spending | None = None
    annotators: dict[str, dict[str, float]] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    open: int = 0


def glance_at(state: State, lag: int, before: Glance | None = None) -> Glance:
    """What there is to see of the state now; curve and advice, which take longest and change least,
    are those of `before` if that is given."""
    curve = state.accuracy.curve.points() if before is None else before.curve
    advice = advice_of(state) if before is None else before.advice
    return Glance(
        lag=lag,
        time_ms=state.time_ms,
        figures=live_figures(state),
        scores=scores_of(state),
        classes=classes_of(state),
        curve=curve,
        advice=advice,
        stores=stores_of(state),
        spending=state.budget.spending(),
        annotators=annotators_of(state),
        questions=_questions(state),
        open=len(state.join.pending),
    )


def _questions(state: State) -> list[Question]:
    pending, names = state.join.pending, state.join.classes.names
    return [
        Question(
            id=id_,
            since_ms=int(entry["since_ms"]),
            expires_ms=int(entry["since_ms"]) + pending.ttl_ms,
            predicted=names[entry["predicted"]] if entry["predicted"] >= 0 else None,
            confidence=float(entry["kept"].max()),
            propensity=float(entry["propensity"]),
            held_out=bool(entry["held_out"]),
        )
        for id_, entry in pending.oldest(OPEN)
        if entry["asked"]
    ]
