"""Writes a step to Kafka: all of it or nothing.

Order of a writer's commit, and what a crash between two numbers means:

1. Names, partitions and sizes are checked: nothing was sent.
2. Begin; all records are sent: nobody sees them.
3. While they are on their way the group's offsets join the transaction, and `meanwhile` is called;
   then every single record is acknowledged: nobody sees them. `commit-half-written`
4. EndTxn is sent and acknowledged: all is there. `committed`

After any error the producer is thrown away, aborted where that is possible: what a failed
transaction left behind in it (records, offsets) can be in no later one. Then the writer can only
be opened anew. Whoever comes after a crash aborts what was left open, when it becomes the writer.

With `exactly_once` off there is no transaction: records become visible one by one, the offsets
after the last of them, nobody is fenced, and a crash between them repeats records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from stream_cl.core import limits
from stream_cl.core.clock import Clock
from stream_cl.core.errors import Fenced, RecordTooLarge, StreamClError, TransportError
from stream_cl.core.faults import Faults
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.kafka_client import CommitUnknown, KafkaProducing
from stream_cl.transport.kafka_topics import RECORD_OVERHEAD_BYTES


class KafkaWriter:
    """`core.protocols.Writer` over one producer of a client library.

    Args:
        name: of the writer; the producer's transactional id.
        producer: new; becomes the writer here.
        check: raises what would be refused, before anything is sent.
        wrote: told of what was committed, with the first offset of each batch.
        whole: whether a commit is a transaction.
        offsets_s: seconds between two commits of offsets where there is no transaction; what is
            left is committed by `close`. 0 commits them with each step.

    Raises:
        TransportError: the transactional id is refused, or its coordinator does not answer.
    """

    def __init__(
        self,
        name: str,
        producer: KafkaProducing,
        check: Callable[[Sequence[Outgoing]], None],
        wrote: Callable[[Sequence[Outgoing], Sequence[int]], None],
        clock: Clock,
        faults: Faults,
        *,
        whole: bool,
        offsets_s: float = 0.0,
    ) -> None:
        self._name = name
        self._clock = clock
        self._whole = whole
        self._offsets_s = offsets_s
        self._offsets_due_s = clock.monotonic_s() + offsets_s
        self._offsets: dict[TopicPartition, int] = {}
        self._group = ""
        self._producer = producer
        self._check = check
        self._wrote = wrote
        self._faults = faults
        self._over: BaseException | None = None
        self._epoch = clock.now_ms()
        try:
            producer.init()
        except BaseException:
            producer.close()
            raise
        self._epoch = producer.epoch or self._epoch

    @property
    def epoch(self) -> int:
        """Grows with each writer of the name: the broker's producer id and epoch; without
        transactions the time when it was opened."""
        return self._epoch

    @property
    def is_over(self) -> bool:
        """Whether a commit has failed, so that this writer can write nothing more."""
        return self._over is not None

    def commit(
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        """One step: all batches and the group's offsets, durable, or nothing.

        Passes the fault points `commit-half-written` and `committed`. Returns the first offset of
        each batch, -1 for one without records. `meanwhile` is called while records are on their
        way.

        Raises:
            Fenced: another writer of this name has started; nothing was written, unless the
                message says that this is not known.
            RecordTooLarge, UnknownTopic: nothing was written.
            CommitUnknown: whether the step was committed is not known: the log tells after a
                restart.
            TransportError: nothing was written. Unless it was refused before anything was sent
                (unknown topic, record too large), this writer can write nothing more.
        """
        if self._over is not None:
            kind = Fenced if isinstance(self._over, Fenced) else TransportError
            raise kind(f"the writer {self._name} has failed before and must be opened anew:"
                       f" {self._over}")  # fmt: skip
        self._check(batches)
        if not offsets and not any(map(len, batches)):
            return [-1] * len(batches)  # an empty transaction sends nothing, so it proves nothing
        try:
            self._group = group
            self._offsets.update(offsets)
            within = self._commit_offsets if self._whole else None
            first = self._producer.send(batches, within, meanwhile)
            if self._clock.monotonic_s() >= self._offsets_due_s:
                self._commit_offsets()
            self._faults.reach("commit-half-written")
            self._producer.commit()
            self._wrote(batches, first)
            self._faults.reach("committed")
        except BaseException as error:
            self._give_up(error)
            raise
        return first

    def close(self) -> None:
        """Give the connections back; what is open stays open until its timeout."""
        if self._offsets and self._over is None:
            with suppress(TransportError):  # nothing rests on them
                self._commit_offsets()
        self._producer.close()

    def _commit_offsets(self) -> None:
        if self._offsets:
            self._producer.add_offsets(self._group, self._offsets)
        self._offsets = {}
        self._offsets_due_s = self._clock.monotonic_s() + self._offsets_s

    def _give_up(self, error: BaseException) -> None:
        """Whoever comes next must find nothing of this producer. An outcome that is not known is
        left to the broker, and so is the transaction of a process that is dying."""
        self._over = error
        if isinstance(error, StreamClError) and not isinstance(error, CommitUnknown | Fenced):
            self._producer.abort()
        self._producer.close()


def check_sizes(batch: Outgoing) -> None:
    """Whether every record is one that topics take: a value within `limits.RECORD_BYTES`, its key
    and headers within `RECORD_OVERHEAD_BYTES` together.

    Raises:
        RecordTooLarge: names the first that is not.
    """
    sizes = [len(value) for value in batch.values if value is not None]
    if max(sizes, default=0) > limits.RECORD_BYTES:
        sizes = [len(value or b"") for value in batch.values]
        index, size = next((i, n) for i, n in enumerate(sizes) if n > limits.RECORD_BYTES)
        raise RecordTooLarge(_large(batch, index, f"has {size} bytes", limits.RECORD_BYTES))
    names = sum(len(name.encode()) + len(value) for name, value in batch.common)
    names += sum(len(name.encode()) for name in batch.each)
    columns = [batch.keys, *batch.each.values()]
    # An upper bound first: nearly always it is enough.
    longest = sum(max([len(item) for item in column if item], default=0) for column in columns)
    if names + longest <= RECORD_OVERHEAD_BYTES:
        return
    for index, row in enumerate(zip(*columns, strict=True)):
        size = names + sum(len(item) for item in row if item)
        if size > RECORD_OVERHEAD_BYTES:
            what = f"has a key and headers of {size} bytes"
            raise RecordTooLarge(_large(batch, index, what, RECORD_OVERHEAD_BYTES))


def _large(batch: Outgoing, index: int, what: str, limit: int) -> str:
    return (
        f"record {index} of a batch for {batch.topic}[{batch.partition}] {what}, and the limit is"
        f" {limit}: make it smaller"
    )
