"""What a page shows of an event, and what is unusual about it.

Unusual is a number outside Tukey's fences (one and a half times the distance between the quartiles,
beyond them), or a short text that fewer than one in fifty had, among the last `KEPT` values of that
feature. An event is compared with the questions seen, which are hard events rather than common
ones: the title says so.

Memory: `FEATURES` features with `KEPT` values each.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from bisect import bisect_left
from collections import Counter, deque
from typing import Any, Final

import orjson

from stream_cl.serve.label.question import Question

KEPT: Final = 256
LEAST: Final = 30
"""Values after which there is something to compare with."""
FEATURES: Final = 1000
_WORD_CHARS: Final = 64
_RARE: Final = 1 / 50
_IMAGE: Final = re.compile(r"data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})")
_MAGIC: Final = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


class Looks:
    """The values that the features had.

    Args:
        shape: a vector of as many numbers is an image: rows, columns and perhaps colours.
    """

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        self._shape = shape
        self._seen: dict[str, deque[Any]] = {}

    def see(self, question: Question) -> None:
        """Take in the values of a question."""
        for name, value in _features(orjson.loads(question.body)).items():
            if not _is_comparable(value):
                continue
            if name not in self._seen:
                if len(self._seen) >= FEATURES:
                    continue
                self._seen[name] = deque(maxlen=KEPT)
            self._seen[name].append(value)

    def show(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A request's features as a page draws them: a table of texts, an image, or numbers."""
        features, vector = _features(fields), fields.get("vector")
        shown: dict[str, Any] = {
            "rows": [self._row(name, value) for name, value in features.items()],
            "left_out": fields.get("features_left_out") is True,
        }
        if isinstance(vector, list):
            numbers = [_finite(value) for value in vector]
            if self._shape is not None and len(numbers) == math.prod(self._shape):
                shown["picture"] = {"shape": list(self._shape), "values": numbers}
            else:
                shown["vector"] = numbers
        return shown

    def _row(self, name: str, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            kind = "image" if is_image(value) else "text"
            return {"name": name, "kind": kind, "value": value, "mark": self._mark(name, value)}
        kind = "number" if type(value) in (int, float) else "word"
        text = "missing" if value is None else orjson.dumps(value).decode()
        return {"name": name, "kind": kind, "value": text, "mark": self._mark(name, value)}

    def _mark(self, name: str, value: Any) -> str | None:
        """Why a value is unusual; None where it is not, or nobody can tell."""
        seen = self._seen.get(name, ())
        if len(seen) < LEAST or not _is_comparable(value):
            return None
        if isinstance(value, str):
            alike = Counter(seen)[value]
            return (
                f"unusual: {alike} of the last {len(seen)} questions had this"
                if alike / len(seen) < _RARE and len(set(seen)) <= len(seen) / 4
                else None
            )
        numbers = sorted(one for one in seen if not isinstance(one, str))
        if len(numbers) < LEAST:
            return None
        low, high = numbers[len(numbers) // 4], numbers[-1 - len(numbers) // 4]
        reach = 1.5 * (high - low)
        if low - reach <= value <= high + reach:
            return None
        below = bisect_left(numbers, value)
        side, share = ("above", below) if value > high else ("below", len(numbers) - below)
        return f"unusual: {side} {share} of the last {len(numbers)} questions"


def is_image(text: str) -> bool:
    """Whether a text is a data URI of a kind of image that runs nothing, and begins like one."""
    match = _IMAGE.fullmatch(text)
    if match is None:
        return False
    kind, data = match.groups()
    try:
        head = base64.b64decode(data[:32])
    except binascii.Error:
        return False
    return _MAGIC[kind].match(head) is not None


def _features(fields: Any) -> dict[str, Any]:
    features = fields.get("features") if isinstance(fields, dict) else None
    return features if isinstance(features, dict) else {}


def _is_comparable(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _WORD_CHARS
    return type(value) in (int, float)


def _finite(value: Any) -> float:
    if type(value) not in (int, float):
        return 0.0
    return float(f"{value:.6g}")
