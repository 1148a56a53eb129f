"""The bare loops of `kafka`: what somebody would write who has only the client library.

Both read the events that the pipeline read, parse them with orjson, and write the very bytes
that it wrote (keys, values, headers; predictions, requests, the manifest) in one transaction
a step with the consumed offsets. They have the same settings as the pipeline's own clients.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Protocol

import orjson
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as Place
from kafka.structs import OffsetAndMetadata

from load_tests.programs import Block
from stream_cl.core.records import Outgoing

_FETCH_BYTES = 8 * 2**20
_PREFIX = "bare-"


class Bare(Protocol):
    """A bare loop over the events topic of a pipeline."""

    def block(self, block: Block) -> float:
        """Do what the pipeline did; the seconds that it took."""
        ...

    def close(self) -> None: ...


def bare_topic(topic: str) -> str:
    """Where a bare loop writes what the pipeline wrote to `topic`."""
    return _PREFIX + topic


class BareKafkaPython:
    """kafka-python: poll, send, flush, send offsets, commit."""

    def __init__(self, bootstrap: str, events: str) -> None:
        self._events = Place(events, 0)
        self._group = "bare-kafka-python"
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        self._consumer.assign([self._events])
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id="bare-kafka-python",
            acks="all",
            batch_size=2**18,
            linger_ms=5,
            retry_backoff_ms=10,
        )
        self._producer.init_transactions()

    def block(self, block: Block) -> float:
        ready = [(step.events, [_ready(batch) for batch in step.written]) for step in block.steps]
        producer, began = self._producer, perf_counter()
        for count, written in ready:
            producer.begin_transaction()
            position = self._read(count)
            for topic, partition, rows in written:
                for key, value, headers in rows:
                    producer.send(topic, value=value, key=key, headers=headers, partition=partition)
            producer.flush()
            offsets = {self._events: OffsetAndMetadata(position, "", -1)}
            producer.send_offsets_to_transaction(offsets, self._group)
            producer.commit_transaction()
        return perf_counter() - began

    def _read(self, count: int) -> int:
        """Read and parse so many events; the offset behind them."""
        while count:
            for records in self._consumer.poll(timeout_ms=1000, max_records=count).values():
                for record in records:
                    orjson.loads(record.value)
                count -= len(records)
        return int(self._consumer.position(self._events))

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()


class BareLibrdkafka:
    """confluent-kafka: consume, produce, flush, send offsets, commit."""

    def __init__(self, bootstrap: str, events: str) -> None:
        from confluent_kafka import Consumer, Producer, TopicPartition

        self._at: Any = TopicPartition
        self._events = events
        self._position = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "bare-librdkafka",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "max.partition.fetch.bytes": _FETCH_BYTES,
            }
        )
        self._consumer.assign([TopicPartition(events, 0, 0)])
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": "bare-librdkafka",
                "linger.ms": 5,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._producer.init_transactions(30)

    def block(self, block: Block) -> float:
        ready = [(step.events, [_ready(batch) for batch in step.written]) for step in block.steps]
        producer, began = self._producer, perf_counter()
        for count, written in ready:
            self._read(count)
            producer.begin_transaction()
            for topic, partition, rows in written:
                for key, value, headers in rows:
                    producer.produce(topic, value, key, partition, headers=headers)
            producer.flush()
            offsets = [self._at(self._events, 0, self._position)]
            producer.send_offsets_to_transaction(
                offsets, self._consumer.consumer_group_metadata(), 30
            )
            producer.commit_transaction(30)
        return perf_counter() - began

    def _read(self, count: int) -> None:
        while count:
            for message in self._consumer.consume(count, 1.0):
                orjson.loads(message.value())
                self._position = message.offset() + 1
                count -= 1

    def close(self) -> None:
        self._consumer.close()


def _ready(batch: Outgoing) -> tuple[str, int, list[tuple[Any, bytes, list[Any]]]]:
    rows = [
        (key, value, list(batch.headers(i)))
        for i, (key, value) in enumerate(zip(batch.keys, batch.values, strict=True))
    ]
    return bare_topic(batch.topic), batch.partition, rows
