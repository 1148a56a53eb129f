"""How topics are set up: one table for `KafkaTransport.create_topic` and `stream-cl topics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stream_cl.core.limits import KEY_BYTES, REASON_CHARS, RECORD_BYTES, TRACE_BYTES

RECORD_OVERHEAD_BYTES: Final = 1_000_000
"""Room beside a value for its key and headers, which may be as large together."""
MESSAGE_BYTES: Final = 2 * 2**20
"""`max.message.bytes` of the topics that we make: the largest batch of records."""
LEAST_MESSAGE_BYTES: Final = 1_048_588
"""The least `max.message.bytes` that we write to: Kafka's default. Records of full size with a
large key or headers are refused there."""
FOREVER: Final = "-1"

_OUR_HEADERS_BYTES: Final = 2 * TRACE_BYTES + 4 * REASON_CHARS + 4096

assert RECORD_BYTES + RECORD_OVERHEAD_BYTES < MESSAGE_BYTES
assert RECORD_BYTES + KEY_BYTES + _OUR_HEADERS_BYTES < LEAST_MESSAGE_BYTES, "outputs must fit"


def wanted(retention_ms: int | None, min_insync: int | None = None) -> dict[str, str]:
    """Settings of a topic; `retention_ms` None keeps everything.

    Append times are the broker's, because the order in which a step takes records is theirs;
    nothing is compacted, because state is a function of the whole log.
    """
    settings = {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": FOREVER if retention_ms is None else str(retention_ms),
        "retention.bytes": FOREVER,
        "max.message.bytes": str(MESSAGE_BYTES),
    }
    if min_insync is not None:
        settings["min.insync.replicas"] = str(min_insync)
    return settings


def unfit(topic: str, found: Mapping[str, str], bootstrap: str) -> str | None:
    """Why a topic that is there cannot be used, and the command that puts it right."""
    for name, right in (
        ("message.timestamp.type", "LogAppendTime"),
        ("cleanup.policy", "delete"),
        ("max.message.bytes", str(MESSAGE_BYTES)),
    ):
        there = found.get(name)
        if there is None or there == right:
            continue
        if name == "max.message.bytes" and int(there) >= LEAST_MESSAGE_BYTES:
            continue
        return (
            f"topic {topic} has {name}={there}, and {right} is needed: run `kafka-configs "
            f"--bootstrap-server {bootstrap} --alter --entity-type topics --entity-name "
            f"{topic} --add-config {name}={right}`, or take another topics.prefix"
        )
    return None
