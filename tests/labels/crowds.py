"""Made crowds: events with a true class, and annotators who are right more or less often."""

from __future__ import annotations

import numpy as np

Answers = list[tuple[int, str, int]]
"""(event, annotator, class), in the order in which they came."""


def crowd(
    seed: int, events: int = 300, classes: int = 3, skills: tuple[float, ...] = (0.9, 0.8, 0.4, 0.4)
) -> tuple[list[int], Answers]:
    """The true classes, and one answer of every annotator to every event, shuffled."""
    draws = np.random.default_rng(seed)
    truth = draws.integers(0, classes, events)
    answers: Answers = []
    for event, true in enumerate(truth.tolist()):
        for number, skill in enumerate(skills):
            wrong = (true + int(draws.integers(1, classes))) % classes
            given = true if draws.random() < skill else wrong
            answers.append((event, f"annotator {number}", given))
    order = draws.permutation(len(answers)).tolist()
    return truth.tolist(), [answers[at] for at in order]
