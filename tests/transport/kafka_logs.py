"""What the tests on a real broker share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from stream_cl.core.clock import SystemClock
from stream_cl.core.faults import Faults
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.kafka import KafkaTransport
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.kafka_python import KafkaPython

CLOCK = SystemClock()


@contextmanager
def opened(
    bootstrap: str, faults: Faults | None = None, **settings: object
) -> Iterator[KafkaTransport]:
    """A transport over the broker; `settings` are those of `KafkaOptions`."""
    options = replace(KafkaOptions(tuple(bootstrap.split(","))), **settings)  # type: ignore[arg-type]
    log = KafkaTransport(KafkaPython(options, CLOCK), options, CLOCK, faults)
    try:
        yield log
    finally:
        log.close()


def a_name() -> str:
    """Of a topic, a group or a writer that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}"


def batch(topic: str, *values: bytes, partition: int = 0) -> Outgoing:
    """Records without keys."""
    return Outgoing(topic, partition, [None] * len(values), values)


def read_all(log: KafkaTransport, topic: str, partition: int = 0) -> Sequence[bytes | None]:
    """Every value of a partition."""
    bounds = log.bounds([topic])[TopicPartition(topic, partition)]
    position, values = bounds.start, list[bytes | None]()
    while position < bounds.end:
        chunk = log.read(topic, partition, position, 1000)
        if not len(chunk):
            break
        values += chunk.values
        position = chunk.offsets[-1] + 1
    return values
