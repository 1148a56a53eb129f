"""What is reached for inside of kafka-python is there, and does what it is taken for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import errors as refusals
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.structs import TopicPartition as KafkaPartition

from stream_cl.core.errors import Fenced
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.testing.clock import FakeClock
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.transport import kafka_python_inside as inside
from stream_cl.transport.kafka_client import Failed
from stream_cl.transport.kafka_python_batches import Batches
from tests.transport.kafka_logs import a_name, batch, opened, read_all

PLACE = KafkaPartition("t", 3)


class Marker(DefaultRecordBatchBuilder):
    """A control batch, as only brokers write it."""

    def _get_attributes(self, include_compression_type: bool = True) -> int:
        return 0x30


def a_batch(offset: int, n: int = 2, producer: int = -1, control: bool = False) -> bytes:
    """`n` records from `offset` on, in a transaction of `producer` where there is one."""
    kind = Marker if control else DefaultRecordBatchBuilder
    builder = kind(2, 0, producer >= 0, producer, 0, 0, 1 << 20)
    for i in range(n):
        key = b"\0\0\0\0" if control else b"key"  # version 0, type 0: aborted
        builder.append(i, 5, key, b"v%d" % (offset + i), [])
    built = builder.build()
    built[:8] = offset.to_bytes(8, "big")
    return bytes(built)


def batches(log: bytes, offset: int = 0, aborted: Any = None) -> Batches:
    return Batches(
        offset, PLACE, MemoryRecords(log), aborted_transactions=aborted, isolation_level=1
    )


def test_whole_batches_become_one_chunk() -> None:
    """Else a topic of small batches is read record by record, or from the wrong one on."""
    found = batches(a_batch(10) + a_batch(12, 3) + a_batch(15), offset=11)
    (chunk,) = found.take(5)
    assert isinstance(chunk, Chunk)
    assert list(chunk.offsets) == [11, 12, 13, 14, 15, 16]
    assert list(chunk.values) == [b"v%d" % i for i in range(11, 17)]
    assert (found.next_fetch_offset, bool(found)) == (17, False)


def test_aborted_records_and_markers_are_passed_over() -> None:
    """Else outputs of a step that was never committed are read."""
    log = a_batch(0) + a_batch(2, producer=7) + a_batch(4, producer=8)
    log += a_batch(6, 1, producer=7, control=True) + a_batch(7, producer=7)
    found = batches(log, aborted=[SimpleNamespace(first_offset=2, producer_id=7)])
    (chunk,) = found.take(1)
    assert isinstance(chunk, Chunk)
    assert list(chunk.offsets) == [0, 1, 4, 5, 7, 8]
    only = batches(log[len(a_batch(0)) :][: len(a_batch(2))],
                   2, [SimpleNamespace(first_offset=2, producer_id=7)])  # fmt: skip
    assert only.take(1) == []
    assert only.next_fetch_offset == 4, "the position moves over them"


def test_damage_behind_good_records_is_told_next_time() -> None:
    """Else the records before it are lost, or it is passed over."""
    damaged = bytearray(a_batch(2))
    damaged[-1] ^= 1
    found = batches(a_batch(0) + bytes(damaged))
    (chunk,) = found.take(1)
    assert isinstance(chunk, Chunk)
    assert list(chunk.offsets) == [0, 1]
    assert found.next_fetch_offset == 2
    (failed,) = batches(bytes(damaged), 2).take(1)
    assert isinstance(failed, Failed)
    assert failed.place == TopicPartition("t", 3)
    assert "t[3] from offset 2" in str(failed.error)
    assert "CRC" in str(failed.error)


def test_a_wrapped_refusal_is_found() -> None:
    """Else a fence is taken for any other failure, and the pipeline tries again."""
    wrapped = refusals.KafkaError(refusals.ProducerFencedError())
    assert isinstance(inside.told(wrapped, "doing", transactional_id="w"), Fenced)
    manager = SimpleNamespace(last_error=refusals.InvalidProducerEpochError())
    producer = SimpleNamespace(_transaction_manager=manager)
    vague = refusals.KafkaError("Cannot execute transactional method")
    assert isinstance(inside.told(inside.cause(producer, vague), "doing"), Fenced)


def test_a_coordinator_that_refuses_the_connection_is_looked_for_again() -> None:
    """Else the death of one broker hangs a commit until its timeout: kafka-python's sender forgets
    the request that it was about to send when this raises."""
    waits = []

    def await_ready(_node: Any, timeout_ms: float) -> bool:
        waits.append(timeout_ms)
        raise refusals.KafkaConnectionError("refused")

    client = SimpleNamespace(await_ready=await_ready)
    producer = SimpleNamespace(_sender=SimpleNamespace(_client=client))
    inside.look_for_coordinators(producer, FakeClock())
    assert client.await_ready("coordinator-1", timeout_ms=40_000) is False
    assert waits == [1000]


def test_the_fetcher_takes_our_class() -> None:
    """Else every record becomes an object again, and the pipeline is half as fast."""
    assert hasattr(Fetcher, "PartitionRecords")
    assert {"next_fetch_offset", "leader_epoch", "bytes_read"} <= vars(batches(b"")).keys()
    assert DefaultRecordBatch.HEADER_STRUCT.size == 61


@pytest.mark.parametrize("records", [1, 5000])
def test_many_records_and_large_ones(kafka_broker: KafkaBroker, records: int) -> None:
    """Else a step of several batches to one partition loses its order, or its first offset."""
    with opened(kafka_broker.bootstrap) as log:
        topic = a_name()
        log.create_topic(topic)
        values = [b"%d" % i + b"x" * 900 for i in range(records)]
        writer = log.writer(topic)
        assert writer.commit([batch(topic, *values)], topic, {}) == [0]
        assert writer.commit([batch(topic, *values)], topic, {}) == [records + 1]
        assert list(read_all(log, topic)) == values * 2


def test_metadata_never_makes_topics(kafka_broker: KafkaBroker) -> None:
    """Else kafka-python's consumers and producers make what they ask for."""
    with opened(kafka_broker.bootstrap) as log:
        topic = a_name()
        log.create_topic(topic)
        log.bounds([topic])
        producer = log.writer(topic)._producer._producer  # type: ignore[attr-defined]
        for cluster in (log._client._asking._cluster, producer._metadata):  # type: ignore[attr-defined]
            assert cluster.config["allow_auto_create_topics"] is False
            assert cluster.metadata_request().allow_auto_topic_creation is False
