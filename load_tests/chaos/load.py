"""The world around the pipeline: who writes events, and who answers label requests.

Both are plain clients of kafka-python that talk to the broker directly, past the proxy. They
write at least once: what may have been lost while the broker was away is written again, and
the pipeline's window of ids drops what came twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any, Final

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from load_tests.synthetic import answer, events

AT_ONCE: Final = 1000
"""Events that are written at once: several times as many as a step takes."""
BACKLOG_EVENTS: Final = 50_000
"""No more is written than so many events beyond what is predicted; half of the pipeline's window
of ids, so that an event that is written twice is always known."""
_GIVE_UP_S: Final = 300.0


class Sending:
    """Writes records and waits until all are acknowledged, however often that takes, or until
    nobody wants that any more."""

    def __init__(self, bootstrap: str, topic: str, stopped: Event | None = None) -> None:
        self.written_again = 0
        self._bootstrap = bootstrap
        self._topic = topic
        self._stopped = stopped or Event()
        self._producer: Any = None

    def send(self, values: Sequence[bytes], keys: Sequence[bytes]) -> None:
        """Write them in order; the key chooses the partition.

        Raises:
            TimeoutError: the broker did not take them for minutes.
        """
        left = list(zip(keys, values, strict=True))
        until_s = time.monotonic() + _GIVE_UP_S
        while left:
            if time.monotonic() > until_s:
                raise TimeoutError(f"{self._topic}: nothing was taken for {_GIVE_UP_S:.0f} s")
            failed = self._try(left)
            self.written_again += len(failed)
            left = [] if self._stopped.is_set() else failed

    def _try(self, rows: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        try:
            if self._producer is None:
                self._producer = KafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=20,
                    batch_size=2**18,
                    request_timeout_ms=10_000,
                    delivery_timeout_ms=40_000,
                    max_block_ms=30_000,
                )
            futures = [self._producer.send(self._topic, v, key=k) for k, v in rows]
            self._producer.flush(60)
        except KafkaError:
            self._give_up()
            return rows
        failed = [r for r, f in zip(rows, futures, strict=True) if not f.succeeded()]
        if failed:
            self._give_up()
        return failed

    def _give_up(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=1)
        self._producer = None
        time.sleep(0.2)

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=5)


class _Worker:
    """A thread that is asked to stop, and whose error is not lost."""

    def __init__(self) -> None:
        self._stopped = Event()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._guarded, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the thread, if it was an error."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Have it end, and wait for that."""
        self._stopped.set()
        self._thread.join(_GIVE_UP_S)
        self.check()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._error = error

    def _run(self) -> None:
        raise NotImplementedError


class EventWriter(_Worker):
    """Writes events all the time, numbered from 0, at `rate` a second; and from `hurry` on as
    many as are still wanted as fast as they are predicted.

    Args:
        bootstrap: the broker itself.
        topic: of the events.
        least: how many there must be at the end.
        rate: events per second.
    """

    def __init__(self, bootstrap: str, topic: str, least: int, rate: float) -> None:
        super().__init__()
        self.written = 0
        self.predicted = 0
        self._sending = Sending(bootstrap, topic, self._stopped)
        self._least = least
        self._rate = rate
        self._hurry = Event()

    @property
    def written_again(self) -> int:
        """Events that were perhaps written twice."""
        return self._sending.written_again

    @property
    def is_over(self) -> bool:
        """Whether all is written that will be."""
        return not self._thread.is_alive()

    def hurry(self) -> None:
        """Write only what is still wanted, at once."""
        self._hurry.set()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stopped.is_set():
            if self._hurry.is_set() and self.written >= self._least:
                break
            if self.written - self.predicted > BACKLOG_EVENTS:
                time.sleep(0.05)
                continue
            numbers = range(self.written, self.written + AT_ONCE)
            keys = [b"%d" % number for number in numbers]
            self._sending.send(events(numbers.start, numbers.stop), keys)
            self.written = numbers.stop
            due_s = max(due_s + AT_ONCE / self._rate, time.monotonic() - 5.0)
            while (wait_s := due_s - time.monotonic()) > 0 and not self._hurry.is_set():
                time.sleep(min(wait_s, 0.1))
        self._sending.close()


class Annotator(_Worker):
    """Answers label requests, as people do: of 20 questions 16 at once, one twice, one with two
    different answers, one after it has expired, and one never.

    Args:
        bootstrap: the broker itself.
        requests: topic that is read, committed records only.
        labels: topic that is written.
        partitions: of the requests.
        late_s: how long after a question its late answer comes.
    """

    def __init__(
        self, bootstrap: str, requests: str, labels: str, partitions: int, late_s: float
    ) -> None:
        super().__init__()
        self.asked = 0
        self.answers = 0
        self._bootstrap = bootstrap
        self._places = [TopicPartition(requests, number) for number in range(partitions)]
        self._sending = Sending(bootstrap, labels, self._stopped)
        self._late_s = late_s
        self._late: deque[tuple[float, bytes, bytes]] = deque()

    def _run(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        consumer.assign(self._places)
        while not self._stopped.is_set():
            due = [self._answer(one.key, one.value) for one in self._polled(consumer)]
            labels = [label for some in due for label in some]
            while self._late and self._late[0][0] <= time.monotonic():
                labels.append(self._late.popleft()[1:])
            if labels:
                self._sending.send([value for _, value in labels], [key for key, _ in labels])
                self.answers += len(labels)
        consumer.close()
        self._sending.close()

    def _polled(self, consumer: Any) -> list[Any]:
        polled = consumer.poll(timeout_ms=200, max_records=2000)
        return [record for records in polled.values() for record in records]

    def _answer(self, key: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
        request = orjson.loads(value)
        if request["status"] != "open":
            return []
        self.asked += 1
        right = (key, answer(request["id"], request["features"]))
        fate = int(request["id"]) % 20
        if fate == 16:
            return [right, right]
        if fate == 17:
            return [right, (key, right[1].replace(b'"label":"', b'"label":"not '))]
        if fate == 18:
            self._late.append((time.monotonic() + self._late_s, *right))
        return [right] if fate < 16 else []
