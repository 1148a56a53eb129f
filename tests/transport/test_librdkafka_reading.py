"""What librdkafka reads: records, what stands between them, and what cannot be read.

Longer than other modules, because each case needs its own way of writing what is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from random import Random

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import OffsetOutOfRange, UnknownTopic
from stream_cl.core.records import Chunk, Outgoing, TopicPartition
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.kafka_source import Software
from stream_cl.testing.transport_contract import outgoing
from stream_cl.transport import librdkafka
from stream_cl.transport.kafka_client import Failed, KafkaReader
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.kafka_python import KafkaPython
from stream_cl.transport.librdkafka import Librdkafka
from stream_cl.transport.librdkafka_columns import by_partition, chunk

PATIENCE_S = 60.0


@pytest.fixture
def client(kafka_broker: KafkaBroker) -> Iterator[Librdkafka]:
    opened = Librdkafka(KafkaOptions((kafka_broker.bootstrap,)), SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def reader(client: Librdkafka) -> Iterator[KafkaReader]:
    opened = client.reader()
    yield opened
    opened.close()


@pytest.fixture
def topic(client: Librdkafka) -> str:
    name = f"reading-{uuid.uuid4().hex[:8]}"
    client.create(name, 2, None, {"message.timestamp.type": "LogAppendTime"})
    return name


def write(client: Librdkafka, *batches: Outgoing, commit: bool = True) -> None:
    """In a transaction of its own."""
    producer = client.producer(f"writing-{uuid.uuid4().hex[:8]}")
    producer.init()
    producer.send(batches)
    if commit:
        producer.commit()
    else:
        producer.abort()
    producer.close()


def read_to(reader: KafkaReader, place: TopicPartition, position: int) -> list[Chunk | Failed]:
    """Poll until the reader's position is there."""
    clock, found = SystemClock(), []
    end_s = clock.monotonic_s() + PATIENCE_S
    while reader.position(place) < position:
        assert clock.monotonic_s() < end_s, f"position {reader.position(place)}, not {position}"
        found += reader.poll(1.0)
    return found


def values(arrived: list[Chunk | Failed]) -> list[bytes | None]:
    chunks = [one for one in arrived if isinstance(one, Chunk)]
    assert len(chunks) == len(arrived), arrived
    return [value for one in chunks for value in one.values]


def first_failed(reader: KafkaReader) -> Failed:
    """Poll until a partition fails."""
    clock = SystemClock()
    end_s = clock.monotonic_s() + PATIENCE_S
    while clock.monotonic_s() < end_s:
        for one in reader.poll(1.0):
            if isinstance(one, Failed):
                return one
    raise AssertionError("nothing failed")


def test_the_position_moves_over_markers_and_aborted_records(
    client: Librdkafka, reader: KafkaReader, topic: str
) -> None:
    """Else a pipeline waits for ever for records that are none, and is never idle."""
    place = TopicPartition(topic, 0)
    write(client, outgoing(topic, [b"0", b"1"]))
    write(client, outgoing(topic, [b"never"]), commit=False)
    reader.assign({place: 0})
    assert values(read_to(reader, place, 5)) == [b"0", b"1"]
    write(client, outgoing(topic, [b"never"]), commit=False)
    assert read_to(reader, place, 7) == []
    write(client, outgoing(topic, [b"2"]))
    assert values(read_to(reader, place, 9)) == [b"2"]
    assert client.ends([place]) == {place: 9}


def test_seeking_goes_there_at_once(client: Librdkafka, reader: KafkaReader, topic: str) -> None:
    """Else records are given twice, or left out, after a jump."""
    place, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    numbers = [b"%d" % i for i in range(100)]
    write(client, outgoing(topic, numbers), outgoing(topic, numbers, 1))
    reader.assign({place: 40, other: 99})
    reader.seek(place, 90)
    assert reader.position(place) == 90
    reader.poll(5.0)
    for offset in (10, 95, 0, 50):
        reader.seek(place, offset)
        chunks = [one for one in read_to(reader, place, 101) if isinstance(one, Chunk)]
        mine = [one for one in chunks if one.partition == 0]
        assert [n for one in mine for n in one.offsets] == list(range(offset, 100))
    reader.assign({other: 0})
    assert read_to(reader, other, 101) is not None
    reader.assign({place: 98, other: 0})
    assert values(read_to(reader, place, 101)) == [b"98", b"99"]


def test_a_paused_partition_gives_nothing_and_loses_nothing(
    client: Librdkafka, reader: KafkaReader, topic: str
) -> None:
    """Else memory grows without a bound, or records are lost where it is held."""
    place, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    write(client, outgoing(topic, [b"0", b"1"]), outgoing(topic, [b"x"], 1))
    reader.assign({place: 0, other: 0})
    read_to(reader, place, 3)
    reader.pause([place], True)
    write(client, outgoing(topic, [b"2"]), outgoing(topic, [b"y"], 1))
    arrived = read_to(reader, other, 4)
    assert {one.partition for one in arrived if isinstance(one, Chunk)} <= {1}
    assert reader.position(place) == 3
    reader.pause([place], False)
    assert values(read_to(reader, place, 5)) == [b"2"]


def test_whatever_is_paused_the_position_never_passes_a_record(
    client: Librdkafka, reader: KafkaReader, topic: str
) -> None:
    """Else records behind a transaction marker are taken for another marker, and lost."""
    places = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    draw, written, read = Random(5), {at: [] for at in places}, {at: [] for at in places}
    reader.assign(dict.fromkeys(places, 0))
    producer, paused = client.producer(f"writer-{topic}"), set[TopicPartition]()
    producer.init()
    for _ in range(150):
        at, count = draw.choice(places), draw.randint(1, 3)
        (first,) = producer.send([outgoing(topic, [b"x"] * count, at.partition)])
        producer.commit()
        written[at] += range(first, first + count)
        turned = draw.choice(places)
        reader.pause([turned], turned not in paused)
        paused ^= {turned}
        for one in reader.poll(draw.choice([0, 0.001, 0.01])):
            assert isinstance(one, Chunk), one
            read[TopicPartition(one.topic, one.partition)] += one.offsets
        for at in places:
            assert read[at] == [offset for offset in written[at] if offset < reader.position(at)]
    producer.close()
    reader.pause(list(paused), False)
    for at in places:
        for one in read_to(reader, at, written[at][-1] + 2):
            assert isinstance(one, Chunk), one
            read[TopicPartition(one.topic, one.partition)] += one.offsets
    assert read == written


def test_what_expired_fails_the_partition_alone(
    client: Librdkafka, reader: KafkaReader, topic: str
) -> None:
    """Else expired input is skipped in silence, or stops what could go on."""
    place, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    write(client, outgoing(topic, [b"0", b"1", b"2"]), outgoing(topic, [b"x"], 1))
    client.delete_records(place, 2)
    assert client.starts([place, other]) == {place: 2, other: 0}
    reader.assign({place: 1, other: 0})
    failed = first_failed(reader)
    assert failed.place == place
    assert isinstance(failed.error, OffsetOutOfRange)
    assert f"{topic}[0] at offset 1" in str(failed.error)
    read_to(reader, other, 2)
    reader.assign({place: 2, other: 0})
    assert values(read_to(reader, place, 4)) == [b"2"]


@pytest.mark.parametrize("auto_create", ["false", "true"])
def test_a_topic_that_is_not_there(
    kafka_software: Software, monkeypatch: pytest.MonkeyPatch, auto_create: str
) -> None:
    """Else a misspelt name makes a topic where brokers let clients do so, or waits in silence."""
    monkeypatch.setattr(librdkafka, "REQUEST_S", 1.0)
    settings = {"auto.create.topics.enable": auto_create}
    with KafkaBroker(software=kafka_software, properties=settings) as broker:
        client = Librdkafka(KafkaOptions((broker.bootstrap,)), SystemClock())
        assert client.partitions(["nowhere"]) == {}
        with pytest.raises(UnknownTopic, match="nowhere"):
            client.ends([TopicPartition("nowhere", 0)])
        reader = client.reader()
        reader.assign({TopicPartition("nowhere", 0): 0})
        assert list(reader.poll(1.0)) == []
        reader.close()
        producer = client.producer("writer")
        producer.init()
        with pytest.raises(UnknownTopic, match="nowhere"):
            producer.send([outgoing("nowhere", [b"0"])])
        producer.close()
        assert client.partitions() == {}
        client.close()


def test_a_restarted_broker_is_read_on(kafka_software: Software) -> None:
    """Else every restart of a broker stops the pipeline, or repeats what was read."""
    with KafkaBroker(software=kafka_software) as broker:
        client = Librdkafka(KafkaOptions((broker.bootstrap,)), SystemClock())
        client.create("a", 1, None, {})
        place, reader = TopicPartition("a", 0), client.reader()
        write(client, outgoing("a", [b"0", b"1"]))
        reader.assign({place: 0})
        assert values(read_to(reader, place, 3)) == [b"0", b"1"]
        broker.stop()
        assert list(reader.poll(0.5)) == []
        broker.start()
        assert client.ends([place]) == {place: 3}
        write(client, outgoing("a", [b"2"]))
        assert values(read_to(reader, place, 5)) == [b"2"]
        reader.close()
        client.close()


def test_headers_as_other_programs_write_them(
    client: Librdkafka, reader: KafkaReader, topic: str, kafka_broker: KafkaBroker
) -> None:
    """Else one event with an odd header stops the stream, or the process."""
    from kafka import KafkaProducer

    class Odd(str):
        def encode(self, *_: str) -> bytes:
            return b"\xff-name"

    place, odd = TopicPartition(topic, 0), (Odd("odd"), b"2")
    with KafkaProducer(bootstrap_servers=kafka_broker.bootstrap) as sends:
        for headers in ([("a", b"1"), odd, ("b", b"")], [odd, odd], []):
            sends.send(topic, b"value", partition=0, headers=headers).get(10)
    nulls = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    nulls.produce(topic, b"value", partition=0, headers=[("none", None), ("b", b"3")])
    assert nulls.flush(10) == 0
    reader.assign({place: 0})
    chunks = [one for one in read_to(reader, place, 4) if isinstance(one, Chunk)]
    assert [headers for one in chunks for headers in one.headers] == [
        (("a", b"1"), ("\ufffd-name", b"2"), ("b", b"")),
        (("\ufffd", b"2"), ("\ufffd", b"2")),
        (),
        (("none", b""), ("b", b"3")),
    ]


def test_both_clients_read_the_same(
    client: Librdkafka, topic: str, kafka_broker: KafkaBroker
) -> None:
    """Else a pipeline that changes its client no longer recognises its input."""
    batch = Outgoing(
        topic,
        0,
        [b"", None, b"\xff"],
        [b"", b"\x00", b"v"],
        (("ü", b""),),
        {"n": [b"1", None, b""]},
    )
    write(client, batch)
    place = TopicPartition(topic, 0)
    found = []
    other = KafkaPython(KafkaOptions((kafka_broker.bootstrap,)), SystemClock())
    for one in (client, other):
        reader = one.reader()
        reader.assign({place: 0})
        (read,) = read_to(reader, place, 4)
        assert isinstance(read, Chunk)
        found.append(read)
        reader.close()
    other.close()
    assert found[0] == found[1]
    assert list(found[0].headers) == [batch.headers(i) for i in range(3)]


PLACES = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2))


@given(st.lists(PLACES, max_size=30))
def test_runs_keep_every_record_in_order(places: list[tuple[str, int]]) -> None:
    """Else records change their partition, or their order, between the client and a step."""
    messages = [
        Message(topic=topic, partition=partition, offset=i, timestamp=(2, 7 * i), value=b"%d" % i)
        for i, (topic, partition) in enumerate(places)
    ]
    chunks = [chunk(place, run) for place, run in by_partition(messages)]
    assert [n for one in chunks for n in one.offsets] == list(range(len(places)))
    assert [(one.topic, one.partition) for one in chunks for _ in one.offsets] == places
    assert [value for one in chunks for value in one.values] == [
        b"%d" % i for i in range(len(places))
    ]
    assert [ms for one in chunks for ms in one.timestamps_ms] == [7 * i for i in range(len(places))]
    assert len(chunks) == sum(one != two for one, two in zip([None, *places], places, strict=False))
