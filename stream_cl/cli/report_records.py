"""Records of the outputs as the report reads them: whatever stands in a topic, nothing raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from stream_cl.core.limits import PROBABILITIES_TOP
from stream_cl.core.records import Chunk, RawRecords
from stream_cl.drift.adwin import Adwin
from stream_cl.evaluation.intervals import WeightedSums
from stream_cl.evaluation.scores import Answers

BYTES_SHOWN: Final = 300
"""Of a dead letter's value."""


class Made(NamedTuple):
    """A prediction: the fields of its record that the report needs."""

    id: str
    label: str | None
    probabilities: dict[str, float]
    uncertainty: float
    asked: bool
    propensity: float
    model: str
    reason: str


class Question(NamedTuple):
    """An event that was asked for: its number in the period, when and how it was predicted.
    last: the label last known then. predicted, last: classes by number, −1 for none."""

    event: int
    append_ms: int
    propensity: float
    predicted: int
    confidence: float
    last: int
    held_out: bool
    probabilities: dict[str, float]


@dataclass(slots=True)
class Stretch:
    """An equal part of the period. asked: requests opened, further ones about an event among
    them. sums: of the answers to the events that were predicted in it."""

    events: int = 0
    asked: int = 0
    letters: int = 0
    uncertainty: float = 0.0
    sums: WeightedSums = field(default_factory=WeightedSums)


class Letter(NamedTuple):
    """A dead letter as it is shown."""

    append_ms: int
    reason: str
    source: str
    value: bytes


class Drift(NamedTuple):
    """A change that a detector saw. rose: whether what it watches went up."""

    append_ms: int
    watched: str
    rose: bool


class Watch:
    """ADWIN over the means of blocks."""

    def __init__(self, block: int) -> None:
        self._detector = Adwin(block=block)
        self._block = block
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> int:
        """1 where the mean has risen, −1 where it has fallen, else 0."""
        self._sum, self._count = self._sum + value, self._count + 1
        if self._count < self._block:
            return 0
        mean, self._sum, self._count = self._sum / self._block, 0.0, 0
        return self._detector.add(mean)


def object_of(value: bytes | None) -> dict[str, Any]:
    """The JSON object that stands there; an empty one where none does."""
    try:
        document = orjson.loads(value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def made_of(value: bytes | None) -> Made | None:
    """The prediction that stands there; None where somebody wrote something else."""
    found = object_of(value)
    try:
        made = Made(**{name: found[name] for name in Made._fields})
    except KeyError:
        return None
    sound = (
        isinstance(made.id, str)
        and (made.label is None or isinstance(made.label, str))
        and isinstance(made.probabilities, dict)
        and all(type(share) in (int, float) for share in made.probabilities.values())
        and type(made.uncertainty) in (int, float)
        and type(made.propensity) in (int, float)
        and 0 <= made.propensity <= 1
        and isinstance(made.reason, str)
        and isinstance(made.model, str)
    )
    return made if sound else None


def letter_of(chunk: Chunk, row: int) -> tuple[str, Letter]:
    """Code and what is shown of a dead letter."""
    said = {name: body.decode(errors="replace")[:BYTES_SHOWN] for name, body in chunk.headers[row]}
    source = f"{said.get('topic', '?')}[{said.get('partition', '?')}]@{said.get('offset', '?')}"
    value = (chunk.values[row] or b"")[:BYTES_SHOWN]
    letter = Letter(chunk.timestamps_ms[row], said.get("reason", ""), source, value)
    return said.get("code", "(none)"), letter


def raw_of(chunk: Chunk) -> RawRecords:
    """A chunk as a decoder takes it."""
    return RawRecords(
        chunk.topic,
        [chunk.partition] * len(chunk),
        list(chunk.offsets),
        list(chunk.keys),
        list(chunk.values),
        list(chunk.headers),
    )


def answers_of(
    questions: Sequence[Question], labels: Sequence[str], numbers: Sequence[int], classes: int
) -> Answers:
    """Answers in columns, as figures take them.

    Args:
        questions: what was asked, n of them.
        labels: n answers.
        numbers: their classes, −1 for none of them.
        classes: how many are known.
    """
    pairs = zip(questions, labels, strict=True)
    likely = [_given(question.probabilities, label, classes) for question, label in pairs]
    return Answers(
        event=np.array([question.event for question in questions], np.int64),
        propensity=np.array([question.propensity for question in questions], np.float64),
        true=np.array(numbers, np.int64),
        predicted=np.array([question.predicted for question in questions], np.int64),
        last=np.array([question.last for question in questions], np.int64),
        probability=np.array(likely, np.float64),
        confidence=np.array([question.confidence for question in questions], np.float64),
        held_out=np.array([question.held_out for question in questions], np.bool_),
    )


def _given(probabilities: dict[str, float], label: str, classes: int) -> float:
    """What the prediction gave to the label. Where the list was cut, the others share what it
    leaves (`evaluation.likelihood`); where it was not, no other class was known."""
    if label in probabilities or len(probabilities) < PROBABILITIES_TOP:
        return probabilities.get(label, 0.0)
    left = max(0.0, 1.0 - sum(probabilities.values()))
    return left / max(1, classes - len(probabilities))
