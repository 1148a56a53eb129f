"""A bare loop that runs on: takes what has come, answers each event, commits.

    python -m load_tests.kafka_bare --bootstrap … --events … --prefix … [--client …] [--plain]

What a pipeline's latency is compared with. It writes as many bytes as the pipeline does, a
prediction for every event, a request for one in twenty, a manifest record for each
transaction, and knows nothing. `--plain` leaves transactions out. It ends with SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any, Final

import orjson

_HEADERS: Final = [
    ("topic", b"events"), ("partition", b"0"), ("step", b"1234"), ("incarnation", b"1"),
    ("offset", b"123456"),
]  # fmt: skip
_MANIFEST: Final = b"m" * 420
_REQUEST_EVERY: Final = 20
_MOST: Final = 1000


def prediction(id_: str) -> bytes:
    """As many bytes as a prediction of two classes has."""
    return (
        b'{"v":1,"id":"%b","time":"2026-11-21T09:00:00.000Z","label":"down","probabilities":{"down"'
        b':0.636962,"up":0.363038},"uncertainty":0.363038,"utility":0.013008,"asked":false,'
        b'"propensity":0.05977281066219063,"step":1234,"model":"softmax/33","reason":"not_drawn"}'
    ) % id_.encode()


class _Stop:
    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        self.asked = True


def _answers(values: list[bytes], prefix: str) -> list[tuple[str, bytes | None, bytes]]:
    """(topic, key, value) of what is written for these events."""
    written: list[tuple[str, bytes | None, bytes]] = []
    for value in values:
        id_ = orjson.loads(value)["id"]
        written.append((f"{prefix}predictions", id_.encode(), prediction(id_)))
        if len(written) % _REQUEST_EVERY == 0:
            written.append((f"{prefix}label-requests", id_.encode(), value))
    written.append((f"{prefix}manifest", None, _MANIFEST))
    return written


def kafka_python(bootstrap: str, events: str, prefix: str, transactions: bool) -> None:
    """poll, send, flush, send offsets, commit."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.structs import OffsetAndMetadata

    stop, place = _Stop(), TopicPartition(events, 0)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{prefix}loop",
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        max_partition_fetch_bytes=8 * 2**20,
    )
    consumer.assign([place])
    consumer.position(place)
    own = {"transactional_id": f"{prefix}loop"} if transactions else {}
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        batch_size=2**18,
        linger_ms=0,
        retry_backoff_ms=10,
        **own,
    )
    if transactions:
        producer.init_transactions()
    _ready()
    while not stop.asked:
        records = consumer.poll(timeout_ms=100, max_records=_MOST).get(place, [])
        if not records:
            continue
        if transactions:
            producer.begin_transaction()
        for topic, key, value in _answers([record.value for record in records], prefix):
            producer.send(topic, value=value, key=key, headers=_HEADERS, partition=0)
        producer.flush()
        offsets = {place: OffsetAndMetadata(records[-1].offset + 1, "", -1)}
        if transactions:
            producer.send_offsets_to_transaction(offsets, f"{prefix}loop")
            producer.commit_transaction()
        else:
            consumer.commit(offsets)
    producer.close()
    consumer.close()


def librdkafka(bootstrap: str, events: str, prefix: str, transactions: bool) -> None:
    """consume, produce, flush, send offsets, commit."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    stop = _Stop()
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{prefix}loop",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
        }
    )
    end = consumer.get_watermark_offsets(TopicPartition(events, 0), timeout=30)[1]
    consumer.assign([TopicPartition(events, 0, end)])
    own: dict[str, Any] = {"transactional.id": f"{prefix}loop"} if transactions else {}
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **own})
    if transactions:
        producer.init_transactions(30)
    _ready()
    while not stop.asked:
        messages = [message for message in consumer.consume(_MOST, 0.001) if not message.error()]
        if not messages:
            continue
        if transactions:
            producer.begin_transaction()
        for topic, key, value in _answers([m.value() for m in messages], prefix):
            producer.produce(topic, value, key, 0, headers=_HEADERS)
        producer.flush()
        offsets = [TopicPartition(events, 0, messages[-1].offset() + 1)]
        if transactions:
            group = consumer.consumer_group_metadata()
            producer.send_offsets_to_transaction(offsets, group, 30)
            producer.commit_transaction(30)
        else:
            consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> None:
    """Run the loop that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.kafka_bare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--events", required=True, help="the topic to read")
    parser.add_argument("--prefix", required=True, help="of the topics to write")
    parser.add_argument("--client", choices=("kafka-python", "librdkafka"), default="kafka-python")
    parser.add_argument("--plain", action="store_true", help="without transactions")
    given = parser.parse_args()
    loop = kafka_python if given.client == "kafka-python" else librdkafka
    loop(given.bootstrap, given.events, given.prefix, not given.plain)


if __name__ == "__main__":
    main()
