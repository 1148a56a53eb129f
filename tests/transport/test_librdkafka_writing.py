"""What librdkafka writes: all of a transaction or nothing, whatever happens to it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from threading import Event

import psutil
import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import KafkaError, KafkaException

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import Fenced, RecordTooLarge, TransportError
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.transport_contract import outgoing, read_all
from stream_cl.transport.kafka import KafkaTransport
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.librdkafka import Librdkafka
from stream_cl.transport.librdkafka_calls import Running

CLOCK = SystemClock()


@pytest.fixture
def options(kafka_broker: KafkaBroker) -> KafkaOptions:
    return KafkaOptions((kafka_broker.bootstrap,))


@pytest.fixture
def client(options: KafkaOptions) -> Iterator[Librdkafka]:
    opened = Librdkafka(options, CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def log(client: Librdkafka, options: KafkaOptions) -> Iterator[KafkaTransport]:
    opened = KafkaTransport(client, options, CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def topic(log: KafkaTransport) -> str:
    name = f"writing-{uuid.uuid4().hex[:8]}"
    log.create_topic(name, 2)
    return name


def settled(client: Librdkafka, place: TopicPartition, end: int) -> None:
    """Wait until the last stable offset is there."""
    end_s = CLOCK.monotonic_s() + 20
    while client.ends([place])[place] < end:
        assert CLOCK.monotonic_s() < end_s, f"{place} does not reach {end}"
        CLOCK.sleep(0.01)


def test_one_that_is_fenced_cannot_commit_what_it_has_sent(
    client: Librdkafka, log: KafkaTransport, topic: str
) -> None:
    """Else a process that wakes up writes its step beside that of the one that took over."""
    name, place = f"writer-{topic}", TopicPartition(topic, 0)
    earlier, later = client.producer(name), client.producer(name)
    earlier.init()
    earlier.send([outgoing(topic, [b"earlier"])])
    earlier.add_offsets(name, {place: 1})
    later.init()
    with pytest.raises(Fenced, match=name):
        earlier.commit()
    earlier.abort()
    earlier.close()
    later.send([outgoing(topic, [b"later"])])
    later.commit()
    later.close()
    settled(client, place, 4)
    assert list(read_all(log, topic).values) == [b"later"]
    assert client.committed(name) == {}


def test_offsets_of_a_transaction_that_failed_are_in_no_later_one(
    client: Librdkafka, log: KafkaTransport, topic: str
) -> None:
    """Else lag is shown for records that nobody has answered."""
    name, a, b = f"writer-{topic}", TopicPartition(topic, 0), TopicPartition(topic, 1)
    failed, later = client.producer(name), client.producer(name)
    failed.init()
    failed.send([outgoing(topic, [b"never"])])
    failed.add_offsets(name, {a: 7})
    failed.abort()
    failed.close()
    later.init()
    later.send([outgoing(topic, [b"0"])])
    later.add_offsets(name, {b: 3})
    later.commit()
    later.close()
    settled(client, a, 4)
    end_s = CLOCK.monotonic_s() + 20
    # A broker does not tell of a group's first offsets until they are certain.
    while not (found := client.committed(name)) and CLOCK.monotonic_s() < end_s:
        CLOCK.sleep(0.01)
    assert found == {b: 3}
    assert list(read_all(log, topic).values) == [b"0"]


def test_a_record_that_the_topic_does_not_take(
    client: Librdkafka, log: KafkaTransport, topic: str
) -> None:
    """Else the step is committed without the record, or the error does not say what to do."""
    client.alter(topic, {"max.message.bytes": "20000"})
    writer = log.writer(f"writer-{topic}")
    small, large = outgoing(topic, [b"small"] * 10, 1), outgoing(topic, [b"x", b"x" * 50_000])
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes"):
        writer.commit([small, large], "group", {})
    with pytest.raises(TransportError, match="opened anew"):
        writer.commit([small], "group", {})
    assert log.writer(f"writer-{topic}").commit([small], "group", {}) != [0]
    assert list(read_all(log, topic, 1).values) == [b"small"] * 10
    assert len(read_all(log, topic)) == 0


def test_writers_that_failed_give_their_connections_back(
    client: Librdkafka, log: KafkaTransport, topic: str
) -> None:
    """Else a process that opens its writer again and again runs out of threads and sockets."""
    name, large = f"writer-{topic}", outgoing(topic, [b"x" * 50_000])
    client.alter(topic, {"max.message.bytes": "20000"})
    kept: list[BaseException] = []
    threads: list[int] = []
    for _ in range(4):
        earlier, writer = log.writer(name), log.writer(name)
        for one in (earlier, writer):
            with pytest.raises(TransportError) as raised:
                one.commit([large], name, {TopicPartition(topic, 0): 1})
            kept.append(raised.value)
        threads.append(psutil.Process().num_threads())
    assert {type(error) for error in kept} == {Fenced, RecordTooLarge}
    assert threads[-1] <= threads[0], threads


def test_a_first_offset_is_that_of_its_batch(log: KafkaTransport, topic: str) -> None:
    """Else the manifest points at other records than a step's."""
    writer = log.writer(f"writer-{topic}")
    columns = {"n": [b"%d" % i for i in range(3000)]}
    large = Outgoing(topic, 0, [None] * 3000, [b"x" * 500] * 3000, (("all", b"1"),), columns)
    batches = [outgoing(topic, [b"0"]), outgoing(topic, []), large, outgoing(topic, [b"y"], 1)]
    assert writer.commit([*batches, outgoing(topic, [b"z"])], "group", {}) == [0, -1, 1, 0, 3001]
    assert read_all(log, topic).values[3001] == b"z"


def test_without_transactions_everything_is_there_at_once(
    options: KafkaOptions, topic: str
) -> None:
    """Else `delivery: at_least_once` loses records or offsets without a word."""
    options = dataclasses.replace(options, exactly_once=False)
    log = KafkaTransport(Librdkafka(options, CLOCK), options, CLOCK)
    place = TopicPartition(topic, 0)
    batches = [outgoing(topic, [b"0", b"1"]), outgoing(topic, [b"2"] * 2000)]
    assert log.append_and_commit(batches, f"group-{topic}", {place: 5}) == [0, 2]
    assert log.group_offsets(f"group-{topic}") == {place: 5}
    assert log.bounds([topic])[place].end == 2002
    log._client.alter(topic, {"max.message.bytes": "20000"})
    with pytest.raises(RecordTooLarge):
        log.append([outgoing(topic, [b"3"] * 3 + [b"x" * 50_000])])
    log.close()


def test_a_call_that_does_not_keep_its_timeout_is_given_up() -> None:
    """Else a coordinator that goes away while offsets are sent hangs the pipeline for ever."""
    never, began_s = Event(), CLOCK.monotonic_s()
    with pytest.raises(KafkaException) as raised:
        Running(never.wait).wait(0.1)
    assert raised.value.args[0].code() == KafkaError._TIMED_OUT
    assert CLOCK.monotonic_s() - began_s < 2
    never.set()
    with pytest.raises(ZeroDivisionError):
        Running(lambda: 1 // 0).wait(10)
    Running(never.wait).wait(10)
