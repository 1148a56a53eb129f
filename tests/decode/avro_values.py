"""Avro records for tests, and schemas without a registry."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import fastavro
import orjson

from stream_cl.core.errors import Rejected, TransportError
from stream_cl.decode.avro_schema import parse
from stream_cl.decode.registry import unknown_schema

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
VALUE = ["null", "boolean", "long", "double", "string"]
EVENT: dict[str, Any] = {
    "type": "record",
    "name": "Event",
    "namespace": "plant",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "time", "type": MILLIS},
        {"name": "features", "type": {"type": "map", "values": VALUE}},
        {"name": "label", "type": ["null", "string"], "default": None},
    ],
}
VECTOR: dict[str, Any] = {
    "type": "record",
    "name": "Image",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "time", "type": MILLIS},
        {"name": "vector", "type": {"type": "array", "items": "float"}},
    ],
}
LABEL: dict[str, Any] = {
    "type": "record",
    "name": "Answer",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "label", "type": ["null", "string", "long"]},
        {"name": "abstain", "type": "boolean", "default": False},
        {"name": "annotator", "type": "string"},
        {"name": "time", "type": ["null", MILLIS]},
    ],
}


def framed(id_: int, schema: Any, value: Any) -> bytes:
    """A value in Confluent's wire format."""
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return b"\0" + struct.pack(">I", id_) + body.getvalue()


def record_of(**types: Any) -> dict[str, Any]:
    """A schema of a record with these fields."""
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    return {"type": "record", "name": "R", "fields": fields}


class Schemas:
    """Takes the place of a `SchemaCache`: these schemas, and nothing behind them."""

    def __init__(self, **texts: Any) -> None:
        self.texts = {int(name.strip("s")): schema for name, schema in texts.items()}
        self.down = False
        self._parsed: dict[int, Any] = {}

    def get(self, id_: int) -> Any:
        if self.down:
            raise TransportError("schema registry: down")
        if id_ not in self.texts:
            raise unknown_schema(id_)
        if id_ not in self._parsed:
            self._parsed[id_] = parse([orjson.dumps(self.texts[id_]).decode()])
        return self._parsed[id_]


def refusal(schema: Any) -> str:
    """Why a schema is refused; empty where it is not."""
    try:
        parse([schema if isinstance(schema, str) else orjson.dumps(schema).decode()])
    except Rejected as rejected:
        return f"{rejected.code}: {rejected.reason}"
    return ""
