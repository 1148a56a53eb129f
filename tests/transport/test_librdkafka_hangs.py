"""librdkafka while a broker is stopped: whoever waits for it is told in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

pytest.importorskip("confluent_kafka")

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import TransportError
from stream_cl.core.records import TopicPartition
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.kafka_source import Software
from stream_cl.testing.transport_contract import outgoing, read_all
from stream_cl.transport import librdkafka
from stream_cl.transport.kafka import KafkaTransport
from stream_cl.transport.kafka_client import CommitUnknown
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.librdkafka import Librdkafka

CLOCK = SystemClock()
TIMEOUT_S = 2.0
"""After which a broker aborts a transaction, in tests that wait for it."""


@pytest.fixture
def hanging(
    kafka_software: Software, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[KafkaBroker, KafkaTransport, Librdkafka]]:
    """A broker that may be stopped by SIGSTOP, with topic `a`, and short bounds."""
    with KafkaBroker(software=kafka_software) as broker:
        options = KafkaOptions((broker.bootstrap,), transaction_timeout_ms=int(TIMEOUT_S * 1000))
        client = Librdkafka(options, CLOCK)
        log = KafkaTransport(client, options, CLOCK)
        log.create_topic("a")
        monkeypatch.setattr(librdkafka, "REPLY_S", TIMEOUT_S)
        monkeypatch.setattr(librdkafka, "REQUEST_S", TIMEOUT_S / 2)
        yield broker, log, client
        broker.resume()
        log.close()


def test_a_broker_that_hangs_is_an_error_in_time(
    hanging: tuple[KafkaBroker, KafkaTransport, Librdkafka],
) -> None:
    """Else a pipeline stands still for ever, and nobody is told."""
    broker, log, client = hanging
    place = TopicPartition("a", 0)
    writer, open_one, half = log.writer("one"), client.producer("two"), client.producer("three")
    writer.commit([outgoing("a", [b"0"])], "one", {place: 1})
    half.init()
    half.send([outgoing("a", [b"0"])])
    half.add_offsets("three", {place: 1})
    half.commit()
    open_one.init()
    for producer in (open_one, half):
        producer.send([outgoing("a", [b"open"])])
    broker.pause()
    for act, error in (
        (lambda: client.ends([place]), TransportError),
        (lambda: client.partitions(["a"]), TransportError),
        (lambda: writer.commit([outgoing("a", [b"1"])], "one", {place: 2}), TransportError),
        (lambda: half.add_offsets("three", {place: 2}), TransportError),
        (half.abort, None),
        (open_one.commit, CommitUnknown),
    ):
        began_s = CLOCK.monotonic_s()
        with pytest.raises(error, match="no answer from Kafka") if error else nullcontext():
            act()
        assert CLOCK.monotonic_s() - began_s < TIMEOUT_S + 2
    began_s = CLOCK.monotonic_s()
    open_one.close()
    half.close()
    assert CLOCK.monotonic_s() - began_s < 2


def test_records_that_expire_fail_their_transaction(
    hanging: tuple[KafkaBroker, KafkaTransport, Librdkafka],
) -> None:
    """Else a step is committed of which some records were given up."""
    broker, log, client = hanging
    producer = client.producer("one")
    producer.init()
    producer.send([outgoing("a", [b"sent"])])
    producer.abort()
    broker.pause()
    with pytest.raises(TransportError, match="no answer"):
        producer.send([outgoing("a", [b"expired"])])
    broker.resume()
    with pytest.raises(TransportError):
        producer.commit()
    producer.close()
    log.writer("one").commit([outgoing("a", [b"0"])], "one", {})
    assert list(read_all(log, "a").values) == [b"0"]
