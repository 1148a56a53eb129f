"""The stream that speed is measured on: ten numeric features, two classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson

from stream_cl.pipeline.scored import Scored

COLUMNS: Final = tuple(f"f{j}" for j in range(10))
ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "columns": {"kind": "columns", "columns": list(COLUMNS)},
    "hashing": {"kind": "hashing"},
}


def config(encoder: str, step_events: int) -> dict[str, Any]:
    """5 % labels, `softmax`, everything else at its default."""
    return {
        "step": {"max_events": step_events},
        "encoder": ENCODERS[encoder],
        "learner": {"kind": "softmax"},
        "budget": {"kind": "fraction", "fraction": 0.05},
    }


def events(start: int, stop: int) -> list[bytes]:
    """The records of events `start` up to, not including, `stop`: some 200 bytes each."""
    values = np.random.default_rng(start).normal(size=(stop - start, len(COLUMNS))).round(6)
    return [
        orjson.dumps(
            {
                "v": 1,
                "id": str(number),
                "time": 1_760_000_000_000 + number,
                "features": dict(zip(COLUMNS, row, strict=True)),
            }
        )
        for number, row in enumerate(values.tolist(), start)
    ]


def answer(id_: str, features: dict[str, float]) -> bytes:
    """The label of an event: which side of a plane it is on."""
    label = "up" if features["f0"] + features["f1"] > 0 else "down"
    return orjson.dumps({"v": 1, "id": id_, "label": label, "annotator": "truth"})


def answers(scored: Scored) -> list[bytes]:
    """The labels of the events that a step asked for."""
    asked = np.flatnonzero(scored.verdicts.decision.asked).tolist()
    ids: Sequence[str] = scored.events.ids
    values, rows = scored.raw_events.values, scored.events.rows
    features = {i: orjson.loads(values[rows[i]] or b"")["features"] for i in asked}
    return [answer(ids[i], features[i]) for i in asked]
