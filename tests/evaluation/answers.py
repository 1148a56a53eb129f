"""Answered events for tests: columns by name, what is not named is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stream_cl.evaluation.scores import Answers


def answers_of(**columns: Sequence[Any]) -> Answers:
    """Answers with the given columns, all of one length."""
    n = len(next(iter(columns.values())))
    kinds = {
        "event": (np.int64, 0),
        "propensity": (np.float64, 1.0),
        "true": (np.int64, 0),
        "predicted": (np.int64, 0),
        "last": (np.int64, -1),
        "probability": (np.float64, 1.0),
        "confidence": (np.float64, 1.0),
        "held_out": (np.bool_, False),
    }
    return Answers(
        **{
            name: np.array(columns.get(name, [usual] * n), dtype=kind)
            for name, (kind, usual) in kinds.items()
        }
    )
