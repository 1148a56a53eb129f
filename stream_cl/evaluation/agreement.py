"""How much better than chance, where every true label is known (benchmarks, replays)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def accuracy(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Share of predictions that are the truth; a prediction of None is wrong."""
    return sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth)


def cohens_kappa(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Cohen 1960: (observed − chance) / (1 − chance) agreement; 0 where chance is 1."""
    names = {name: i for i, name in enumerate(sorted(set(truth)))}
    outside = len(names)  # predicted a class that never was true, or none
    t = np.array([names[label] for label in truth])
    p = np.array(
        [names.get(label, outside) if label is not None else outside for label in predicted]
    )
    n = len(t)
    observed = float((t == p).mean())
    share_true = np.bincount(t, minlength=outside + 1) / n
    share_predicted = np.bincount(p, minlength=outside + 1) / n
    chance = float((share_true * share_predicted).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else 0.0


def no_change_accuracy(truth: Sequence[str]) -> float:
    """What predicting the label before would have got; the first event counts as wrong."""
    return sum(a == b for a, b in pairwise(truth)) / len(truth)
