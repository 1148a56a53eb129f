"""What kafka-python's fetcher does with the bytes of one partition, in columns.

`Fetcher.PartitionRecords` is put in the place of kafka-python's class of that name: the fetcher
asks it for at most n of "records", which here are chunks of whole batches. Two more things come
with it: an error names its partition, and a header whose name is not UTF-8 stops nobody.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from kafka.errors import UnsupportedCodecError

from stream_cl.core.errors import TransportError
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.transport.kafka_client import Failed
from stream_cl.transport.kafka_records import Columns, Damaged

CHUNK_RECORDS: Final = 2000
"""A chunk takes no further batch when it has as many records."""


class Batches:
    """The record batches of one partition in one answer to a fetch.

    The constructor and what has no underscore is what `kafka.consumer.fetcher.Fetcher` calls.
    """

    def __init__(
        self,
        fetch_offset: int,
        tp: Any,
        records: Any,
        check_crcs: bool = True,
        aborted_transactions: Any = None,
        metric_aggregator: Any = None,
        on_drain: Callable[[Any], None] = lambda _: None,
        **_same_for_all: Any,
    ) -> None:
        self.topic_partition = tp
        self.next_fetch_offset = fetch_offset
        self.leader_epoch = -1
        self.bytes_read = 0
        self.records_read = 0
        self._place = TopicPartition(tp.topic, tp.partition)
        self._from = fetch_offset
        self._records: Any = records
        self._check_crcs = check_crcs
        aborted = sorted(aborted_transactions or (), key=lambda one: one.first_offset)
        self._aborted_later = deque((one.first_offset, one.producer_id) for one in aborted)
        self._aborted: set[int] = set()
        self._metrics = metric_aggregator
        self._on_drain = on_drain

    def __bool__(self) -> bool:
        return self._records is not None

    def drain(self) -> None:
        """Give up what is left."""
        if self._records is not None:
            self._records = None
            if self._metrics:
                self._metrics.record(self.topic_partition, self.bytes_read, self.records_read)
            self._on_drain(self)

    def take(self, n: int) -> list[Chunk | Failed]:
        """The next chunk, or none when there are no records left; `n` is at least 1.

        Damage behind good records is met again by the next call, which has no good ones.
        """
        columns = Columns()
        while self._records is not None and len(columns) < CHUNK_RECORDS:
            whole = len(columns)
            try:
                batch = self._records.next_batch()
                if batch is None:
                    self.drain()
                else:
                    self._read(batch, columns)
            except Exception as error:  # kafka-python's and the codecs' are of any kind
                self.drain()
                columns.keep(slice(whole))
                if not whole:
                    return [Failed(self._place, self._damaged(error))]
        return [columns.chunk(self._place)] if len(columns) else []

    def _read(self, batch: Any, columns: Columns) -> None:
        if self._check_crcs and not batch.validate_crc():
            raise Damaged(f"the batch at offset {batch.base_offset} fails its CRC")
        if batch.magic < 2:
            self._read_old(batch, columns)
            return
        self.leader_epoch = batch.leader_epoch
        if batch.is_control_batch:
            self._end_aborted(batch)
        elif not self._is_aborted(batch):
            before = len(columns)
            append_ms = batch.max_timestamp if batch.timestamp_type else None
            batch._maybe_uncompress()
            body = bytes(memoryview(batch._buffer)[batch._pos :])
            columns.cut(
                body, batch.records_count, batch.base_offset, append_ms, batch.first_timestamp
            )
            self._skip_earlier(columns)
            self.records_read += len(columns) - before
            self.bytes_read += len(body)
        self.next_fetch_offset = batch.next_offset

    def _read_old(self, batch: Any, columns: Columns) -> None:
        """Message format 0 or 1, in logs from before Kafka 0.11: no headers, no transactions."""
        for record in batch:
            columns.offsets.append(record.offset)
            columns.timestamps_ms.append(record.timestamp)
            columns.keys.append(record.key)
            columns.values.append(record.value)
            columns.headers.append(())
        self._skip_earlier(columns)
        if len(columns):
            self.next_fetch_offset = columns.offsets[-1] + 1

    def _skip_earlier(self, columns: Columns) -> None:
        """A fetch gives the whole batch that its offset stands in."""
        if len(columns) and columns.offsets[0] < self._from:
            columns.keep(slice(bisect_left(columns.offsets, self._from), None))

    def _is_aborted(self, batch: Any) -> bool:
        """Whether the batch belongs to an aborted transaction (KIP-98, "Aborted transactions")."""
        while self._aborted_later and self._aborted_later[0][0] <= batch.last_offset:
            self._aborted.add(self._aborted_later.popleft()[1])
        return bool(batch.is_transactional and batch.producer_id in self._aborted)

    def _end_aborted(self, batch: Any) -> None:
        self._is_aborted(batch)
        if next(batch).abort:
            self._aborted.discard(batch.producer_id)

    def _damaged(self, error: Exception) -> TransportError:
        topic, partition = self._place
        where = f"reading {topic}[{partition}] from offset {self.next_fetch_offset}"
        if isinstance(error, UnsupportedCodecError | AssertionError):
            return TransportError(
                f"{where}: {error}; install the codec that the topic is written with "
                "(`pip install 'kafka-python[snappy,lz4,zstd]'`)"
            )
        said = " ".join(str(error).split()) or type(error).__name__
        return TransportError(f"{where}: the records are damaged ({said}); ask who runs the broker")
