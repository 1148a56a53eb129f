"""`kafka_client.KafkaProducing` by kafka-python.

A batch that expires inside a transaction fails its future and nothing else: so every batch is
waited for, and its future looked at, before anything is committed. What has no limit in
kafka-python gets one in `kafka_python_inside`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from kafka import KafkaProducer
from kafka import errors as refusals
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as KafkaPartition

from stream_cl.core.clock import Clock
from stream_cl.core.errors import Fenced, StreamClError
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport import kafka_errors
from stream_cl.transport import kafka_python_inside as inside
from stream_cl.transport.kafka_client import REPLY_S, TRANSACTION_RETRY_S, CommitUnknown
from stream_cl.transport.kafka_patience import Patience
from stream_cl.transport.kafka_records import bodies

_BATCH_BYTES: Final = 900_000
"""Size of a batch of records; below max.message.bytes, whose default is 1,048,588."""
_REQUEST_BYTES: Final = 8 * 2**20
_AFTER_TIMEOUT_MS: Final = 10_000
"""Requests time out later than what waits for them here: kafka-python takes a request of a
transaction that did for a fatal error, whatever its outcome. Batches expire later still."""

CommitOffsets = Callable[[str, Mapping[TopicPartition, int]], None]


class KafkaPythonProducer:
    """One producer, to be thrown away after any error.

    Args:
        settings: how to reach the cluster.
        transactional_id: None for a producer that is idempotent only.
        timeout_ms: after which the broker aborts a transaction.
        commit_offsets: commits a group's offsets without a transaction.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        transactional_id: str | None,
        timeout_ms: int,
        clock: Clock,
        commit_offsets: CommitOffsets,
    ) -> None:
        self._name = transactional_id
        self._bootstrap = tuple(settings["bootstrap_servers"])
        self._limit_s = timeout_ms / 1000
        self._clock = clock
        self._commit_offsets = commit_offsets
        request_ms = timeout_ms + _AFTER_TIMEOUT_MS
        self._producer: Any = KafkaProducer(
            **settings,
            request_timeout_ms=request_ms,
            retry_backoff_ms=int(TRANSACTION_RETRY_S * 1000),
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=request_ms + _AFTER_TIMEOUT_MS,
            max_block_ms=int(REPLY_S * 1000),
            linger_ms=0,  # it is handed whole batches
            max_request_size=_REQUEST_BYTES,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
        inside.never_create_topics(self._producer._metadata)
        inside.never_split(self._producer)
        inside.look_for_coordinators(self._producer, clock)
        if transactional_id is not None:
            inside.no_epoch_bump(self._producer)

    @property
    def epoch(self) -> int:
        """producer id × 2^16 + producer epoch."""
        return 0 if self._name is None else inside.producer_epoch(self._producer)

    def init(self) -> None:
        """InitProducerId: fence every earlier producer of the transactional id."""
        if self._name is None:
            return
        try:
            self._producer.init_transactions()
        except refusals.KafkaTimeoutError:
            raise kafka_errors.no_answer(
                f"becoming the writer {self._name}", self._bootstrap, REPLY_S
            ) from None
        except refusals.KafkaError as error:
            raise self._told(error, f"becoming the writer {self._name}") from error

    def send(
        self,
        batches: Sequence[Outgoing],
        within: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        """Append all batches; the offset of each one's first record."""
        doing = f"writing to {', '.join(dict.fromkeys(batch.topic for batch in batches))}"
        try:
            for topic in {batch.topic for batch in batches}:
                self._producer.partitions_for(topic)  # else its leaders are not known
            if self._name is not None:
                inside.begin(self._producer, map(_place, filter(len, batches)))
            sent = [self._enqueue(batch) for batch in batches]
            inside.wake(self._producer)
            for call in (within, meanwhile):
                if call is not None:
                    call()
            patience = Patience(self._limit_s)
            first = []
            for batch, futures in zip(batches, sent, strict=True):
                doing = f"writing to {batch.topic}[{batch.partition}]"
                offsets = [inside.first_offset(future, patience) for future in futures]
                first.append(offsets[0] if offsets else -1)
        except refusals.KafkaTimeoutError:
            raise kafka_errors.no_answer(doing, self._bootstrap, self._limit_s) from None
        except refusals.KafkaError as error:
            raise self._told(error, doing) from error
        return first

    def add_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Put the group's offsets into the transaction; without one, commit them now."""
        if self._name is None:
            self._commit_offsets(group, offsets)
            return
        doing = f"committing the offsets of group {group}"
        wanted = {KafkaPartition(*at): OffsetAndMetadata(n, "", -1) for at, n in offsets.items()}
        try:
            done = inside.send_offsets(self._producer, group, wanted, self._limit_s)
        except refusals.KafkaError as error:
            raise self._told(error, doing, group=group) from error
        if not done:
            raise kafka_errors.no_answer(doing, self._bootstrap, self._limit_s)

    def commit(self) -> None:
        """EndTxn, and wait for its acknowledgement."""
        if self._name is None:
            return
        doing = f"committing as the writer {self._name}"
        try:
            ending = inside.Ending(self._producer)
        except refusals.KafkaError as error:
            raise self._told(error, doing) from error
        try:
            ended = ending.wait(self._limit_s)
        except refusals.KafkaError as error:
            told = self._told(error, doing)
            if not ending.refused:
                kind = Fenced if isinstance(told, Fenced) else CommitUnknown
                raise kind(f"{told}; {_UNKNOWN}") from error
            raise told from error
        if not ended:
            silent = kafka_errors.no_answer(doing, self._bootstrap, self._limit_s)
            raise CommitUnknown(f"{silent}; {_UNKNOWN}")
        if not ending.acknowledged:
            raise CommitUnknown(f"{doing}: kafka-python tells of no answer to EndTxn; {_UNKNOWN}")

    def abort(self) -> None:
        """Abort if that is possible; raises nothing."""
        if self._name is not None:
            with suppress(refusals.KafkaError):
                inside.abort(self._producer, REPLY_S)

    def close(self) -> None:
        """Give the connections back; what was not sent is given up."""
        inside.stop(self._producer)

    def _enqueue(self, batch: Outgoing) -> list[Any]:
        place, now_ms = _place(batch), self._clock.now_ms()
        return [
            inside.enqueue(self._producer, place, body, records, now_ms)
            for body, records in bodies(batch, _BATCH_BYTES)
        ]

    def _told(
        self, error: BaseException, doing: str, topic: str | None = None, group: str | None = None
    ) -> StreamClError:
        about = {"topic": topic, "group": group, "transactional_id": self._name}
        error = inside.cause(self._producer, error)
        return inside.told(error, doing, **{k: v for k, v in about.items() if v is not None})


def _place(batch: Outgoing) -> Any:
    return KafkaPartition(batch.topic, batch.partition)


_UNKNOWN: Final = (
    "it is not known whether the step was committed, and after a restart the log will tell"
)
