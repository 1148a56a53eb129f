"""What a run left in its topics, read by a plain consumer of committed records."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson
from kafka import KafkaConsumer, TopicPartition

_SILENT_S: Final = 60.0
OUTPUTS: Final = ("predictions", "label-requests", "dead-letters")
Place = tuple[str, int]


def committed(bootstrap: str, topic: str) -> Iterator[Any]:
    """Every committed record of a topic, the partitions mixed, each in its order.

    Raises:
        TimeoutError: nothing came for a minute.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 2**20,
    )
    try:
        places = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        heard_s = time.monotonic()
        while any(consumer.position(place) < ends[place] for place in places):
            polled = consumer.poll(timeout_ms=500, max_records=5000)
            for records in polled.values():
                yield from records
            if polled:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > _SILENT_S:
                raise TimeoutError(f"{topic}: nothing came for {_SILENT_S:.0f} s")
    finally:
        consumer.close()


class Rows:
    """Digest of the records of each partition, in order, without the incarnation."""

    def __init__(self) -> None:
        self._hashers: dict[Place, Any] = defaultdict(lambda: blake2b(digest_size=16))
        self.counts: Counter[Place] = Counter()

    def add(self, at: Place, key: bytes | None, value: bytes | None, headers: Any) -> None:
        """One more record."""
        same = [(name, body) for name, body in headers if name != "incarnation"]
        self._hashers[at].update(repr((key, value, same)).encode())
        self.counts[at] += 1

    def digests(self) -> dict[Place, str]:
        """Partition → number of records and digest."""
        return {
            at: f"{self.counts[at]} records {self._hashers[at].hexdigest()}"
            for at in sorted(self._hashers)
        }


@dataclass
class Left:
    """What a run left.

    events: how often each event was written, by its number. predicted, requested: the same of
    predictions and of open requests. asked: events whose prediction says that it was asked for.
    written: (incarnation, step) → topic → records. manifest: its records, with their offsets.
    orders: places where an older incarnation stands behind a newer one.
    """

    prefix: str
    rows: Rows = field(default_factory=Rows)
    events: Counter[int] = field(default_factory=Counter)
    predicted: Counter[int] = field(default_factory=Counter)
    requested: Counter[int] = field(default_factory=Counter)
    asked: set[int] = field(default_factory=set)
    withdrawn: Counter[int] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    written: dict[tuple[int, int], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    manifest: list[dict[str, Any]] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)


def left_in(bootstrap: str, prefix: str, inputs: bool = True) -> Left:
    """Read the outputs and the manifest, and with `inputs` the events too."""
    left = Left(prefix)
    take: dict[str, Callable[[Left, Any], None]] = {
        "predictions": _prediction,
        "label-requests": _request,
        "dead-letters": _letter,
    }
    for name in OUTPUTS:
        newest: dict[int, int] = {}
        for record in committed(bootstrap, prefix + name):
            headers = dict(record.headers)
            incarnation, step = int(headers["incarnation"]), int(headers["step"])
            if incarnation < newest.get(record.partition, 0):
                left.orders.append(
                    f"{name}[{record.partition}] offset {record.offset}: incarnation {incarnation}"
                    f" behind {newest[record.partition]}"
                )
            newest[record.partition] = max(incarnation, newest.get(record.partition, 0))
            left.written[incarnation, step][prefix + name] += 1
            place = (prefix + name, record.partition)
            left.rows.add(place, record.key, record.value, record.headers)
            take[name](left, record)
    for record in committed(bootstrap, f"{prefix}manifest"):
        left.manifest.append({**orjson.loads(record.value), "offset": record.offset})
    if inputs:
        for record in committed(bootstrap, f"{prefix}events"):
            left.events[int(record.key)] += 1
    return left


def _prediction(left: Left, record: Any) -> None:
    value = orjson.loads(record.value)
    number = int(value["id"])
    left.predicted[number] += 1
    if value["asked"]:
        left.asked.add(number)


def _request(left: Left, record: Any) -> None:
    value = orjson.loads(record.value)
    fate = left.requested if value["status"] == "open" else left.withdrawn
    fate[int(value["id"])] += 1


def _letter(left: Left, record: Any) -> None:
    left.letters[dict(record.headers)["code"].decode()] += 1


def steps_of(left: Left) -> Sequence[dict[str, Any]]:
    """The steps of a manifest."""
    return [entry for entry in left.manifest if entry["kind"] == "step"]
