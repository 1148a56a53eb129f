"""What kafka-python 3.0.12 cannot be told from outside: every reach into it, in one place.

Found in its source and by running it; `tests/transport/test_kafka_python_inside.py` fails when
another version no longer has what is reached for.

- `allow_auto_create_topics=False` never gets to the metadata of consumers and producers
  (`KafkaConnectionManager` does not pass it on): asking for a topic would make it.
- `end_offsets` leaves out partitions whose leader is not known, which ends in a KeyError.
- The admin client never forgets the coordinator of a group, and asks for offsets without waiting
  for transactions that are about to commit some (KIP-447's require stable).
- `commit_transaction`, `abort_transaction` and `send_offsets_to_transaction` wait without a
  limit; what they wait for can be waited for with one.
- `send` takes 14 µs a record, and as much again for three headers: whole batches are put where
  it puts records.
- A transactional request whose coordinator refuses the connection is forgotten by the sender.
- A transactional request without an answer in time is a fatal error, whatever became of it.
- A commit whose epoch was bumped (KIP-360) under way is told as done without EndTxn.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final

import kafka
from kafka import KafkaConsumer
from kafka import errors as refusals
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import ConsumerGroupMetadata
from kafka.util import Timer

from stream_cl.core.clock import Clock
from stream_cl.core.errors import StreamClError, TransportError
from stream_cl.transport import kafka_errors
from stream_cl.transport.kafka_client import (
    FETCH_BYTES,
    FETCH_WAIT_S,
    PARTITION_BYTES,
    REQUEST_S,
    RETRY_S,
    TRANSACTION_RETRY_S,
)
from stream_cl.transport.kafka_patience import Patience

if find_spec("crc32c") is None:
    raise TransportError(
        "kafka-python without the package crc32c reads 8 MB a second: `pip install crc32c`"
    )
if not kafka.__version__.startswith("3.0."):
    raise TransportError(
        f"kafka-python {kafka.__version__} is another one than this program knows: "
        "`pip install 'kafka-python>=3.0.12,<3.1'`"
    )


_MAGIC: Final = 2
_NO_CODEC: Final = 0
_READY_MS: Final = 1000


def may_pass(error: BaseException) -> bool:
    """Whether trying again may help."""
    return isinstance(error, refusals.RetriableError)


def cause(producer: Any, error: BaseException) -> BaseException:
    """What a producer's error comes from, where it only says that something went wrong before."""
    if getattr(error, "errno", None) is not None or isinstance(error, refusals.KafkaTimeoutError):
        return error
    return producer._transaction_manager.last_error or error


def told(error: BaseException, doing: str, **about: str) -> StreamClError:
    """kafka-python's error as one of ours."""
    while isinstance(error, refusals.KafkaError) and error.args:
        inner = error.args[-1]
        if not isinstance(inner, refusals.KafkaError):
            break
        error = inner  # it wraps the broker's refusal in an error of its own
    code = getattr(error, "errno", None)
    if code == kafka_errors.TOPIC_AUTHORIZATION_FAILED and "topic" not in about and error.args:
        named = error.args[0]
        about["topic"] = named if isinstance(named, str) else ", ".join(sorted(named))
    said = error.args[0] if error.args else ""
    detail = str(error) if code is None else f"{type(error).__name__} {said or ''}"
    return kafka_errors.refused(code, doing, detail=detail, **about)


def never_create_topics(cluster: Any) -> None:
    """To be called before a client hears of a topic."""
    cluster.config["allow_auto_create_topics"] = False


def committed_consumer(settings: dict[str, Any]) -> Any:
    """A consumer of committed records without a group, that never resets an offset."""
    consumer = KafkaConsumer(
        **settings,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        max_partition_fetch_bytes=PARTITION_BYTES,
        fetch_max_bytes=FETCH_BYTES,
        fetch_max_wait_ms=int(FETCH_WAIT_S * 1000),
        request_timeout_ms=int(REQUEST_S * 1000),
        retry_backoff_ms=int(RETRY_S * 1000),
        metrics_enabled=False,
    )
    never_create_topics(consumer._cluster)
    return consumer


def poll_once(consumer: Any, timeout_s: float, max_records: int) -> Any:
    """`KafkaConsumer.poll`, but it comes back when an answer to a fetch was taken in, even if that
    held no record: then the position has moved over transaction markers."""
    return consumer._poll_once(Timer(timeout_s * 1000), max_records)


def forget_coordinators(admin: Any) -> None:
    """Ask for the coordinators of groups anew."""
    admin._manager.cluster._coordinators.clear()


def stable_offsets(admin: Any, group: str) -> Any:
    """kafka-python's partition → committed offset and metadata, once no transaction is about to
    commit some."""

    async def ask() -> Any:
        coordinator = await admin._find_coordinator_id(group)
        ((_, request),) = admin._list_group_offsets_requests({group: None})
        request.require_stable = True
        answer = await admin._manager.send(request, node_id=coordinator)
        return admin._list_group_offsets_process_response(answer, group_id=group)[group]

    return admin._manager.run(ask)


def never_split(producer: Any) -> None:
    """A batch that a broker finds too large is refused, not divided and sent again: what waits
    for the batch would never hear of its parts."""
    producer._sender._can_split = lambda *_: False


def look_for_coordinators(producer: Any, clock: Clock) -> None:
    """Ask again who coordinates when a broker is not there within a second.

    kafka-python waits for it as long as for an answer; and where the connection is refused, its
    sender forgets the request that it was about to send, which is then waited for in vain.
    """
    client = producer._sender._client
    await_ready = client.await_ready

    def is_there(node: Any, timeout_ms: float) -> bool:
        try:
            return bool(await_ready(node, min(timeout_ms, _READY_MS)))
        except refusals.KafkaConnectionError:
            clock.sleep(TRANSACTION_RETRY_S)
            return False

    client.await_ready = is_there


def no_epoch_bump(producer: Any) -> None:
    """A producer that lost its place fails for good instead of taking a new epoch (KIP-360).

    We throw a producer away after any error. One that was fenced must not ask for an epoch of its
    own again: against brokers before 2.7 that would fence the one that came after it.
    """
    producer._transaction_manager._supports_epoch_bump = lambda: False


def producer_epoch(producer: Any) -> int:
    """producer id × 2^16 + epoch."""
    identity = producer._transaction_manager.producer_id_and_epoch
    return (int(identity.producer_id) << 16) + int(identity.epoch)


def begin(producer: Any, places: Iterable[Any]) -> None:
    """Begin a transaction over these partitions; they are on their way to its coordinator while
    the records are still being made."""
    producer.begin_transaction()
    for place in places:
        producer._transaction_manager.maybe_add_partition_to_transaction(place)
    wake(producer)


def enqueue(producer: Any, place: Any, body: bytes, records: int, now_ms: int) -> Any:
    """Give the sender a whole batch of records, made by `kafka_records.bodies`; its future. In a
    transaction its partition was named by `begin`.

    As `KafkaProducer.send` does it for one record and `RecordAccumulator.append` behind it.
    """
    accumulator = producer._accumulator
    built = MemoryRecordsBuilder(_MAGIC, _NO_CODEC, batch_size=0)  # so it is full, and sent now
    inner = built._builder
    inner._buffer += body
    inner._num_records = built._next_offset = records
    inner._last_offset = records - 1
    inner._first_timestamp = inner._max_timestamp = now_ms
    batch = ProducerBatch(place, built)
    with accumulator._tp_lock(place):
        accumulator._batches[place].append(batch)
        accumulator._incomplete.add(batch)
    return batch.produce_future


def first_offset(future: Any, patience: Patience) -> int:
    """Wait for a batch's acknowledgement; the offset of its first record.

    Raises:
        KafkaTimeoutError: there is none within the time.
        KafkaError: it was refused, or expired.
    """
    if not patience.wait(future.wait):
        raise refusals.KafkaTimeoutError("not acknowledged")
    offset, _, error_of = future.value
    if error_of is not None:
        raise error_of(0)
    if offset < 0:
        raise refusals.KafkaError("acknowledged without an offset")
    return int(offset)


def wake(producer: Any) -> None:
    """Have the sender look at what was enqueued."""
    producer._sender.wakeup()


def waited(producer: Any, result: Any, timeout_s: float) -> bool:
    """Wait for a step of a transaction; False when the time is over.

    Raises:
        KafkaError: it failed.
    """
    wake(producer)
    return Patience(timeout_s).wait(lambda slice_s: bool(result.wait(timeout_ms=slice_s * 1000)))


def send_offsets(producer: Any, group: str, offsets: Any, timeout_s: float) -> bool:
    """`send_offsets_to_transaction` with a limit, without a generation of the group."""
    manager = producer._transaction_manager
    result = manager.send_offsets_to_transaction(offsets, ConsumerGroupMetadata(group_id=group))
    return waited(producer, result, timeout_s)


def abort(producer: Any, timeout_s: float) -> bool:
    """`abort_transaction` with a limit."""
    return waited(producer, producer._transaction_manager.begin_abort(), timeout_s)


class Ending:
    """EndTxn on its way: what was sent of it and what the broker said.

    acknowledged: the broker has said that the transaction is committed. refused: it has said no
    to the first one; an answer to a later one does not tell what the first one did.
    """

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self.acknowledged = self.refused = False
        manager = producer._transaction_manager
        with manager._lock:  # until it is ours, the sender's thread must not take it
            self._result = manager.begin_commit()
            (self._handler,) = (
                handler
                for _, _, handler in manager._pending_requests
                if handler.result is self._result
            )
            self._answered = self._handler.handle_response
            self._handler.handle_response = self._note

    def wait(self, timeout_s: float) -> bool:
        """Whether it is over within the time.

        Raises:
            KafkaError: the library gave it up.
        """
        return waited(self._producer, self._result, timeout_s)

    def _note(self, response: Any) -> None:
        self.acknowledged = response.error_code == 0
        self.refused = not self.acknowledged and not self._handler.is_retry
        self._answered(response)


def stop(producer: Any) -> None:
    """Close a producer within about a second; what it has not sent is given up."""
    producer._sender.force_close()
    producer._sender.join(1.0)
    with suppress(Exception):  # it is being thrown away, in whatever state it is
        producer.close(timeout=0)
