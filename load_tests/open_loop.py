"""An open-loop load generator: events are sent by schedule, whether answers come or not.

Latency is counted from the moment at which an event was due and not from when it was sent, so
a stall counts for every event that was due meanwhile: a generator that waits for answers
would leave those out (coordinated omission, Tene 2015). Arrivals are a Poisson process, as
those of independent users; the histogram is HdrHistogram's, exact to three digits.

Two processes of their own, so that neither waits for what is measured:

    python -m load_tests.open_loop send    --bootstrap … --topic … --rate … --seconds …
    python -m load_tests.open_loop receive --bootstrap … --topic … --rate … --seconds …

Both draw the same schedule from the seed. `receive` reads committed records, whose key is
the event's id, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import monotonic_ns, sleep
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

COLUMNS: Final = tuple(f"f{j}" for j in range(10))
_LONGEST_US: Final = 120_000_000
_SILENCE_S: Final = 20.0
"""After so long without an answer the receiver gives up; what is missing stands in its result."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. start_ns: of the monotonic clock, which all processes of a machine share.

    warm_s: at the beginning, answered but not counted.
    """

    bootstrap: str
    topic: str
    rate: float
    seconds: float
    warm_s: float
    start_ns: int
    seed: int

    def due_ns(self) -> npt.NDArray[np.int64]:
        """When each event is due."""
        rng = np.random.default_rng(self.seed)
        gaps = rng.exponential(1e9 / self.rate, size=round(self.rate * self.seconds))
        return self.start_ns + np.cumsum(gaps).astype(np.int64)

    def id_of(self, number: int) -> str:
        """Ids of two loads never meet, so that one topic serves several."""
        return f"{self.start_ns:x}-{number}"


def values(load: Load, n: int) -> Iterator[bytes]:
    """The records: ten numbers, some 230 bytes."""
    numbers = np.random.default_rng(load.seed + 1).normal(size=(n, len(COLUMNS))).round(6)
    for number, row in enumerate(numbers.tolist()):
        features = dict(zip(COLUMNS, row, strict=True))
        yield orjson.dumps(
            {"v": 1, "id": load.id_of(number), "time": 1_760_000_000_000, "features": features}
        )


def send(load: Load) -> dict[str, Any]:
    """Send every event when it is due; how late the latest was sent."""
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=load.bootstrap, linger_ms=0, acks="all", max_block_ms=30_000
    )
    due = load.due_ns()
    records = list(values(load, len(due)))
    futures, latest_ns = [], 0
    for at, value in zip(due.tolist(), records, strict=True):
        wait_ns = at - monotonic_ns()
        if wait_ns > 0:
            sleep(wait_ns / 1e9)
        futures.append(producer.send(load.topic, value=value))
        latest_ns = max(latest_ns, monotonic_ns() - at)
    producer.flush(timeout=60)
    failed = sum(future.failed() for future in futures)
    producer.close()
    return {"sent": len(due), "failed": failed, "latest_ms": latest_ns / 1e6}


def receive(load: Load) -> dict[str, Any]:
    """Read the answers; the latencies in milliseconds at some percentiles."""
    from hdrh.histogram import HdrHistogram
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=load.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="latest",
        fetch_max_wait_ms=100,
        check_crcs=False,
    )
    partitions = [TopicPartition(load.topic, p) for p in consumer.partitions_for_topic(load.topic)]
    consumer.assign(partitions)
    for partition in partitions:
        consumer.position(partition)  # asks for the end now, before anything is sent
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    due, histogram = load.due_ns().tolist(), HdrHistogram(1, _LONGEST_US, 3)
    prefix, warm_ns = load.id_of(0).encode()[:-1], load.start_ns + load.warm_s * 1e9
    seen, again = np.zeros(len(due), dtype=np.bool_), 0
    last_s = monotonic_ns() / 1e9
    while not seen.all() and monotonic_ns() / 1e9 - max(last_s, due[0] / 1e9) < _SILENCE_S:
        for records in consumer.poll(timeout_ms=200).values():
            now_ns = monotonic_ns()
            last_s = now_ns / 1e9
            for record in records:
                if not record.key.startswith(prefix):
                    continue
                number = int(record.key[len(prefix) :])
                again += bool(seen[number])
                seen[number] = True
                if due[number] >= warm_ns:
                    histogram.record_value(max(1, (now_ns - due[number]) // 1000))
    consumer.close()
    at = {str(p): histogram.get_value_at_percentile(p) / 1000 for p in (50, 90, 99, 99.9, 100)}
    counted = histogram.get_total_count()
    return {"answered": int(seen.sum()), "twice": again, "counted": counted, "ms": at}


def main() -> None:
    """Send or receive what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.open_loop", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=("send", "receive"))
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rate", type=float, default=1000.0, help="events per second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--warm-s", type=float, default=5.0)
    parser.add_argument("--start-ns", type=int, default=0, help="monotonic clock; 0: in a second")
    parser.add_argument("--seed", type=int, default=0)
    given = vars(parser.parse_args())
    what = given.pop("what")
    given["start_ns"] = given["start_ns"] or monotonic_ns() + 1_000_000_000
    load = Load(**given)
    done = send(load) if what == "send" else receive(load)
    sys.stdout.write(orjson.dumps({**asdict(load), **done}).decode() + "\n")


if __name__ == "__main__":
    main()
