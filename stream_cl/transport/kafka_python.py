"""The Kafka client that is there by default: kafka-python 3.

Two connections that wait for different things: one asks (offsets, topics, groups), the other
reads (`kafka_python_reader`); a broker answers the requests of a connection one by one, so what
is asked would wait for a fetch that is held back. Producers are in `kafka_python_producer`.

What has to be reached inside of kafka-python for is in `kafka_python_inside`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient
from kafka import errors as refusals
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as KafkaPartition

from stream_cl.core.clock import Clock
from stream_cl.core.errors import TransportError, UnknownTopic
from stream_cl.core.records import TopicPartition
from stream_cl.transport import kafka_errors
from stream_cl.transport.kafka_client import RECONNECT_S, REPLY_S, REQUEST_S, RETRY_S
from stream_cl.transport.kafka_options import CONNECT_S, KafkaOptions
from stream_cl.transport.kafka_python_inside import (
    committed_consumer,
    forget_coordinators,
    may_pass,
    stable_offsets,
    told,
)
from stream_cl.transport.kafka_python_producer import KafkaPythonProducer
from stream_cl.transport.kafka_python_reader import KafkaPythonReader
from stream_cl.transport.kafka_reach import check_reachable
from stream_cl.transport.kafka_security import kafka_python_settings

T = TypeVar("T")
_TOPIC: Final = ConfigResourceType.TOPIC


def common_settings(options: KafkaOptions) -> dict[str, Any]:
    """What every client of kafka-python is told."""
    return {
        "bootstrap_servers": list(options.bootstrap),
        "client_id": options.client_id,
        "bootstrap_timeout_ms": int(CONNECT_S * 1000),
        "reconnect_backoff_max_ms": int(RECONNECT_S * 1000),
        **kafka_python_settings(options.security),
    }


class KafkaPython:
    """`kafka_client.KafkaClient` by kafka-python.

    Raises:
        TransportError: the cluster cannot be reached within CONNECT_S, or refuses us.
    """

    def __init__(self, options: KafkaOptions, clock: Clock) -> None:
        check_reachable(options, clock=clock)
        self._options = options
        self._clock = clock
        self._settings = common_settings(options)
        self._admin = self._opened(self._make_admin)
        self._asking: Any = None

    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        """name → number of partitions, of those topics that exist."""
        asked = None if topics is None else list(topics)
        if asked == []:
            return {}
        found = self._tried(lambda: self._admin.describe_topics(asked), "asking for topics")
        for one in found:
            code = one["error_code"]
            if code == kafka_errors.TOPIC_AUTHORIZATION_FAILED:
                raise kafka_errors.refused(code, "asking for topics", topic=one["name"])
        return {
            one["name"]: len(one["partitions"])
            for one in found
            if one["error_code"] == 0 and not one.get("is_internal")
        }

    def settings(self, topic: str) -> dict[str, str]:
        """The topic's settings in force."""
        resource = ConfigResource(_TOPIC, topic)

        def ask() -> Any:
            return self._admin.describe_configs([resource], config_filter="all")

        found = self._tried(ask, f"asking for the settings of topic {topic}", topic=topic)
        return {name: one["value"] for name, one in found["topic"][topic].items()}

    def create(
        self, topic: str, partitions: int, replication: int | None, settings: Mapping[str, str]
    ) -> None:
        """Create a topic and wait until every partition has a leader."""
        wanted = {
            topic: {
                "num_partitions": partitions,
                "replication_factor": -1 if replication is None else replication,
                "configs": dict(settings),
            }
        }
        doing = f"creating topic {topic}"
        timeout_ms = int(REPLY_S * 1000)

        def create() -> None:
            with suppress(refusals.TopicAlreadyExistsError):
                self._admin.create_topics(wanted)

        self._tried(create, doing, topic=topic)
        self._tried(lambda: self._admin.wait_for_topics([topic], timeout_ms), doing, topic=topic)

    def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        """Set these settings of a topic and leave the others."""
        doing = f"setting {', '.join(settings)} of topic {topic}"
        resource = ConfigResource(_TOPIC, topic, dict(settings))
        answer = self._tried(lambda: self._admin.alter_configs([resource]), doing, topic=topic)
        if (said := answer["topic"][topic]) != "OK":
            raise TransportError(f"{doing}: {' '.join(said.split())}")

    def starts(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Log start offsets."""
        return self._offsets(places, "beginning_offsets")

    def ends(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Last stable offsets."""
        return self._offsets(places, "end_offsets")

    def written(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks."""
        wanted = {KafkaPartition(*place): OffsetSpec.LATEST for place in places}
        found = self._tried(
            lambda: self._admin.list_partition_offsets(wanted), "asking for ends of partitions"
        )
        return {TopicPartition(*at): one.offset for at, one in found.items()}

    def delete_records(self, place: TopicPartition, offset: int) -> None:
        """Delete the records below `offset`."""
        doing = f"deleting records of {place.topic}[{place.partition}] below {offset}"
        wanted = {KafkaPartition(*place): offset}
        self._tried(lambda: self._admin.delete_records(wanted), doing, topic=place.topic)

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """The group's committed offsets."""
        doing = f"asking for the offsets of group {group}"
        found = self._tried(lambda: stable_offsets(self._admin, group), doing, group=group)
        return {TopicPartition(*at): one.offset for at, one in found.items() if one.offset >= 0}

    def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets outside of any transaction, for a group without members."""
        doing = f"committing the offsets of group {group}"
        wanted = {KafkaPartition(*at): OffsetAndMetadata(n, "", -1) for at, n in offsets.items()}

        def commit() -> None:
            for error in self._admin.alter_group_offsets(group, wanted).values():
                if error is not refusals.NoError:
                    raise error()

        self._tried(commit, doing, group=group)

    def reader(self) -> KafkaPythonReader:
        """A reader with connections of its own."""
        return self._opened(lambda: KafkaPythonReader(self._settings))

    def producer(self, transactional_id: str | None) -> KafkaPythonProducer:
        """A new producer with connections of its own."""
        return self._opened(
            lambda: KafkaPythonProducer(
                self._settings,
                transactional_id,
                self._options.transaction_timeout_ms,
                self._clock,
                self.commit_offsets,
            )
        )

    def close(self) -> None:
        """Close the connections that ask."""
        self._admin.close()
        if self._asking is not None:
            self._asking.close(autocommit=False)
            self._asking = None

    def _make_admin(self) -> Any:
        return KafkaAdminClient(
            **self._settings,
            request_timeout_ms=int(REQUEST_S * 1000),
            retry_backoff_ms=int(RETRY_S * 1000),
        )

    def _offsets(self, places: Collection[TopicPartition], ask: str) -> dict[TopicPartition, int]:
        if not places:
            return {}
        if self._asking is None:
            self._asking = self._opened(lambda: committed_consumer(self._settings))
        wanted = [KafkaPartition(*place) for place in places]
        timeout_ms = int(REPLY_S * 1000)
        topics = sorted({place.topic for place in places})
        doing = f"asking for the offsets of {', '.join(topics)}"
        method: Callable[..., Any] = getattr(self._asking, ask)
        try:
            found = self._tried(lambda: method(wanted, timeout_ms), doing, topic=topics[0])
        except TransportError:
            missing = [topic for topic in topics if topic not in self.partitions(topics)]
            if missing:
                raise UnknownTopic(f"{doing}: topic {missing[0]} is not there any more") from None
            raise
        return {TopicPartition(*at): offset for at, offset in found.items()}

    def _tried(self, call: Callable[[], T], doing: str, **about: str) -> T:
        """The call's result; tried again where that may help, REPLY_S long."""
        deadline_s = self._clock.monotonic_s() + REPLY_S
        while True:
            try:
                return call()
            except KeyError:  # a partition without a leader
                pass
            except refusals.KafkaError as error:
                if not may_pass(error):
                    raise told(error, doing, **about) from error
                forget_coordinators(self._admin)
            if self._clock.monotonic_s() > deadline_s:
                raise kafka_errors.no_answer(doing, self._options.bootstrap, REPLY_S)
            self._clock.sleep(RETRY_S)

    def _opened(self, make: Callable[[], T]) -> T:
        try:
            return make()
        except refusals.KafkaError as error:
            raise told(error, f"connecting to {', '.join(self._options.bootstrap)}") from error
