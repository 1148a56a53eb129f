"""librdkafka by the contract of all transports, on a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import ClassVar

import pytest

pytest.importorskip("confluent_kafka")

from stream_cl.core.clock import SystemClock
from stream_cl.core.protocols import Transport
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.prefixed import PrefixedTransport
from stream_cl.testing.transport_contract import OpenTransport, TransportContract
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.librdkafka import Librdkafka
from tests.transport.test_kafka_contract import Settled


class TestLibrdkafka(TransportContract):
    marker_offsets: ClassVar[int] = 1
    first_of_nothing: ClassVar[int | None] = -1

    @pytest.fixture
    def open_transport(self, kafka_broker: KafkaBroker) -> Iterator[OpenTransport]:
        options, clock = KafkaOptions((kafka_broker.bootstrap,)), SystemClock()
        prefix = f"{uuid.uuid4().hex[:8]}-"
        opened: list[Transport] = []

        def open_again() -> Transport:
            log = Settled(Librdkafka(options, clock), options, clock)
            opened.append(PrefixedTransport(log, prefix))
            return opened[-1]

        yield open_again
        for transport in opened:
            transport.close()
