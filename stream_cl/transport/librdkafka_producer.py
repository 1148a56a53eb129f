"""`kafka_client.KafkaProducing` by confluent-kafka.

Whether every record was acknowledged: `flush` tells how many are still on their way; of a
transaction librdkafka remembers that a record has failed, and refuses whatever is asked of it;
without one each record reports for itself. A report costs as much as the record, so in a
transaction only the first record of a batch has one, for its offset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from stream_cl.core.clock import Clock
from stream_cl.core.errors import Fenced, StreamClError, TransportError
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.kafka_client import (
    REPLY_S,
    REQUEST_S,
    TRANSACTION_RETRY_S,
    CommitUnknown,
)
from stream_cl.transport.kafka_topics import MESSAGE_BYTES
from stream_cl.transport.librdkafka_calls import Running
from stream_cl.transport.librdkafka_columns import headers_of
from stream_cl.transport.librdkafka_errors import is_silence, of, told
from stream_cl.transport.librdkafka_reports import Report

_BATCH_BYTES: Final = 900_000
"""Size of a batch of records; below max.message.bytes, whose default is 1,048,588."""
_LINGER_MS: Final = 3
"""How long a batch waits for more: until about all are handed over."""
_GOODBYE_S: Final = 0.5
_UNLIMITED: Final = 2**31 - 1
_UNKNOWN: Final = "whether the step was committed is not known; the log tells after a restart"

_HUNG: Final[list[Any]] = []
"""Producers of which a call did not come back in time. It may come back later, and crashes the
process if its producer was destroyed meanwhile, or is destroyed with it: so they are kept."""

CommitOffsets = Callable[[str, Mapping[TopicPartition, int]], None]


class LibrdkafkaProducer:
    """One producer, to be thrown away after any error.

    Args:
        settings: how to reach the cluster.
        bootstrap: the brokers, for messages.
        transactional_id: None for a producer that is idempotent only.
        timeout_ms: after which the broker aborts a transaction.
        commit_offsets: commits a group's offsets without a transaction.
        find_group: comes back when the group's coordinator answers.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        bootstrap: tuple[str, ...],
        transactional_id: str | None,
        timeout_ms: int,
        clock: Clock,
        commit_offsets: CommitOffsets,
        find_group: Callable[[str], object],
    ) -> None:
        self._name = transactional_id
        self._bootstrap = bootstrap
        self._limit_s = timeout_ms / 1000
        self._clock = clock
        self._commit_offsets = commit_offsets
        self._find_group = find_group
        self._groups: dict[str, Any] = {}
        self._silent = False
        self._offsets: Running | None = None
        self._is_waited_for = False
        transaction = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": timeout_ms,
        }
        self._producer: Any = Producer(
            {
                **settings,
                **(transaction if transactional_id is not None else {}),
                "enable.idempotence": True,
                "acks": "all",
                # librdkafka wants it 100 ms below the transaction's timeout.
                "socket.timeout.ms": min(int(REQUEST_S * 1000), timeout_ms - 100),
                "message.timeout.ms": timeout_ms,
                "retry.backoff.ms": int(TRANSACTION_RETRY_S * 1000),
                "linger.ms": _LINGER_MS,
                "batch.size": _BATCH_BYTES,
                "batch.num.messages": 1_000_000,
                "message.max.bytes": MESSAGE_BYTES,
                # A step is bounded, and handed over whole.
                "queue.buffering.max.messages": 0,
                "queue.buffering.max.kbytes": _UNLIMITED,
            }
        )

    @property
    def epoch(self) -> int:
        """0: librdkafka does not tell what the broker gave it."""
        return 0

    def init(self) -> None:
        """InitProducerId: fence every earlier producer of the transactional id."""
        if self._name is None:
            return
        try:
            self._producer.init_transactions(REPLY_S)
        except KafkaException as error:
            self._silent = is_silence(of(error))
            raise self._told(error, f"becoming the writer {self._name}", REPLY_S) from error

    def send(
        self,
        batches: Sequence[Outgoing],
        within: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        """Append all batches; the offset of each one's first record."""
        doing = f"writing to {', '.join(dict.fromkeys(batch.topic for batch in batches))}"
        reports = [Report() for _ in batches]
        try:
            if self._name is not None:
                self._producer.begin_transaction()
            with self._beside(within):
                for batch, report in zip(batches, reports, strict=True):
                    doing = f"writing to {batch.topic}[{batch.partition}]"
                    self._enqueue(batch, report)
                if meanwhile is not None:
                    meanwhile()
            left = self._flushed()
            self._check_transaction()
        except KafkaException as error:
            raise self._told(error, doing, topic=batch.topic) from error
        for batch, report in zip(batches, reports, strict=True):
            doing = f"writing to {batch.topic}[{batch.partition}]"
            expected = len(batch) if self._name is None else min(1, len(batch))
            if report.error is not None:
                raise self._told(KafkaException(report.error), doing, topic=batch.topic)
            if left or report.acknowledged != expected or report.first < 0 < expected:
                raise self._told(KafkaException(KafkaError(KafkaError._TIMED_OUT)), doing)
        return [report.first for report in reports]

    def add_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Put the group's offsets into the transaction; without one, commit them now."""
        if self._name is None:
            self._commit_offsets(group, offsets)
            return
        wanted = [KafkaPartition(*at, offset) for at, offset in offsets.items()]
        doing = f"committing the offsets of group {group}"
        metadata = self._group(group)

        def put(left_s: float) -> None:
            if self._is_waited_for:
                self._send_offsets(wanted, metadata, left_s)
            else:
                self._offsets = Running(lambda: self._send_offsets(wanted, metadata, left_s))
                self._offsets.wait(left_s)

        self._repeated(put, lambda error: self._told(error, doing, group=group))

    def commit(self) -> None:
        """EndTxn, and wait for its acknowledgement."""
        if self._name is not None:
            self._repeated(self._end, self._not_committed)

    def abort(self) -> None:
        """Abort if that is possible; raises nothing."""
        if self._name is not None and self._producer is not None and not self._silent:
            with suppress(KafkaException):
                self._producer.abort_transaction(REPLY_S)

    def close(self) -> None:
        """Give the connections back; what was not sent is given up."""
        if self._producer is not None:
            if self._offsets is not None and self._offsets.hangs:
                _HUNG.append(self._producer)
            else:
                # What nobody has been told of its records when it goes crashes confluent-kafka.
                with suppress(KafkaException, SystemError):
                    self._producer.purge(blocking=False)
                    self._producer.flush(_GOODBYE_S)
            # The only reference. Its own `close` would abort and flush.
            self._producer = None

    @contextmanager
    def _beside(self, call: Callable[[], None] | None) -> Iterator[None]:
        """Do it in a thread, so that coordinators answer while records are handed over; before
        `flush` it is over: beside it, a call that hangs ends in a crash of confluent-kafka."""
        if call is None:
            yield
            return
        self._is_waited_for = True
        self._offsets = running = Running(call)
        try:
            yield
        finally:
            try:
                running.wait(self._limit_s)
            except StreamClError as error:
                why = error.__cause__
                if isinstance(why, KafkaException) and of(why).code() == KafkaError._STATE:
                    self._check_transaction()  # a record has failed before, and that is the reason
                raise
            self._is_waited_for = False

    def _enqueue(self, batch: Outgoing, report: Report) -> None:
        produce, topic, partition = self._producer.produce, batch.topic, batch.partition
        columns = zip(batch.values, batch.keys, headers_of(batch), strict=True)
        told: Report | None = report
        for value, key, headers in columns:
            produce(topic, value, key, partition, told, headers=headers)
            if self._name is not None:
                told = None

    def _flushed(self) -> int:
        """How many records are still on their way after the time."""
        try:
            return int(self._producer.flush(self._limit_s))
        except SystemError as error:
            # When a producer is fenced, confluent-kafka raises, and calls us back nevertheless.
            if isinstance(error.__cause__, KafkaException):
                raise error.__cause__ from None
            raise

    def _send_offsets(self, wanted: list[Any], metadata: Any, timeout_s: float) -> None:
        self._producer.send_offsets_to_transaction(wanted, metadata, timeout_s)

    def _end(self, timeout_s: float) -> None:
        self._producer.commit_transaction(timeout_s)

    def _check_transaction(self) -> None:
        """Raise what librdkafka knows of a record that has failed.

        It refuses to begin a transaction inside of this one; if this one can only be aborted, or
        the producer was fenced, that is its reason."""
        if self._name is None:
            return
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            if of(error).code() != KafkaError._STATE:
                raise
        else:
            raise TransportError(f"librdkafka has lost the transaction of {self._name}; restart")

    def _repeated(
        self,
        call: Callable[[float], None],
        failed: Callable[[KafkaException], StreamClError],
    ) -> None:
        """Do it again while librdkafka says that this may help, within the time."""
        deadline_s = self._clock.monotonic_s() + self._limit_s
        while True:
            left_s = deadline_s - self._clock.monotonic_s()
            try:
                call(max(left_s, 0.001))
                return
            except KafkaException as error:
                if not of(error).retriable() or self._clock.monotonic_s() >= deadline_s:
                    raise failed(error) from error
            self._clock.sleep(TRANSACTION_RETRY_S)

    def _not_committed(self, raised: KafkaException) -> StreamClError:
        # Whether EndTxn was sent more than once is not told; then a refusal of the second one
        # does not tell what became of the first.
        answer = self._told(raised, f"committing as the writer {self._name}")
        kind = Fenced if isinstance(answer, Fenced) else CommitUnknown
        return kind(f"{answer}; {_UNKNOWN}")

    def _group(self, group: str) -> Any:
        """A group as a transaction wants it, without a generation: only a consumer has one, so
        here is one that reaches nothing.

        Its coordinator is waited for elsewhere: in a transaction librdkafka asks for it once, and
        if there is none yet, as in a cluster that is new, waits for ever.
        """
        if group not in self._groups:
            self._find_group(group)
            consumer = Consumer({"group.id": group, "log_level": 0})
            self._groups[group] = consumer.consumer_group_metadata()
            consumer.close()
        return self._groups[group]

    def _told(
        self, raised: KafkaException, doing: str, waited_s: float | None = None, **about: Any
    ) -> StreamClError:
        # Else whoever keeps the error keeps the producer, with its connections, by the frames of
        # `_enqueue`; for the same reason it is nobody's argument.
        raised.with_traceback(None)
        error, seconds = of(raised), self._limit_s if waited_s is None else waited_s
        self._silent = self._silent or is_silence(error)
        return told(error, doing, self._bootstrap, seconds, transactional_id=self._name, **about)
