"""CloudEvents 1.0, in the two modes of its Kafka protocol binding.

Structured: the value is one JSON object with the attributes and `data` or `data_base64`
(CloudEvents JSON format 1.0); known by its content type or by `specversion`. Binary: the
attributes are headers `ce_…`, the value is the data. Batches and other formats than JSON
are refused.

What an envelope becomes:

- `data` that has `features` (an object) or `vector` (a list), or for labels `label` or
  `abstain`, is one of our own records; its own `id` and `time` win over the envelope's.
- Other `data` of an event is an object whose fields are the features, all of them.
- An id that `data` does not give is `source#id`: CloudEvents promises no more than that
  source and id together are unique, so the id alone would take one of two sources' events
  for a repetition. In the id part, `%` and `#` are written `%25` and `%23`, so no two
  pairs give the same text. Whoever wants shorter ids puts `id` into `data`.
- A time that `data` does not give is the envelope's `time`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final, NamedTuple

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import RECORD_BYTES
from stream_cl.core.records import Headers
from stream_cl.decode.fields import parse_json, parse_object, shown

_REQUIRED: Final = ("id", "source", "type", "specversion")
_STRUCTURED: Final = "application/cloudevents+json"


class Envelope(NamedTuple):
    """The attributes that matter here. `salt` is what a checksum of the value would miss."""

    id: str
    time: Any
    data: dict[str, Any]
    salt: bytes


def open_binary(attributes: dict[str, str], content_type: str, value: bytes | None) -> Envelope:
    """An envelope whose attributes are headers.

    Args:
        attributes: the `ce_` headers without that prefix.
        content_type: the media type of `value`, lower case; empty when not given.
        value: the data.

    Raises:
        Rejected: `bad_cloudevent`, or what the JSON in it is rejected for.
    """
    identity = _identity(attributes)
    _json_type(content_type)
    if not value:
        raise Rejected("bad_cloudevent", "a CloudEvent without data")
    salt = f"{identity}\n{attributes.get('time', '')}".encode()
    return Envelope(identity, attributes.get("time"), _data(parse_json(value)), salt)


def open_structured(document: dict[str, Any]) -> Envelope:
    """An envelope that is one JSON object.

    Raises:
        Rejected: `bad_cloudevent`, or what the JSON in it is rejected for.
    """
    identity = _identity(document)
    media = document.get("datacontenttype")
    if media is not None and type(media) is not str:
        raise Rejected("bad_cloudevent", f"`datacontenttype` is {shown(media)}, not a string")
    _json_type(media_type(media or ""))
    data, encoded = document.get("data"), document.get("data_base64")
    if encoded is not None:
        if data is not None:
            raise Rejected("bad_cloudevent", "both `data` and `data_base64`")
        data = parse_json(_from_base64(encoded))
    if data is None:
        raise Rejected("bad_cloudevent", "a CloudEvent without data")
    return Envelope(identity, document.get("time"), _data(data), b"")


def open_record(headers: Headers, value: bytes | None) -> Envelope | None:
    """The envelope that the headers announce; None where they announce none.

    Raises:
        Rejected: as `open_binary` and `open_structured`.
    """
    attributes: dict[str, str] = {}
    content_type = ""
    for name, body in headers:
        if name.startswith("ce_"):
            attributes[name[3:]] = _header_text(name, body)
        elif name.lower() == "content-type":
            content_type = media_type(body.decode("utf-8", "replace"))
    if content_type.startswith("application/cloudevents"):
        if content_type != _STRUCTURED:
            raise Rejected(
                "bad_cloudevent", f"content type {shown(content_type)}: only JSON, one at a time"
            )
        return open_structured(parse_object(value))
    if "specversion" in attributes:
        return open_binary(attributes, content_type, value)
    return None


def media_type(text: str) -> str:
    """The media type of a content type, lower case, without its parameters."""
    return text.partition(";")[0].strip().lower()


def is_own(data: dict[str, Any]) -> bool:
    """Whether the data of an envelope is an event of ours rather than bare features."""
    return type(data.get("features")) is dict or type(data.get("vector")) is list


def _identity(attributes: dict[str, Any]) -> str:
    for name in _REQUIRED:
        value = attributes.get(name)
        if type(value) is not str or not value:
            problem = "is missing" if value is None else f"is {shown(value)}, not a text"
            raise Rejected("bad_cloudevent", f"CloudEvents attribute `{name}` {problem}")
    if attributes["specversion"] != "1.0":
        version = shown(attributes["specversion"])
        raise Rejected("bad_cloudevent", f"`specversion` is {version}; this program reads 1.0")
    own: str = attributes["id"]
    return f"{attributes['source']}#{own.replace('%', '%25').replace('#', '%23')}"


def _json_type(media: str) -> None:
    if media and media not in {"application/json", "text/json"} and not media.endswith("+json"):
        raise Rejected("bad_cloudevent", f"data of type {shown(media)}; this program reads JSON")


def _data(data: Any) -> dict[str, Any]:
    if type(data) is not dict:
        raise Rejected("bad_cloudevent", f"the data is {shown(data)}, not an object")
    return data


def _header_text(name: str, body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Rejected("bad_cloudevent", f"header {shown(name)} is not UTF-8") from None


def _from_base64(encoded: Any) -> bytes:
    if type(encoded) is not str or len(encoded) > 2 * RECORD_BYTES:
        raise Rejected("bad_cloudevent", "`data_base64` is not a text of base64")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected("bad_cloudevent", "`data_base64` is not a text of base64") from None
