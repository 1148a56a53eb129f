"""What goes into a pipeline in memory and what comes out: Python objects to records and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import numpy as np
import orjson

from stream_cl import api_html
from stream_cl.core.errors import Rejected, UserError
from stream_cl.decode.fields import label_text

_JSON: Final = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the pipeline says of one event; the fields are those of `docs/records.md`.

    label: the most probable class, None while none is known. probabilities: the 10 most
    probable classes. asked, propensity, reason: whether the label was asked for, with which
    probability, and why. model: the learner, and the labels it had learned.

    >>> from stream_cl import Pipeline
    >>> Pipeline().feed([{"x": 1.0}])[0].reason
    'cold_start'
    """

    id: str
    time: str
    label: str | None
    probabilities: dict[str, float]
    uncertainty: float
    utility: float
    asked: bool
    propensity: float
    step: int
    model: str
    reason: str

    def _repr_html_(self) -> str:
        return api_html.fields(f"Prediction of {self.id}", asdict(self))


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """An open question. One of `features` and `vector` is None, as with the event.

    candidates: the classes that it may be, most probable first; they hold the true one in a share
    `coverage` of the requests, None while that is not known. utility: how much the query strategy
    `strategy` thinks that the label would teach. propensity: how likely it was to be asked.
    priority: in [0, 1], larger is more useful. reason: as in `docs/records.md`.

    >>> from stream_cl import Pipeline
    >>> pipeline = Pipeline()
    >>> predictions = pipeline.feed([{"colour": "red", "size": 2}])
    >>> pipeline.requests[0].features
    {'colour': 'red', 'size': 2}
    """

    id: str
    features: dict[str, Any] | None
    vector: list[float] | None
    candidates: tuple[str, ...]
    coverage: float | None
    utility: float
    propensity: float
    strategy: str
    priority: float
    reason: dict[str, Any]

    def _repr_html_(self) -> str:
        return api_html.fields(f"Label request for {self.id}", asdict(self))


def prediction_of(value: bytes) -> Prediction:
    """A record of `predictions`, read back."""
    document = orjson.loads(value)
    del document["v"]
    return Prediction(**document)


def request_of(value: bytes) -> LabelRequest:
    """A record of `label-requests`, read back."""
    document = orjson.loads(value)
    return LabelRequest(
        id=document["id"],
        features=document.get("features"),
        vector=document.get("vector"),
        candidates=tuple(document["candidates"]),
        coverage=document["coverage"],
        utility=document["utility"],
        propensity=document["propensity"],
        strategy=document["strategy"],
        priority=document["priority"],
        reason=document["reason"],
    )


def listed(events: Iterable[Any]) -> list[Any]:
    """The events as a list.

    Raises:
        UserError: it is one event, or nothing that holds events.
    """
    if isinstance(events, Mapping | str | bytes):
        raise UserError("feed: give a list of events, [event] for a single one")
    if hasattr(events, "iterrows"):  # iterating over a table gives the names of its columns
        raise UserError("feed: give a table as a list of dicts: frame.to_dict('records')")
    try:
        return list(events)
    except TypeError as error:
        raise UserError(f"feed: give a list of events ({error})") from None


def event_value(index: int, number: int, event: Any) -> bytes:
    """An event as a record's bytes; `number` stands for an id or a time that it lacks.

    Raises:
        UserError: it is no event; the message names its `index`.
    """
    if isinstance(event, Mapping):
        record = dict(event) if _is_record(event) else {"features": dict(event)}
        if record.get("features") is not None and "label" in record["features"]:
            raise UserError(
                f"events[{index}]: `label` among the features would be predicted from; give "
                "{'features': {…}, 'label': …}, or another name"
            )
    elif isinstance(event, list | tuple | np.ndarray):
        record = {"vector": _plain(event)}
    else:
        raise UserError(
            f"events[{index}]: {event!r:.60} is {_kind(event)}; give a dict of features, a list "
            "of numbers or a record"
        )
    if record.get("id") is None:
        record["id"] = str(number)
    if record.get("time") is None:
        record["time"] = number
    for name, value in (record.get("features") or {}).items():
        _check(value, f"events[{index}]: feature {name!r}")
    try:
        return orjson.dumps(record, option=_JSON)
    except TypeError as error:
        raise UserError(f"events[{index}]: cannot be written as JSON ({error})") from None


def answer_value(id_: Any, label: Any, annotator: str) -> bytes:
    """An answer as a record's bytes.

    Raises:
        UserError: the id or the label can be none.
    """
    if not isinstance(id_, str):
        raise UserError(f"answer: the id {id_!r:.60} is {_kind(id_)}; give it as text")
    if not isinstance(annotator, str):
        raise UserError(f"answer: the annotator {annotator!r:.60} is {_kind(annotator)}, not text")
    record: dict[str, Any] = {"id": id_, "annotator": annotator}
    plain = _plain(label)
    if isinstance(plain, float) and not math.isfinite(plain):
        raise UserError(f"answer to {id_!r:.60}: {plain} is no label; give None to abstain")
    try:
        record |= {"abstain": True} if plain is None else {"label": label_text(plain)}
        return orjson.dumps(record)
    except Rejected as rejected:
        raise UserError(f"answer to {id_!r:.60}: {rejected.reason}") from None
    except TypeError as error:
        raise UserError(f"answer to {id_!r:.60}: cannot be written as JSON ({error})") from None


def _is_record(event: Mapping[str, Any]) -> bool:
    """Whether it holds an event; a feature is never a mapping or a list, so this is certain."""
    return isinstance(event.get("features"), Mapping) or isinstance(
        event.get("vector"), list | tuple | np.ndarray
    )


def _check(value: Any, what: str) -> None:
    if value is None or isinstance(value, str | bool | int | np.generic):
        value = _plain(value)
    elif not isinstance(value, float):
        raise UserError(f"{what} is {_kind(value)}; give a number, text, boolean or None")
    # As JSON it would be null, and pass for a missing one.
    if isinstance(value, float) and math.isinf(value):
        raise UserError(f"{what} is infinite; give a finite number, or None where it is missing")


def _plain(value: Any) -> Any:
    """numpy's values as Python's."""
    return cast(Any, value).tolist() if isinstance(value, np.generic | np.ndarray) else value


def _kind(value: Any) -> str:
    return f"of type {type(value).__name__}"
