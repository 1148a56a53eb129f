"""Kafka by the contract of all transports, on a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from stream_cl.core.clock import SystemClock
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.prefixed import PrefixedTransport
from stream_cl.testing.transport_contract import OpenTransport, TransportContract
from stream_cl.transport.kafka import KafkaTransport
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.kafka_python import KafkaPython


class Settled(KafkaTransport):
    """Comes back from a commit when everybody sees it: a broker moves the last stable offset on a
    moment after it has acknowledged a commit, and the contract looks at once, from elsewhere."""

    def _wrote(self, batches: Sequence[Outgoing], first: Sequence[int]) -> None:
        super()._wrote(batches, first)
        for batch, offset in zip(batches, first, strict=True):
            place = TopicPartition(batch.topic, batch.partition)
            while len(batch) and self._client.ends([place])[place] <= offset + len(batch):
                self._clock.sleep(0.001)


class TestKafkaPython(TransportContract):
    marker_offsets: ClassVar[int] = 1
    first_of_nothing: ClassVar[int | None] = -1

    @pytest.fixture
    def open_transport(self, kafka_broker: KafkaBroker) -> Iterator[OpenTransport]:
        options, clock = KafkaOptions((kafka_broker.bootstrap,)), SystemClock()
        prefix = f"{uuid.uuid4().hex[:8]}-"
        opened: list[Transport] = []

        def open_again() -> Transport:
            log = Settled(KafkaPython(options, clock), options, clock)
            opened.append(PrefixedTransport(log, prefix))
            return opened[-1]

        yield open_again
        for transport in opened:
            transport.close()
