"""Label requests as the pipeline writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from stream_cl.serve.label.question import Question, parse

NOW_MS = 1_700_000_000_000
"""Where `FakeClock` begins."""
HOUR_MS = 3_600_000


def record(id_: str, attempt: int = 1, expires_ms: int = NOW_MS + HOUR_MS, **more: Any) -> bytes:
    expires = datetime.fromtimestamp(expires_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps(
        {
            "v": 1,
            "id": id_,
            "request": f"{id_}/{attempt}",
            "status": "open",
            "time": "2026-03-01T08:30:00.250Z",
            "features": {"amount": 1.5},
            "candidates": ["fraud", "good"],
            "coverage": 0.9,
            "utility": 0.9,
            "propensity": 0.1,
            "strategy": "uncertainty",
            "priority": 0.5,
            "reason": {"draw": "drawn", "strategy": "uncertainty", "utility": 0.9,
                       "threshold": None, "examples": []},
            "expires": expires,
            "attempt": attempt,
            **more,
        }
    )  # fmt: skip


def question(id_: str, attempt: int = 1, log_ms: int = NOW_MS, **more: Any) -> Question:
    made = parse(record(id_, attempt, **more), log_ms)
    assert isinstance(made, Question)
    return made
