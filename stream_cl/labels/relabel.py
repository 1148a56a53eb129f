"""Whether another answer is better spent on a question that is answered than on a new event.

ActiveLab (Goh and Mueller 2022, *ActiveLab: Active Learning with Re-Labeling by Multiple
Annotators*, section 3): the expected quality of an event's label Y is a weighted mean of how likely
Y is to the model, to each who answered, and to nobody in particular,

    s = (w_M · p_M(Y) + w̄ / k + Σ_a w_a · p_a(Y)) / (w_M + w̄ + Σ_a w_a)

and of an event without an answer s = (w_M · max p_M + w̄ / k) / (w_M + w̄). The lowest is asked
next. The term w̄ / k makes a label with few answers doubtful even where they agree. The weights are
how much of the errors of always naming the largest class is avoided, w = 1 − (1 − A) / (1 − A_0),
A the accuracy of an annotator or the model, A_0 the share of the largest class; w̄ is the mean of
an annotator's. p_a(Y) is what the answer of a alone would say of Y, from what is known of a.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

_LEAST: Final = 0.01
"""Weight of one who is no better than the largest class: never 0, so that a mean exists."""


class Opinion(NamedTuple):
    """How accurate somebody is, and how likely they make a label, both from 0 to 1."""

    accuracy: float
    likely: float


def quality(
    answers: Sequence[Opinion],
    model: Opinion | None,
    largest_share: float,
    mean_trust: float,
    classes: int,
    mean_answers: float = 1.0,
) -> float:
    """s from 0 to 1: how likely the label of an event is right; without answers, of an event that
    nobody was asked about.

    largest_share: A_0. mean_trust: the mean accuracy of annotators. mean_answers: per event; the
    model, which learned from all of them, weighs √ of it more. Costs O(answers).
    """
    rest = _weight(mean_trust, largest_share)
    total, summed = rest, rest / max(classes, 1)
    if model is not None:
        weight = _weight(model.accuracy, largest_share) * sqrt(mean_answers)
        total, summed = total + weight, summed + weight * model.likely
    for answer in answers:
        weight = _weight(answer.accuracy, largest_share)
        total, summed = total + weight, summed + weight * answer.likely
    return summed / total


def _weight(accuracy: float, largest_share: float) -> float:
    return max(_LEAST, 1.0 - (1.0 - accuracy) / max(1.0 - largest_share, 1e-6))
