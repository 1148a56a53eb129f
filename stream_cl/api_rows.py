"""Records of a log as dicts: what a notebook sees of a topic."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import orjson

from stream_cl.api_frames import Row
from stream_cl.core.errors import Rejected
from stream_cl.core.records import Chunk, Events, Headers, Label, RawRecords
from stream_cl.decode.decoder import Decoder
from stream_cl.decode.times import parse_time

COLUMNS: Final = ("append_time", "log_partition", "log_offset")
"""Where a record stands; they come first, and no field of a record is called so."""
_MOMENTS: Final = frozenset({"time", "expires"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Rows:
    """From a record to a dict.

    Args:
        decoder: reads events and labels that are no plain JSON objects (Avro, CloudEvents).
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def row(self, topic: str, chunk: Chunk) -> Row:
        """The one record of `chunk`, of the topic that the documents call `topic`.

        Fields stand there as they came, but for `time` and `expires`, which become datetimes in
        UTC where they are moments. What cannot be read has its bytes in `value`, and why the
        pipeline refuses it in `refused`.
        """
        found: Row = dict(
            zip(
                COLUMNS,
                (moment(chunk.timestamps_ms[0]), chunk.partition, chunk.offsets[0]),
                strict=True,
            )
        )
        if topic == "dead-letters":
            return found | _letter(chunk)
        document = _object(chunk.values[0])
        if topic in ("events", "labels") and not _plain(document, chunk.headers[0]):
            document = self._decoded(topic, chunk)
        return found | {name: _value(name, value) for name, value in (document or {}).items()}

    def _decoded(self, topic: str, chunk: Chunk) -> Row:
        """An event or a label as the pipeline reads it."""
        raw = RawRecords(
            chunk.topic,
            [chunk.partition],
            list(chunk.offsets),
            list(chunk.keys),
            list(chunk.values),
            list(chunk.headers),
        )
        if topic == "events":
            events, refused = self._decoder.events(raw)
            if len(events):
                return _event(events)
        else:
            labels, refused = self._decoder.labels(raw)
            if labels:
                return _label(labels[0])
        return {"value": readable(chunk.values[0]), "refused": refused[0].code}


def moment(time_ms: int) -> datetime:
    """Epoch milliseconds as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def readable(body: bytes | None) -> str | None:
    """Bytes as text; base64 where they are none."""
    if body is None:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"base64:{b64encode(body).decode()}"


def _object(value: bytes | None) -> dict[str, Any] | None:
    try:
        document = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _plain(document: dict[str, Any] | None, headers: Headers) -> bool:
    """Whether the record is what its topic documents, and no envelope around it."""
    envelope = any(name.startswith("ce_") for name, _ in headers)
    return document is not None and "specversion" not in document and not envelope


def _value(name: str, value: Any) -> Any:
    if name not in _MOMENTS:
        return value
    try:
        return moment(parse_time(value))
    except Rejected:
        return value


def _event(events: Events) -> Row:
    features: Any = events.features[0]
    if isinstance(features, tuple):
        numbers = np.frombuffer(events.numbers[0] or b"", np.float64)
        features = dict(zip(features, numbers.tolist(), strict=True))
    what = {"features": features} if events.vectors[0] is None else {"vector": events.vectors[0]}
    label = {} if events.labels[0] is None else {"label": events.labels[0]}
    return {"id": events.ids[0], "time": moment(events.times_ms[0]), **what, **label}


def _label(label: Label) -> Row:
    return {
        "id": label.id,
        **({"abstain": True} if label.label is None else {"label": label.label}),
        "annotator": label.annotator,
        "revision": label.revision,
        "request": label.request,
        "cost": label.cost,
        "time": None if label.time_ms is None else moment(label.time_ms),
    }


def _letter(chunk: Chunk) -> Row:
    said = {name: readable(body) for name, body in chunk.headers[0]}
    return {
        "code": said.get("code"),
        "reason": said.get("reason"),
        "source": f"{said.get('topic')}[{said.get('partition')}]@{said.get('offset')}",
        "key": readable(chunk.keys[0]),
        "value": readable(chunk.values[0]),
    }
