"""Real streams as arrays, for the learners' own figures; the pipeline has its own encoder."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

CLIP = 8.0


def raw(path: Path, limit: int | None = None):
    """`x float32 [n, d]` as it stands in the file, and `y [n]` in order of first appearance."""
    with gzip.open(path, "rt") as file:
        lines = list(csv.reader(file))[1:][:limit]
    x = np.array([line[:-1] for line in lines], dtype=np.float32)
    first_seen: dict[str, int] = {}
    y = np.array([first_seen.setdefault(line[-1], len(first_seen)) for line in lines])
    return x, y


def standardised(path: Path, limit: int | None = None):
    """As `raw`, but standardised by the running mean and variance up to each event."""
    numbers, y = raw(path, limit)
    x = np.empty(numbers.shape)
    mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for i, row in enumerate(numbers.astype(np.float64)):
        away = row - mean
        mean += away / (i + 1)
        squares += away * (row - mean)
        deviation = np.sqrt(squares / (i + 1))
        x[i] = np.where(deviation > 1e-9, (row - mean) / np.where(deviation > 0, deviation, 1), 0)
    return np.clip(x, -CLIP, CLIP).astype(np.float32), y


def prequential(learner, x, y) -> float:
    """Accuracy when each event is predicted and then learned; the first one counts as wrong."""
    right, one = 0, np.ones(1)
    for i in range(len(y)):
        row = x[i : i + 1]
        if learner.n_classes:
            right += int(learner.predict(row)[0].argmax() == y[i])
        learner.learn(row, y[i : i + 1], one)
    return right / len(y)
