"""Which topics a Kafka cluster has, and how many partitions they have."""

from __future__ import annotations

from typing import Final

from stream_cl.core.clock import Clock
from stream_cl.core.errors import TransportError, UnknownTopic
from stream_cl.core.records import TopicPartition
from stream_cl.transport import kafka_errors, kafka_topics
from stream_cl.transport.kafka_client import REPLY_S, RETRY_S, KafkaClient
from stream_cl.transport.kafka_options import KafkaOptions

TOPICS_S: Final = 60.0
"""How long a topic's number of partitions is believed: an operator may make it larger."""


class Catalogue:
    """Topics as they were when the cluster was asked last. Memory: a number per topic."""

    def __init__(self, client: KafkaClient, options: KafkaOptions, clock: Clock) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._partitions: dict[str, int] = {}
        self._asked_s = clock.monotonic_s()

    @property
    def name(self) -> str:
        """The cluster, for messages."""
        return f"kafka://{','.join(self._options.bootstrap)}"

    def all(self) -> dict[str, int]:
        """name → number of partitions; asks the cluster."""
        self._partitions = self._client.partitions()
        self._asked_s = self._clock.monotonic_s()
        return dict(self._partitions)

    def create(self, topic: str, partitions: int, retention_ms: int | None) -> None:
        """`KafkaTransport.create_topic`."""
        settings = kafka_topics.wanted(retention_ms, self._options.min_insync)
        there = self._client.partitions([topic]).get(topic)
        if there is None:
            self._client.create(topic, partitions, self._options.replication, settings)
            there = self._client.partitions([topic])[topic]
        if there != partitions:
            raise TransportError(
                f"topic {topic} of {self.name} has {there} partitions, not {partitions}: take"
                " that number, or another topics.prefix"
            )
        found = self._client.settings(topic)
        if unfit := kafka_topics.unfit(topic, found, self._options.bootstrap[0]):
            raise TransportError(unfit)
        if found.get("retention.ms") != settings["retention.ms"]:
            self._client.alter(topic, {"retention.ms": settings["retention.ms"]})
        self._partitions[topic] = there

    def settle(self, topic: str) -> None:
        """`KafkaTransport.settle`."""
        places = self.places(topic)
        deadline_s = self._clock.monotonic_s() + REPLY_S
        while self._client.ends(places) != (written := self._client.written(places)):
            if self._clock.monotonic_s() >= deadline_s:
                raise TransportError(
                    f"topic {topic} of {self.name}: a transaction that reaches up to"
                    f" offset {max(written.values())} is still open after {REPLY_S:g} s; see which"
                    " writer has it with `kafka-transactions find-hanging`"
                )
            self._clock.sleep(RETRY_S)

    def places(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions, as `partitions` counts them."""
        return [TopicPartition(topic, partition) for partition in range(self.partitions(topic))]

    def partitions(self, topic: str) -> int:
        """How many the topic has.

        Raises:
            UnknownTopic: it does not exist.
        """
        if self._clock.monotonic_s() - self._asked_s >= TOPICS_S:
            self._partitions = self._client.partitions(list(self._partitions))
            self._asked_s = self._clock.monotonic_s()
        if topic not in self._partitions:
            self._partitions.update(self._client.partitions([topic]))
        try:
            return self._partitions[topic]
        except KeyError:
            raise self._unknown(topic) from None

    def place(self, topic: str, partition: int) -> TopicPartition:
        """A partition that exists.

        Raises:
            UnknownTopic: it does not.
        """
        partitions = self.partitions(topic)
        if not 0 <= partition < partitions:
            raise UnknownTopic(
                f"there is no partition {partition} of topic {topic} in {self.name}: it has"
                f" {partitions}, counted from 0"
            )
        return TopicPartition(topic, partition)

    def silent(self, place: TopicPartition) -> TransportError:
        """Why nothing comes of a partition that should have something; asks the cluster."""
        if place.partition < self._client.partitions([place.topic]).get(place.topic, 0):
            doing = f"reading {place.topic}[{place.partition}]"
            return kafka_errors.no_answer(doing, self._options.bootstrap, REPLY_S)
        self._partitions.pop(place.topic, None)
        return self._unknown(place.topic)

    def _unknown(self, topic: str) -> UnknownTopic:
        return UnknownTopic(
            f"there is no topic {topic} in {self.name}: create it with `stream-cl topics create`,"
            " or correct its name"
        )
