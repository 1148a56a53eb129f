"""From what a step decided to the bytes of its output records.

Predictions are written once per event, so their JSON comes from a template filled with
columns (0.5 µs a record) and not from a dict each (3 µs). Requests are few: `requests`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from stream_cl.core.limits import PROBABILITIES_TOP
from stream_cl.core.protocols import REASONS, Decision
from stream_cl.core.records import Events, Headers, Probabilities

VARYING_HEADERS: Final = frozenset({"incarnation"})
"""Headers that a run and its replay need not share."""

ROUND_DIGITS: Final = 6
_REASON = [b'"%b"' % reason.encode() for reason in REASONS]
_BOOL = (b"false", b"true")
_EPOCH: Final = datetime(1970, 1, 1)  # UTC, as every time here; the Z is added
_FEW: Final = 8
_TAILS: Final = [b".%03dZ" % ms for ms in range(1000)]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every output record of a step says of it."""

    step: int
    incarnation: int
    model: str

    @property
    def headers(self) -> Headers:
        return (("step", b"%d" % self.step), ("incarnation", b"%d" % self.incarnation))


@dataclass(slots=True)
class Verdicts:
    """What a step found out about its n events, in columns."""

    probabilities: Probabilities
    uncertainty: npt.NDArray[np.float64]
    utility: npt.NDArray[np.float64]
    decision: Decision


def predictions(
    events: Events, verdicts: Verdicts, class_names: Sequence[str], stamp: Stamp
) -> list[bytes]:
    """One value per event, in their order."""
    n, k = verdicts.probabilities.shape
    if n == 0:
        return []
    names = [orjson.dumps(name) for name in class_names[:k]]
    labels = [b"null"] * n
    if k > 0:
        labels = [names[i] for i in verdicts.probabilities.argmax(axis=1).tolist()]
    classes, columns = _figures(verdicts, names)
    template = (
        b'{"v":1,"id":%b,"time":"%b","label":%b,"probabilities":{'
        + classes
        + b'},"uncertainty":%b,"utility":%b,"asked":%b,"propensity":%b,"step":'
        + b"%d" % stamp.step
        + b',"model":'
        + orjson.dumps(stamp.model).replace(b"%", b"%%")
        + b',"reason":%b}'
    )
    rows = zip(
        map(orjson.dumps, events.ids),
        rfc3339(events.times_ms),
        labels,
        *columns,
        [_BOOL[asked] for asked in verdicts.decision.asked.tolist()],
        _numbers(verdicts.decision.propensity),
        [_REASON[reason] for reason in verdicts.decision.reason.tolist()],
        strict=True,
    )
    return [template % row for row in rows]


def _figures(verdicts: Verdicts, names: list[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """A template for the inside of `probabilities`, and the columns of numbers: those that fill
    it, uncertainty, utility."""
    n, k = verdicts.probabilities.shape
    top = k > PROBABILITIES_TOP
    # One matrix, since each call of numpy costs a microsecond however small it is.
    matrix = np.empty((n, 2 if top else k + 2))
    if not top:
        matrix[:, :k] = verdicts.probabilities
    matrix[:, -2], matrix[:, -1] = verdicts.uncertainty, verdicts.utility
    columns = _number_columns(matrix.round(ROUND_DIGITS))
    if top:
        return b"%b", [_top(verdicts.probabilities, names), *columns]
    return b",".join([name.replace(b"%", b"%%") + b":%b" for name in names]), columns


def _top(probabilities: Probabilities, names: list[bytes]) -> list[bytes]:
    """The most probable classes of each event."""
    # By the unrounded ones, so that the predicted class is always among them.
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :PROBABILITIES_TOP]
    rounded = probabilities.round(ROUND_DIGITS)
    numbers = _numbers(np.take_along_axis(rounded, top, axis=1).ravel())
    pairs = [names[i] + b":" + p for i, p in zip(top.ravel().tolist(), numbers, strict=True)]
    size = PROBABILITIES_TOP
    return [b",".join(pairs[i : i + size]) for i in range(0, len(pairs), size)]


def _numbers(values: npt.NDArray[np.float64]) -> list[bytes]:
    """Each number as JSON."""
    packed = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return packed[1:-1].split(b",")


def _number_columns(matrix: npt.NDArray[np.float64]) -> list[list[bytes]]:
    flat, width = _numbers(matrix.ravel()), matrix.shape[1]
    return [flat[j::width] for j in range(width)]


def rfc3339(times_ms: Iterable[int]) -> list[bytes]:
    """Epoch milliseconds as `2026-11-21T09:00:00.000Z`."""
    listed = list(times_ms)
    if len(listed) < _FEW:
        # numpy takes 7 µs to begin with; a step of one event is as natural as one of 1,000.
        return [
            (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").encode() + b"Z"
            for ms in listed
        ]
    # Events of a step mostly share a few seconds, and numpy takes 0.4 µs to write one.
    seconds, tails = np.divmod(np.array(listed, dtype=np.int64), 1000)
    known, which = np.unique(seconds, return_inverse=True)
    heads = np.datetime_as_string(known.astype("datetime64[s]")).astype("S19").tolist()
    return [heads[i] + _TAILS[tail] for i, tail in zip(which.tolist(), tails.tolist(), strict=True)]
