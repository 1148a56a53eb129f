"""`kafka_client.KafkaReader` by confluent-kafka: assigned partitions, no group.

librdkafka hands out records and nothing of what stands between them. Where a partition ends it
says so, with the offset behind the last marker; that is how the position moves over markers.
It learns of an end by a fetch that brings nothing, which a broker holds back: so it is asked to
hold back no longer than `_FETCH_WAIT_MS`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from stream_cl.core.errors import TransportError
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.transport.kafka_client import FETCH_BYTES, PARTITION_BYTES, REPLY_S, RETRY_S, Failed
from stream_cl.transport.librdkafka_columns import by_partition, chunk
from stream_cl.transport.librdkafka_errors import may_pass, told

_FETCH_WAIT_MS: Final = 5
_FULL_MS: Final = 5
"""Pause of all partitions, that of labels too, when as much was fetched ahead as is allowed."""
_MESSAGES_AT_ONCE: Final = 4000
_AHEAD_MESSAGES: Final = 20_000
_AHEAD_KIB: Final = 32 * 1024
"""What librdkafka fetches ahead, of all partitions together, before it waits."""
_NO_GROUP: Final = "stream-cl-reader"
"""librdkafka wants a name even where nothing is subscribed to and nothing committed."""


def committed_consumer(settings: Mapping[str, Any]) -> Any:
    """A consumer of committed records that commits nothing and never resets an offset."""
    return Consumer(
        {
            **settings,
            "group.id": _NO_GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "check.crcs": True,
            "max.partition.fetch.bytes": PARTITION_BYTES,
            "fetch.max.bytes": FETCH_BYTES,
            "fetch.wait.max.ms": _FETCH_WAIT_MS,
            "fetch.error.backoff.ms": int(RETRY_S * 1000),
            "fetch.queue.backoff.ms": _FULL_MS,
            "queued.min.messages": _AHEAD_MESSAGES,
            "queued.max.messages.kbytes": _AHEAD_KIB,
        }
    )


class LibrdkafkaReader:
    """Reads assigned partitions.

    Args:
        settings: how to reach the cluster.
        bootstrap: the brokers, for messages.
    """

    def __init__(self, settings: Mapping[str, Any], bootstrap: tuple[str, ...]) -> None:
        self._consumer = committed_consumer(settings)
        self._bootstrap = bootstrap
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from now on and no others."""
        self._drop(self._positions.keys() - positions.keys())
        new = positions.keys() - self._positions.keys()
        self._add({place: positions[place] for place in new})

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on at `offset` in an assigned partition."""
        # librdkafka's own seek is refused while a partition is being assigned.
        if place in self._paused:
            self._positions[place] = offset
        else:
            self._drop([place])
            self._add({place: offset})

    def position(self, place: TopicPartition) -> int:
        """The offset behind all that `poll` has given or passed over."""
        return self._positions[place]

    def pause(self, places: Collection[TopicPartition], paused: bool) -> None:
        """Give nothing of these partitions, or give it again from the position on."""
        # Paused by librdkafka, a partition may be told to have ended before its last records, which
        # it fetches again, are handed out; and what it had fetched is lost there too.
        turned = [place for place in places if (place in self._paused) != paused]
        if paused:
            self._consumer.incremental_unassign([KafkaPartition(*place) for place in turned])
            self._paused.update(turned)
        else:
            self._paused.difference_update(turned)
            self._add({place: self._positions[place] for place in turned})

    def poll(self, timeout_s: float) -> Sequence[Chunk | Failed]:
        """What has come; waits `timeout_s` at most for the first."""
        # Asked for many at once, librdkafka would wait until it has as many.
        messages = self._consumer.consume(1, timeout_s)
        if not messages:
            return []
        messages += self._consumer.consume(_MESSAGES_AT_ONCE, 0)
        arrived: list[Chunk | Failed] = []
        for place, run in by_partition(messages):
            error = run[0].error()
            if error is not None:
                arrived += self._failed(place, error, run[0].offset())
            elif place in self._positions and place not in self._paused:
                assert run[0].offset() >= self._positions[place], f"{place} went back"
                arrived.append(chunk(place, run))
                self._positions[place] = run[-1].offset() + 1
        return arrived

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _failed(self, place: TopicPartition, error: KafkaError, offset: int) -> list[Failed]:
        """The partitions that an error is about, no longer assigned; none if it may pass."""
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            if place in self._positions and place not in self._paused:
                self._positions[place] = max(self._positions[place], offset)
            return []
        if may_pass(error) or code == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return []  # it asks for the coordinator of a group that nothing is done with
        if place in self._positions:
            places = [place]
        elif place.topic is not None:
            places = [one for one in self._positions if one.topic == place.topic]
        else:
            places = list(self._positions) if error.fatal() else []
        failed = [Failed(one, self._told(one, error)) for one in places]
        self._drop(places)
        return failed

    def _told(self, place: TopicPartition, error: KafkaError) -> TransportError:
        doing = f"reading {place.topic}[{place.partition}] at offset {self._positions[place]}"
        if error.code() == KafkaError._LOG_TRUNCATION:
            return TransportError(
                f"{doing}: the broker has lost records that were read (unclean leader election); "
                "restore the topic, or go on with `stream-cl run --new-state`"
            )
        if error.code() in (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION):
            return TransportError(
                f"{doing}: the records are damaged ({error.str()}); ask who runs the broker"
            )
        answer = told(error, doing, self._bootstrap, REPLY_S, topic=place.topic)
        assert isinstance(answer, TransportError)
        return answer

    def _add(self, positions: Mapping[TopicPartition, int]) -> None:
        if positions:
            self._consumer.incremental_assign(
                [KafkaPartition(*place, offset) for place, offset in positions.items()]
            )
            self._positions.update(positions)

    def _drop(self, places: Collection[TopicPartition]) -> None:
        gone = list(places)
        for place in gone:
            del self._positions[place]
        assigned = [KafkaPartition(*place) for place in gone if place not in self._paused]
        self._paused.difference_update(gone)
        if assigned:
            self._consumer.incremental_unassign(assigned)
