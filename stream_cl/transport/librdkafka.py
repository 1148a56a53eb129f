"""The second Kafka client: librdkafka, by confluent-kafka; for those who need the throughput.

Three connections that wait for different things: one asks for topics and groups, one for offsets
(`ends` is asked before every step, and the admin client takes twice as long for it), and one
reads (`librdkafka_reader`). Producers are in `librdkafka_producer`. Groups are asked by a
fourth, of kafka-python.

Whether brokers let us in is found out by kafka-python, which is there in any case and says what
was refused (`kafka_reach`); librdkafka would only go on trying.

Longer than other modules, because it is one call of the library after the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from threading import Lock
from typing import Any, Final, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from stream_cl.core.clock import Clock
from stream_cl.core.errors import UnknownTopic
from stream_cl.core.records import TopicPartition
from stream_cl.transport import kafka_errors
from stream_cl.transport.kafka_client import RECONNECT_S, REPLY_S, REQUEST_S, RETRY_S
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.kafka_python import KafkaPython
from stream_cl.transport.kafka_reach import check_reachable
from stream_cl.transport.kafka_security import librdkafka_settings
from stream_cl.transport.librdkafka_errors import is_unknown, may_pass, of, told
from stream_cl.transport.librdkafka_producer import LibrdkafkaProducer
from stream_cl.transport.librdkafka_reader import LibrdkafkaReader, committed_consumer

T = TypeVar("T")
_BROKERS_DEFAULT: Final = -1


def common_settings(options: KafkaOptions, clock: Clock) -> dict[str, Any]:
    """What every client of confluent-kafka is told."""
    return {
        "bootstrap.servers": ",".join(options.bootstrap),
        "client.id": options.client_id,
        "socket.timeout.ms": int(REQUEST_S * 1000),
        "socket.connection.setup.timeout.ms": int(REQUEST_S * 1000),
        "reconnect.backoff.ms": int(RETRY_S * 1000),
        "reconnect.backoff.max.ms": int(RECONNECT_S * 1000),
        "retry.backoff.ms": int(RETRY_S * 1000),
        "allow.auto.create.topics": False,
        # How long a topic that brokers do not know is taken for one that was just made.
        "topic.metadata.propagation.max.ms": int(REQUEST_S * 1000),
        "logger": _quiet_logger(),
        "log_level": 0,
        **librdkafka_settings(options.security, clock),
    }


class Librdkafka:
    """`kafka_client.KafkaClient` by confluent-kafka.

    Raises:
        TransportError: the cluster cannot be reached within CONNECT_S, or refuses us.
    """

    def __init__(self, options: KafkaOptions, clock: Clock) -> None:
        check_reachable(options, clock=clock)
        self._options = options
        self._clock = clock
        self._settings = common_settings(options, clock)
        self._admin: Any = AdminClient(self._settings)
        self._asking: Any = None
        self._of_groups: KafkaPython | None = None
        self._grouping = Lock()

    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        """name → number of partitions, of those topics that exist."""
        if topics is None:
            topics = self._tried(
                lambda: self._admin.list_topics(timeout=REQUEST_S).topics, "asking for topics"
            )
        found = self._described(topics)
        return {name: len(one.partitions) for name, one in found.items() if not one.is_internal}

    def settings(self, topic: str) -> dict[str, str]:
        """The topic's settings in force."""
        resource = ConfigResource(ResourceType.TOPIC, topic)

        def ask() -> Any:
            asked = self._admin.describe_configs([resource], request_timeout=REQUEST_S)
            return asked[resource].result()

        found = self._tried(ask, f"asking for the settings of topic {topic}", topic=topic)
        return {name: entry.value for name, entry in found.items()}

    def create(
        self, topic: str, partitions: int, replication: int | None, settings: Mapping[str, str]
    ) -> None:
        """Create a topic and wait until every partition has a leader."""
        copies = _BROKERS_DEFAULT if replication is None else replication
        wanted = NewTopic(topic, partitions, copies, config=dict(settings))
        doing = f"creating topic {topic}"

        def create() -> None:
            try:
                self._admin.create_topics([wanted], request_timeout=REQUEST_S)[topic].result()
            except KafkaException as error:
                if of(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise

        def wait() -> None:
            found = self._described([topic]).get(topic)
            if found is None or any(one.leader is None for one in found.partitions):
                raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))

        self._tried(create, doing, topic=topic)
        self._tried(wait, doing, topic=topic)

    def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        """Set these settings of a topic and leave the others."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)

        def alter() -> None:
            asked = self._admin.incremental_alter_configs([wanted], request_timeout=REQUEST_S)
            asked[wanted].result()

        self._tried(alter, f"setting {', '.join(settings)} of topic {topic}", topic=topic)

    def starts(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Log start offsets."""
        return self._offsets(places, OFFSET_BEGINNING)

    def ends(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Last stable offsets."""
        return self._offsets(places, OFFSET_END)

    def written(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks."""
        wanted = {KafkaPartition(*place): OffsetSpec.latest() for place in places}

        def ask() -> dict[TopicPartition, int]:
            asked = self._admin.list_offsets(
                wanted,
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=REQUEST_S,
            )
            return {
                TopicPartition(at.topic, at.partition): future.result().offset
                for at, future in asked.items()
            }

        return self._tried(ask, "asking for ends of partitions")

    def delete_records(self, place: TopicPartition, offset: int) -> None:
        """Delete the records below `offset`."""
        topic, partition = place
        wanted = KafkaPartition(topic, partition, offset)

        def delete() -> None:
            asked = self._admin.delete_records([wanted], request_timeout=REQUEST_S)
            asked[wanted].result()

        self._tried(delete, f"deleting records of {topic}[{partition}] below {offset}", topic=topic)

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """The group's committed offsets."""
        with self._grouping:
            return self._groups().committed(group)

    def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets outside of any transaction, for a group without members."""
        with self._grouping:
            self._groups().commit_offsets(group, offsets)

    def reader(self) -> LibrdkafkaReader:
        """A reader with connections of its own."""
        return LibrdkafkaReader(self._settings, self._options.bootstrap)

    def producer(self, transactional_id: str | None) -> LibrdkafkaProducer:
        """A new producer with connections of its own."""
        return LibrdkafkaProducer(
            self._settings,
            self._options.bootstrap,
            transactional_id,
            self._options.transaction_timeout_ms,
            self._clock,
            self.commit_offsets,
            self.committed,
        )

    def close(self) -> None:
        """Close the connections that ask."""
        self._admin = None
        with self._grouping:
            if self._of_groups is not None:
                self._of_groups.close()
                self._of_groups = None
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _groups(self) -> KafkaPython:
        """What asks for groups. librdkafka 2.16 crashes when a coordinator answers a question of
        its admin client that it is not the one, or not yet: it looks for a consumer there."""
        if self._of_groups is None:
            self._of_groups = KafkaPython(self._options, self._clock)
        return self._of_groups

    def _described(self, topics: Iterable[str]) -> dict[str, Any]:
        """What is known of those topics that exist."""
        wanted = list(topics)
        doing = "asking for topics"

        def ask() -> dict[str, Any]:
            found = {}
            asked = self._admin.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_S)
            for name, answer in asked.items():
                try:
                    found[name] = answer.result()
                except KafkaException as error:
                    code = of(error).code()
                    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                        raise kafka_errors.refused(code, doing, topic=name) from error
                    if code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
            return found

        return self._tried(ask, doing) if wanted else {}

    def _offsets(self, places: Collection[TopicPartition], which: int) -> dict[TopicPartition, int]:
        if not places:
            return {}
        if self._asking is None:
            self._asking = committed_consumer(self._settings)
        # What offsets_for_times takes for a time may be one of Kafka's two special ones too.
        wanted = [KafkaPartition(*place, which) for place in places]
        topics = sorted({place.topic for place in places})
        doing = f"asking for the offsets of {', '.join(topics)}"

        def ask() -> list[Any]:
            try:
                return _without_errors(self._asking.offsets_for_times(wanted, REQUEST_S))
            except KafkaException as error:
                if not is_unknown(of(error)):
                    raise
            missing = [topic for topic in topics if topic not in self._described(topics)]
            if missing:
                raise UnknownTopic(f"{doing}: topic {missing[0]} is not there any more")
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))

        found = self._tried(ask, doing, topic=topics[0])
        return {TopicPartition(one.topic, one.partition): one.offset for one in found}

    def _tried(self, call: Callable[[], T], doing: str, **about: str) -> T:
        """The call's result; tried again where that may help, REPLY_S long."""
        deadline_s = self._clock.monotonic_s() + REPLY_S
        while True:
            try:
                return call()
            except KafkaException as error:
                if not may_pass(of(error)):
                    raise told(
                        of(error), doing, self._options.bootstrap, REPLY_S, **about
                    ) from error
            if self._clock.monotonic_s() > deadline_s:
                raise kafka_errors.no_answer(doing, self._options.bootstrap, REPLY_S)
            self._clock.sleep(RETRY_S)


def _quiet_logger() -> logging.Logger:
    """Where librdkafka says what it says at its least talkative; else it would be stderr.

    What it says is kept until somebody polls, so it must be little; what matters comes as an error.
    """
    logger = logging.getLogger("librdkafka")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


def _without_errors(places: list[Any]) -> list[Any]:
    """The same, unless one of them has an error."""
    for one in places:
        if one.error is not None:
            raise KafkaException(one.error)
    return places
