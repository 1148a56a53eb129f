"""Reading a real broker's log: waiting, retention, topics that were made by others."""

from __future__ import annotations

import threading
import time

import pytest
from kafka import KafkaProducer

from stream_cl.core.errors import OffsetOutOfRange, TransportError
from stream_cl.core.records import Bounds, TopicPartition
from stream_cl.testing.kafka_broker import KafkaBroker
from tests.transport.kafka_logs import a_name, batch, opened, read_all


def test_waiting_ends_when_something_comes(kafka_broker: KafkaBroker) -> None:
    """Else an idle pipeline answers an event a poll interval late."""
    with opened(kafka_broker.bootstrap) as log, opened(kafka_broker.bootstrap) as other:
        topics = [a_name(), a_name()]
        for topic in topics:
            log.create_topic(topic)
        other.append([batch(topics[0], b"first")])
        log.bounds(topics)
        log.wait(0.2, 0.01)
        came_s: list[float] = []

        def append() -> None:
            time.sleep(0.3)
            other.append([batch(topics[1], b"0")])
            came_s.append(time.monotonic())

        thread = threading.Thread(target=append)
        thread.start()
        log.wait(10.0, 0.01)
        waited_s = time.monotonic()
        thread.join()
        assert waited_s - came_s[0] < 0.5
        began_s = time.monotonic()
        log.bounds([topics[1]])
        assert list(log.read(topics[1], 0, 0, 9).values) == [b"0"]
        log.wait(0.2, 0.01)
        assert 0.1 < time.monotonic() - began_s < 2.0


def test_retention_takes_markers_before_anybody_misses_them(kafka_broker: KafkaBroker) -> None:
    """Else a topic that is quiet longer than its retention stops the pipeline, which has read all
    there was."""
    with opened(kafka_broker.bootstrap) as log:
        topic = a_name()
        at = TopicPartition(topic, 0)
        log.create_topic(topic)
        log.append([batch(topic, b"0")])
        assert read_all(log, topic) == [b"0"]
        while log._client.ends([at])[at] < 2:
            time.sleep(0.001)  # the marker comes a moment after the commit
        assert len(log.read(topic, 0, 1, 9)) == 0
        assert log.bounds([topic]) == {at: Bounds(0, 1)}
        log.truncate(topic, 0, 2)
        assert log.bounds([topic]) == {at: Bounds(1, 1)}
        assert len(log.read(topic, 0, 1, 9)) == 0
        (offset,) = log.append([batch(topic, b"1")])
        assert list(log.read(topic, 0, 1, 9).offsets) == [offset] == [2]


def test_what_has_expired_under_way(kafka_broker: KafkaBroker) -> None:
    """Else records are passed over in silence; here a moment after the bounds were asked for."""
    with opened(kafka_broker.bootstrap) as log, opened(kafka_broker.bootstrap) as other:
        topic = a_name()
        log.create_topic(topic)
        log.append([batch(topic, b"0", b"1", b"2")])
        log.bounds([topic])
        other.truncate(topic, 0, 2)
        with pytest.raises(OffsetOutOfRange, match=rf"{topic}\[0\] at offset 1"):
            log.read(topic, 0, 1, 9)
        assert list(log.read(topic, 0, 2, 9).values) == [b"2"], "and reading goes on"


def test_a_topic_of_others_must_have_append_times(kafka_broker: KafkaBroker) -> None:
    """Else events and labels are read in an order that producers make up."""
    topic = a_name()
    with opened(kafka_broker.bootstrap) as log:
        log._client.create(topic, 1, None, {})
        with pytest.raises(TransportError, match="kafka-configs .*LogAppendTime") as raised:
            log.create_topic(topic)
        assert topic in str(raised.value)
        log._client.alter(topic, {"message.timestamp.type": "LogAppendTime"})
        log.create_topic(topic, retention_ms=60_000)
        assert log._client.settings(topic)["retention.ms"] == "60000"
        log.create_topic(topic)
        assert log._client.settings(topic)["retention.ms"] == "-1"


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_records_of_other_producers(kafka_broker: KafkaBroker, codec: str | None) -> None:
    """Else a stream that others write, compressed or without transactions, cannot be read."""
    with opened(kafka_broker.bootstrap) as log:
        topic = a_name()
        log.create_topic(topic)
        producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap, compression_type=codec)
        for i in range(300):
            producer.send(topic, b"%d" % i * 50, b"key", [("h", b"%d" % i)])
        producer.send(topic, None, b"tombstone")
        producer.flush()
        producer.close()
        values = list(read_all(log, topic))
        assert values == [*(b"%d" % i * 50 for i in range(300)), None]
        chunk = log.read(topic, 0, 7, 1)
        assert (list(chunk.keys), list(chunk.headers)) == ([b"key"], [(("h", b"7"),)])
        end = log.bounds([topic])[TopicPartition(topic, 0)].end
        assert end == 301, "no marker, no gap"
