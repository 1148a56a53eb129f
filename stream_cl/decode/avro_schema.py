"""Avro schemas as they may be used: no more than what decoding needs, and bounded.

Apache Avro 1.12 specification, "Schema Declaration", "Names" and "Logical Types". A schema
comes from outside, and a few lines of one can make a decoder run for years or overflow the
stack, so what fastavro gets is written anew from what is understood here:

- No type holds itself, none nests deeper than `limits.SCHEMA_DEPTH`: the decoder recurses.
- Every type takes at least one byte, `null` outside a union and records without fields are
  refused: an array of nothing may have any length in any few bytes. So decoding n bytes takes
  at most n · SCHEMA_DEPTH values.
- Logical types are read here (see `_READERS`); those that are not named there are left out,
  as the specification says, and the value is that of the underlying type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import fastavro
import orjson
from fastavro.read import LOGICAL_READERS

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import DECIMAL_BYTES, RECORD_BYTES, SCHEMA_BYTES, SCHEMA_DEPTH
from stream_cl.decode.fields import shown

WHOLE: Final = "whole"
"""The one field of the record that every parsed schema is wrapped in: it costs no byte, and
lets a union stand at the top."""
_PRIMITIVE: Final = ("boolean", "int", "long", "float", "double", "bytes", "string")
_SCALE_MAX: Final = 512
_OURS: Final = "stream_cl."
"""Before the names of logical types, so that nobody else's reader is asked or replaced."""


class NoMoment(NamedTuple):
    """A date, a time of day or a time without a zone: a number, but no moment in time."""

    number: float
    kind: str


def parse(texts: Sequence[str]) -> Any:
    """A schema as fastavro's readers take it, whose value stands in the field `WHOLE`.

    Args:
        texts: JSON, those that are referred to before those that refer to them; the last one
            is the schema, the others only give names.

    Raises:
        Rejected: `bad_schema`.
    """
    names: dict[str, int] = {}
    named: dict[str, Any] = {}
    for last, text in enumerate(texts, start=1 - len(texts)):
        if len(text.encode()) > SCHEMA_BYTES:
            raise _bad(f"its text is longer than {SCHEMA_BYTES} bytes")
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _bad(f"not JSON at line {error.lineno}, column {error.colno}") from None
        clean, _ = _Cleaner(names).clean(document, "", 0)
        if last == 0:
            clean = {
                "type": "record",
                "name": f"{_OURS}{WHOLE}",
                "fields": [{"name": WHOLE, "type": clean}],
            }
        try:
            parsed = fastavro.parse_schema(clean, named_schemas=named)
        except MemoryError:
            raise
        except Exception as error:  # whatever fastavro finds wrong beyond what is checked here
            raise _bad(f"{type(error).__name__}: {shown(str(error))}") from None
    return parsed


class _Cleaner:
    """Writes schemas anew; `heights` has the nesting of every name, 0 while it is open."""

    def __init__(self, heights: dict[str, int]) -> None:
        self._heights = heights

    def clean(self, node: Any, namespace: str, depth: int) -> tuple[Any, int]:
        """The schema as far as it is used, and how many levels it nests."""
        if depth >= SCHEMA_DEPTH:
            raise _bad(f"nested deeper than {SCHEMA_DEPTH}")
        if type(node) is list:
            return self._union(node, namespace, depth)
        if type(node) is str:
            return self._reference(node, namespace, depth)
        if type(node) is not dict:
            raise _bad(f"a type is {shown(node)}")
        kind = node.get("type")
        if kind in ("record", "error"):
            return self._record(node, namespace, depth)
        if kind in ("array", "map"):
            inside = "items" if kind == "array" else "values"
            item, height = self.clean(node.get(inside), namespace, depth + 1)
            return {"type": kind, inside: item}, height + 1
        if kind in ("enum", "fixed"):
            return self._flat(node, kind, namespace), 1
        clean, height = self.clean(kind, namespace, depth + 1)
        if clean in _PRIMITIVE:
            return _with_logical({"type": clean}, node), height
        return clean, height + 1

    def _union(self, branches: list[Any], namespace: str, depth: int) -> tuple[Any, int]:
        cleaned: list[Any] = []
        height = 0
        for branch in branches:
            if branch == "null" or (type(branch) is dict and branch.get("type") == "null"):
                cleaned.append("null")
                continue
            clean, inner = self.clean(branch, namespace, depth + 1)
            if type(clean) is list:
                raise _bad("a union in a union")
            cleaned.append(clean)
            height = max(height, inner)
        if not cleaned:
            raise _bad("a union of no types")
        return cleaned, height + 1

    def _reference(self, name: str, namespace: str, depth: int) -> tuple[Any, int]:
        if name in _PRIMITIVE:
            return name, 1
        if name == "null":
            raise _bad("`null` outside a union takes no bytes")
        full = next((n for n in (_full(name, namespace), name) if n in self._heights), None)
        if full is None:
            raise _bad(f"there is no type {shown(name)}")
        height = self._heights[full]
        if height == 0:
            raise _bad(f"type {shown(full)} holds itself")
        if depth + height > SCHEMA_DEPTH:
            raise _bad(f"nested deeper than {SCHEMA_DEPTH}")
        return _OURS + full, height

    def _record(self, node: dict[str, Any], namespace: str, depth: int) -> tuple[Any, int]:
        full, inner_namespace = self._named(node, namespace)
        self._heights[full] = 0
        fields, height = [], 0
        given = node.get("fields")
        if type(given) is not list or not given:
            raise _bad(f"record {shown(full)} has no fields")
        for field in given:
            if type(field) is not dict or type(field.get("name")) is not str:
                raise _bad(f"a field of record {shown(full)} has no name")
            clean, inner = self.clean(field.get("type"), inner_namespace, depth + 1)
            fields.append({"name": field["name"], "type": clean})
            height = max(height, inner)
        self._heights[full] = height + 1
        return {"type": "record", "name": _OURS + full, "fields": fields}, height + 1

    def _flat(self, node: dict[str, Any], kind: str, namespace: str) -> Any:
        full, _ = self._named(node, namespace)
        self._heights[full] = 1
        if kind == "enum":
            symbols = node.get("symbols")
            if type(symbols) is not list or not symbols or {*map(type, symbols)} != {str}:
                raise _bad(f"enum {shown(full)} has no symbols")
            return {"type": "enum", "name": _OURS + full, "symbols": symbols}
        size = node.get("size")
        if type(size) is not int or not 1 <= size <= RECORD_BYTES:
            raise _bad(f"fixed {shown(full)} has size {shown(size)}")
        return _with_logical({"type": "fixed", "name": _OURS + full, "size": size}, node)

    def _named(self, node: dict[str, Any], namespace: str) -> tuple[str, str]:
        """The full name of a new type, and the namespace inside it."""
        name, own = node.get("name"), node.get("namespace")
        if type(name) is not str or not name:
            raise _bad(f"a {node['type']} has no name")
        full = _full(name, own if type(own) is str else namespace)
        if full in self._heights:
            raise _bad(f"type {shown(full)} is there twice")
        return full, full.rpartition(".")[0]


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _with_logical(clean: dict[str, Any], node: dict[str, Any]) -> Any:
    kind, logical = clean["type"], node.get("logicalType")
    if type(logical) is not str or f"{kind}-{logical}" not in _READERS:
        return clean["type"] if kind in _PRIMITIVE else clean
    scale = node.get("scale", 0)
    if logical == "decimal" and (type(scale) is not int or not 0 <= scale <= _SCALE_MAX):
        return clean["type"] if kind in _PRIMITIVE else clean
    return {**clean, "logicalType": _OURS + logical, "scale": scale}


def _bad(reason: str) -> Rejected:
    return Rejected("bad_schema", f"the schema cannot be used: {reason}")


def _decimal(data: bytes, schema: Any, _: Any) -> float:
    if len(data) > DECIMAL_BYTES:
        raise Rejected("too_large", f"a decimal of {len(data)} bytes; at most {DECIMAL_BYTES}")
    try:
        # Of whole numbers, so that the quotient is the nearest there is.
        quotient: float = int.from_bytes(data, "big", signed=True) / 10 ** schema["scale"]
    except OverflowError:
        raise Rejected("bad_value", "a decimal is beyond every float") from None
    return quotient


def _divided(by: int) -> Callable[[Any, Any, Any], int]:
    return lambda data, _, __: data // by


def _no_moment(kind: str, by: int) -> Callable[[Any, Any, Any], NoMoment]:
    return lambda data, _, __: NoMoment(data if by == 1 else data / by, kind)


def _uuid(data: bytes, _: Any, __: Any) -> str | bytes:
    return str(UUID(bytes=data)) if len(data) == 16 else data


_READERS: Final[dict[str, Callable[[Any, Any, Any], Any]]] = {
    "long-timestamp-micros": _divided(1_000),
    "long-timestamp-nanos": _divided(1_000_000),
    "int-date": _no_moment("a date", 1),
    "int-time-millis": _no_moment("a time of day", 1),
    "long-time-micros": _no_moment("a time of day", 1_000),
    "long-local-timestamp-millis": _no_moment("a time without a zone", 1),
    "long-local-timestamp-micros": _no_moment("a time without a zone", 1_000),
    "long-local-timestamp-nanos": _no_moment("a time without a zone", 1_000_000),
    "bytes-decimal": _decimal,
    "fixed-decimal": _decimal,
    "fixed-uuid": _uuid,
}
"""Type and logical type → value: times in milliseconds, dates in days, decimals as the nearest
float. (A `timestamp-millis` is that already, a `uuid` of type string is text.)"""
for _name, _reader in _READERS.items():
    _kind, _, _logical = _name.partition("-")
    LOGICAL_READERS[f"{_kind}-{_OURS}{_logical}"] = _reader
