"""The fields that events and labels share, and how a reason shows what was wrong."""

from __future__ import annotations

import re
from typing import Any, Final
from unicodedata import normalize

import orjson

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import (
    ID_BYTES,
    JSON_DEPTH,
    LABEL_BYTES,
    REASON_CHARS,
    RECORD_BYTES,
)
from stream_cl.core.records import DeadLetter, RawRecords

# Refused in short texts: they are printed in terminals and logs, and CloudEvents' own
# strings may not have them either (CloudEvents 1.0, "Type System").
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWN_CHARS: Final = 40


def shown(value: Any) -> str:
    """A value as a reason may show it: ASCII, one line, short whatever the value is."""
    if isinstance(value, str):
        cut = value[:_SHOWN_CHARS]
        return ascii(cut) + ("…" if len(value) > len(cut) else "")
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)[:_SHOWN_CHARS]


def parse_object(value: bytes | None) -> dict[str, Any]:
    """The JSON object in a record's value.

    Raises:
        Rejected: `not_json`, `not_an_object`, `too_deep` or `too_large`.
    """
    if not value:
        raise Rejected("not_json", "the value is empty")
    document = parse_json(value)
    if type(document) is not dict:
        raise Rejected("not_an_object", f"the value is {shown(document)}, not an object")
    return document


def parse_json(value: bytes) -> Any:
    """One JSON value (RFC 8259): no NaN, no Infinity, no lone surrogates, UTF-8 only.

    Raises:
        Rejected: `not_json`, `too_deep` or `too_large`.
    """
    if len(value) > RECORD_BYTES:
        raise Rejected("too_large", f"{len(value)} bytes are more than {RECORD_BYTES}")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        if "limit" in error.msg:  # orjson stops at 1024 levels by itself
            raise Rejected("too_deep", f"nested deeper than {JSON_DEPTH}") from None
        raise Rejected(
            "not_json", f"not JSON at line {error.lineno}, column {error.colno}: {error.msg[:80]}"
        ) from None
    # Counting is fast, and only what has that many brackets at all can be that deep.
    if value.count(b"{") + value.count(b"[") > JSON_DEPTH and _deeper_than(document, JSON_DEPTH):
        raise Rejected("too_deep", f"nested deeper than {JSON_DEPTH}")
    return document


def _deeper_than(document: Any, depth: int) -> bool:
    """Whether `document` nests more than `depth` objects and lists. Without recursion."""
    level = [document]
    for _ in range(depth + 1):
        level = [node for node in level if type(node) is dict or type(node) is list]
        if not level:
            return False
        level = [
            child for node in level for child in (node.values() if type(node) is dict else node)
        ]
    return True


def short_text(value: Any, code: str, field: str, limit_bytes: int = ID_BYTES) -> str:
    """A text of 1 to `limit_bytes` bytes of UTF-8 without control characters.

    Raises:
        Rejected: with `code`, naming `field`.
    """
    if type(value) is not str:
        problem = "is missing" if value is None else f"is {shown(value)}, not a string"
        raise Rejected(code, f"`{field}` {problem}")
    if not value:
        raise Rejected(code, f"`{field}` is empty")
    # A character is at most four bytes of UTF-8, so most texts need no encoding.
    if len(value) * 4 > limit_bytes and len(value.encode()) > limit_bytes:
        raise Rejected(code, f"`{field}` {shown(value)} is longer than {limit_bytes} bytes")
    if not value.isprintable() and _CONTROL.search(value):
        raise Rejected(code, f"`{field}` {shown(value)} holds a control character")
    return value


def label_text(value: Any) -> str:
    """A label as it is kept: an NFC string (Unicode Standard Annex 15).

    Numbers and booleans become their JSON text: 1 → "1", 1.50 → "1.5", true → "true".

    Raises:
        Rejected: `bad_label`.
    """
    kind = type(value)
    if kind is bool or kind is int or kind is float:
        return orjson.dumps(value).decode()
    if kind is str and not value.isascii():
        value = normalize("NFC", value)
    if kind is not str and value is not None:
        raise Rejected(
            "bad_label", f"`label` is {shown(value)}, not a string, a number or a boolean"
        )
    return short_text(value, "bad_label", "label", LABEL_BYTES)


def check_version(document: dict[str, Any]) -> None:
    """`v` is 1 or is not there.

    Raises:
        Rejected: `bad_version`.
    """
    version = document.get("v")
    if version is not None and (type(version) is not int or version != 1):
        raise Rejected("bad_version", f"`v` is {shown(version)}; this program reads version 1")


def dead_letter(raw: RawRecords, row: int, rejected: Rejected) -> DeadLetter:
    """The dead letter of record `row`; its reason is one short line."""
    return DeadLetter(
        raw.source(row),
        raw.keys[row],
        raw.values[row],
        rejected.code,
        rejected.reason[:REASON_CHARS],
    )
