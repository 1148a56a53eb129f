"""Figures that are more than one number: by class, by confidence, by labels spent.

Plain data under class names, for people and for JSON. All from the asked and answered events,
weighted as in `evaluation`, since the state began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from stream_cl.evaluation.confusion import ClassFigure
from stream_cl.evaluation.forgetting import ClassLook, Look
from stream_cl.evaluation.intervals import Estimate
from stream_cl.evaluation.learning_curve import Advice
from stream_cl.labels.accounts import Account
from stream_cl.pipeline.state import State

CLASSES_SHOWN: Final = 20
"""Classes with figures of their own, those with the largest share."""
CONFUSION_SHOWN: Final = 10
"""Classes with a row and a column in the confusion matrix."""

ANNOTATORS_SHOWN: Final = 20
"""Annotators with figures of their own, those who answered most."""
OTHERS: Final = "(others)"
"""What all others are called together."""


@dataclass(frozen=True, slots=True)
class HeldOutFigures:
    """What the last look at the held-out set gave, with names; see `evaluation.forgetting`.

    step: after which it was taken, None before the first. classes: those with most held-out events.
    """

    step: int | None = None
    forgetting: float | None = None
    worst_case: float | None = None
    classes: dict[str, ClassLook] = field(default_factory=dict)


def details_of(state: State) -> dict[str, Any]:
    """`classes`: share, effective labels, recall and precision by class name; `confusion`: names
    (None: all other classes, and none) and the share of all events in each cell, truth by
    prediction; `reliability`: bins; `learning_curve`: points; `advice`: see `learning_curve`;
    `annotators`: see `annotators_of`.
    """
    accuracy, names = state.accuracy, state.join.classes.names
    numbers, shares = accuracy.confusion.shares(CONFUSION_SHOWN)
    return {
        "classes": {name: _by_class(one) for name, one in classes_of(state).items()},
        "confusion": {
            "classes": [names[i] if i >= 0 else None for i in numbers],
            "shares": shares.tolist(),
        },
        "reliability": [one._asdict() for one in accuracy.reliability.bins()],
        "learning_curve": [
            {"labels": point.labels, **point.accuracy._asdict()}
            for point in accuracy.curve.points()
        ],
        "advice": advice_of(state)._asdict(),
        "annotators": annotators_of(state),
    }


def classes_of(state: State) -> dict[str, ClassFigure]:
    """Name → figures of the classes with the largest share, in that order."""
    names = state.join.classes.names
    return {names[one.number]: one for one in state.accuracy.confusion.classes(CLASSES_SHOWN)}


def other_classes_of(state: State) -> Estimate | None:
    """Recall of all classes that `classes_of` does not have, together."""
    return state.accuracy.confusion.recall_beyond(CLASSES_SHOWN)


def held_out_of(state: State, look: Look) -> HeldOutFigures:
    """The last look, with the names of its classes."""
    if look.accuracy is None:
        return HeldOutFigures()
    names = state.join.classes.names
    classes = {names[one.number]: one for one in look.classes[:CLASSES_SHOWN]}
    return HeldOutFigures(look.step, look.forgetting, look.worst_case, classes)


def advice_of(state: State) -> Advice:
    """Whether more labels would help."""
    return state.accuracy.curve.advice()


def annotators_of(state: State) -> dict[str, dict[str, float]]:
    """Name → answers, cost and seconds (means, where they are known), and trust (the probability of
    being right, with `annotators.trust: dawid_skene`), of those who answered most and of OTHERS
    together."""
    join, trust = state.join, None if state.join.panel is None else state.join.panel.trust
    accounts = sorted(join.accounts.items().items(), key=lambda one: (-one[1].answers, one[0]))
    shown = [one for one in accounts if one[0] != OTHERS][:ANNOTATORS_SHOWN]
    figures = {name: _by_annotator([account]) for name, account in shown}
    if trust is not None:
        for name, known in figures.items():
            known["trust"] = trust.trust(name)
    rest = [account for name, account in accounts if name not in figures]
    return {**figures, OTHERS: _by_annotator(rest)} if rest else figures


def _by_annotator(accounts: list[Account]) -> dict[str, float]:
    priced, timed = sum(a.priced for a in accounts), sum(a.timed for a in accounts)
    return {
        "answers": sum(a.answers for a in accounts),
        **({"cost": sum(a.cost for a in accounts) / priced} if priced else {}),
        **({"seconds": sum(a.seconds for a in accounts) / timed} if timed else {}),
    }


def _by_class(one: ClassFigure) -> dict[str, Any]:
    return {
        "share": one.share,
        "effective_labels": one.effective,
        "recall": _plain(one.recall),
        "precision": _plain(one.precision),
    }


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else estimate._asdict()
