"""`kafka_client.KafkaReader` by kafka-python: a consumer by assign(), without a group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from kafka import errors as refusals
from kafka.structs import TopicPartition as KafkaPartition

from stream_cl.core.errors import TransportError
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.transport.kafka_client import Failed
from stream_cl.transport.kafka_python_batches import Batches
from stream_cl.transport.kafka_python_inside import committed_consumer, may_pass, poll_once, told

_CHUNKS_AT_ONCE: Final = 64


class KafkaPythonReader:
    """Reads assigned partitions; records come in chunks (`kafka_python_batches`)."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._consumer = committed_consumer(settings)
        self._consumer._fetcher.PartitionRecords = Batches
        self._assigned: set[TopicPartition] = set()

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from now on and no others."""
        self._consumer.assign([KafkaPartition(*place) for place in positions])
        for place in positions.keys() - self._assigned:
            self._consumer.seek(KafkaPartition(*place), positions[place])
        self._assigned = set(positions)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on at `offset` in an assigned partition."""
        self._consumer.seek(KafkaPartition(*place), offset)

    def position(self, place: TopicPartition) -> int:
        """The offset behind all that `poll` has given or passed over."""
        position: int = self._consumer.position(KafkaPartition(*place), timeout_ms=0)
        return position

    def pause(self, places: Collection[TopicPartition], paused: bool) -> None:
        """Give nothing of these partitions, or give it again."""
        turn = self._consumer.pause if paused else self._consumer.resume
        turn(*(KafkaPartition(*place) for place in places))

    def poll(self, timeout_s: float) -> Sequence[Chunk | Failed]:
        """What has come; waits `timeout_s` at most for the first."""
        try:
            polled = poll_once(self._consumer, timeout_s, _CHUNKS_AT_ONCE)
        except refusals.KafkaError as error:
            return self._failed(error)
        arrived = [one for chunks in polled.values() for one in chunks]
        self._drop([one.place for one in arrived if isinstance(one, Failed)])
        return arrived

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close(autocommit=False)

    def _failed(self, error: Exception) -> list[Failed]:
        """The partitions that an error is about; all of them where it does not say."""
        if may_pass(error):
            return []
        about: Any = error.args[0] if error.args else ()
        if isinstance(error, refusals.LogTruncationError):
            about = error.divergent_offsets
        if isinstance(about, dict):
            places = [TopicPartition(*at) for at in about if isinstance(at, tuple)]
        elif isinstance(error, refusals.TopicAuthorizationFailedError):
            places = [place for place in self._assigned if place.topic in about]
        else:
            places = []
        failed = [Failed(place, self._told(error, place)) for place in places or self._assigned]
        self._drop([one.place for one in failed])
        return failed

    def _told(self, error: Exception, place: TopicPartition) -> TransportError:
        topic, partition = place
        doing = f"reading {topic}[{partition}]"
        if isinstance(error, refusals.OffsetOutOfRangeError):
            doing += f" at offset {error.args[0].get(KafkaPartition(*place))}"
        if isinstance(error, refusals.LogTruncationError):
            return TransportError(
                f"{doing}: the broker has lost records that were read (unclean leader election); "
                "restore the topic, or go on with `stream-cl run --new-state`"
            )
        answer = told(error, doing, topic=topic)
        assert isinstance(answer, TransportError)
        return answer

    def _drop(self, places: Collection[TopicPartition]) -> None:
        if places:
            self._assigned -= set(places)
            self._consumer.assign([KafkaPartition(*place) for place in self._assigned])
