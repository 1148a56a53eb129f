"""Records for the tests of this folder."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from stream_cl.core.records import Events, Headers, RawRecords
from stream_cl.decode.encoder import Encoder
from stream_cl.decode.json_events import decode_events

GOOD = b'{"id":"good","time":1714521600000,"features":{"x":1.5,"y":-2}}'


def raw(*values: bytes | None, headers: Sequence[Headers] | None = None) -> RawRecords:
    """Records of one partition, with offsets from 0."""
    n = len(values)
    return RawRecords(
        "events", [0] * n, list(range(n)), [None] * n, list(values), list(headers or [()] * n)
    )


def events_of(*features: dict[str, Any] | list[float]) -> Events:
    """Decoded events with these features, or vectors."""
    values = [
        orjson.dumps({"id": str(i), "time": i, "features" if type(f) is dict else "vector": f})
        for i, f in enumerate(features)
    ]
    events, dead = decode_events(raw(*values))
    assert not dead, dead
    return events


def last_row(encoder: Encoder, *made: Any) -> list[float]:
    """The last of some events in numbers; the encoder has learned them all."""
    encoded = encoder.encode(events_of(*made))
    encoder.commit(encoded)
    return [round(value, 6) for value in encoded.x[-1].tolist()]


def rows_of(path: Path, limit: int) -> list[dict[str, str]]:
    """The first rows of a stream, without the label."""
    with gzip.open(path, "rt", newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row, _ in zip(reader, range(limit), strict=False)]
    for row in rows:
        del row["label"]
    return rows
