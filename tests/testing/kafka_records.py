"""Records of one topic, by kafka-python alone: nothing of our own stands between."""

from __future__ import annotations

from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

TOPIC: Final = "test-kafka-broker"


def create(bootstrap: str, copies: int = 1) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(TOPIC, 1, copies)])
    finally:
        admin.close()


def send(bootstrap: str, value: bytes, **settings: Any) -> int:
    """The offset that a record got."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", **settings)
    try:
        return int(producer.send(TOPIC, value, partition=0).get(30).offset)
    finally:
        producer.close()


def values(bootstrap: str, count: int) -> list[bytes]:
    """The first `count` of the topic."""
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    try:
        return [next(consumer).value for _ in range(count)]
    finally:
        consumer.close()
