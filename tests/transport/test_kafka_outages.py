"""Brokers that stop, hang, come back, or hand a partition over while a pipeline uses them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from stream_cl.core.errors import TransportError
from stream_cl.core.records import TopicPartition
from stream_cl.testing.kafka_broker import KafkaCluster
from stream_cl.testing.kafka_properties import Listener
from stream_cl.testing.kafka_source import Software
from stream_cl.transport.kafka_client import CommitUnknown
from stream_cl.transport.kafka_options import KafkaSecurity
from tests.transport.kafka_logs import a_name, batch, opened, read_all

Clusters = Callable[..., KafkaCluster]


@pytest.fixture(scope="module")
def broker(kafka_software: Software) -> Iterator[KafkaCluster]:
    """One that the tests of this file may stop."""
    with KafkaCluster(1, software=kafka_software) as cluster:
        yield cluster


def test_a_restart_while_idle_and_while_reading(broker: KafkaCluster) -> None:
    """Else every update of a broker stops the pipeline."""
    with opened(broker.bootstrap) as log:
        topic = a_name()
        at = TopicPartition(topic, 0)
        log.create_topic(topic)
        writer = log.writer(topic)
        for i in range(2):
            (offset,) = writer.commit([batch(topic, b"%d" % i)], topic, {at: i})
            assert list(log.read(topic, 0, offset, 10).values) == [b"%d" % i]
            assert len(log.read(topic, 0, offset + 1, 10)) == 0
            if i:
                broker.kill()
            broker.restart()
            log.wait(0.1, 0.01)
        (offset,) = log.append([batch(topic, b"after")])
        assert list(log.read(topic, 0, offset, 10).values) == [b"after"]
        assert log.bounds([topic])[at].end > offset
        assert log.group_offsets(topic) == {at: 1}
        assert len(read_all(log, topic)) == 3


def test_a_commit_that_hangs_ends_in_an_error(broker: KafkaCluster) -> None:
    """Else a hung broker hangs the pipeline for ever; after the restart the log tells."""
    with opened(broker.bootstrap, transaction_timeout_ms=2000) as log:
        topic = a_name()
        log.create_topic(topic)
        log.append([batch(topic, b"0")])
        for point in ("send", "add_offsets", "commit"):
            writer = log.writer(topic)
            writer.commit([batch(topic, b"well")], topic, {})  # it knows the topic's leader
            producer = writer._producer
            step = getattr(producer, point)

            def hang(*arguments: object, step: Callable[..., object] = step) -> object:
                broker.pause()
                return step(*arguments)

            setattr(producer, point, hang)
            began_s = time.monotonic()  # the test's own clock: a hang must end in real time
            kind = CommitUnknown if point == "commit" else TransportError
            resume = threading.Timer(3.0, broker.resume)
            resume.start()
            with pytest.raises(kind, match="no answer from Kafka"):
                writer.commit([batch(topic, b"1")], topic, {TopicPartition(topic, 0): 1})
            resume.join()
            assert time.monotonic() - began_s < 15
            with pytest.raises(TransportError, match="opened anew"):
                writer.commit([batch(topic, b"2")], topic, {})
        log.writer(topic)
        values = list(read_all(log, topic))
        whole = [b"0", b"well", b"well", b"well"]
        assert values in (whole, [*whole, b"1"]), "only the last one may be there"
        offsets = {TopicPartition(topic, 0): 1} if len(values) > len(whole) else {}
        assert log.group_offsets(topic) == offsets


def test_a_leader_that_dies(kafka_cluster: Clusters) -> None:
    """Else the loss of one broker of three stops the pipeline."""
    cluster = kafka_cluster(nodes=3)
    with opened(cluster.bootstrap, replication=3, min_insync=2) as log:
        topic = a_name()
        log.create_topic(topic, 3)
        writer = log.writer(topic)

        def commit(round_: int) -> None:
            batches = [batch(topic, b"%d" % round_, partition=p) for p in range(3)]
            writer.commit(batches, topic, {TopicPartition(topic, 0): round_})

        commit(0)
        assert [read_all(log, topic, p) for p in range(3)] == [[b"0"]] * 3
        cluster.nodes[0].kill()
        commit(1)
        assert [read_all(log, topic, p) for p in range(3)] == [[b"0", b"1"]] * 3
        assert log.group_offsets(topic) == {TopicPartition(topic, 0): 1}


def test_rights_that_are_missing_are_named(kafka_cluster: Clusters) -> None:
    """Else a missing ACL ends in a stack of client errors."""
    cluster = kafka_cluster(
        listeners=[Listener("OPEN", sasl=("PLAIN",))],
        users={"bob": "secret"},
        authorizer=True,
        super_users=["User:ANONYMOUS"],
    )
    bob = KafkaSecurity(mechanism="PLAIN", username="bob", password="secret")
    topic = a_name()
    with opened(cluster.bootstrap) as log:
        log.create_topic(topic)
    with opened(cluster.address("OPEN"), security=bob) as log:
        for attempt, refusal in (
            (lambda: log.group_offsets("g"), "the group g is refused to this user; it needs Read"),
            (lambda: log.writer("w"), "the transactional id w is refused to this user; it needs"),
            (lambda: log.bounds([topic]), f"the topic {topic} is refused to this user; it needs"),
            (lambda: log.append([batch(topic, b"0")]), f"the topic {topic} is refused"),
            (lambda: log.create_topic(a_name()), "is refused to this user; it needs"),
        ):
            with pytest.raises(TransportError, match=refusal) as raised:
                attempt()
            assert "\n" not in str(raised.value)
            assert "secret" not in str(raised.value)
