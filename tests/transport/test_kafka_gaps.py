"""Offsets without records, the hash of partitions, and what refusals say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as theirs

from stream_cl.core import errors
from stream_cl.core.records import Bounds, TopicPartition
from stream_cl.transport.kafka_errors import refused
from stream_cl.transport.kafka_gaps import Gaps
from stream_cl.transport.kafka_murmur import murmur2
from stream_cl.transport.kafka_topics import unfit, wanted

AT = TopicPartition("t", 0)


def test_a_stretch_without_records_is_taken_off() -> None:
    """Else a pipeline that has read everything shows a lag, and never sees that it is idle."""
    gaps = Gaps()
    assert gaps.without(AT, Bounds(0, 4)) == Bounds(0, 4)
    gaps.found(AT, 3, 4)
    assert gaps.without(AT, Bounds(0, 4)) == Bounds(0, 3)
    assert gaps.without(AT, Bounds(0, 5)) == Bounds(0, 5)  # something new
    assert gaps.behind(AT, 3) == 4
    assert gaps.behind(AT, 4) == 4
    gaps.found(AT, 4, 6)  # an aborted record and its marker: the stretch grows
    assert gaps.without(AT, Bounds(0, 6)) == Bounds(0, 3)
    gaps.found(AT, 9, 10)
    assert gaps.without(AT, Bounds(0, 10)) == Bounds(0, 9)
    assert gaps.behind(AT, 3) == 3


def test_retention_that_deletes_markers_has_lost_nothing() -> None:
    """Else a topic that is quiet longer than its retention would stop the pipeline."""
    gaps = Gaps()
    gaps.found(AT, 3, 4)
    assert gaps.without(AT, Bounds(4, 4)) == Bounds(3, 3)
    assert gaps.without(AT, Bounds(5, 5)) == Bounds(5, 5)


@given(st.binary(max_size=100))
def test_keys_go_where_other_clients_send_them(key: bytes) -> None:
    """Else labels and events of one id would be in different partitions."""
    assert murmur2(key) == theirs(key)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (1, errors.OffsetOutOfRange, "expired"),
        (3, errors.UnknownTopic, "no such topic"),
        (10, errors.RecordTooLarge, "max.message.bytes"),
        (29, errors.TransportError, "the topic t is refused to this user; it needs Read"),
        (30, errors.TransportError, "the group g is refused to this user; it needs Read"),
        (31, errors.TransportError, "the cluster is refused"),
        (53, errors.TransportError, "the transactional id w is refused to this user; it needs"),
        (47, errors.Fenced, "another process has become the writer w"),
        (90, errors.Fenced, "another process has become the writer w"),
        (50, errors.TransportError, "transaction.max.timeout.ms"),
        (None, errors.TransportError, "what the library says"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(
    code: int | None, kind: type[Exception], words: str
) -> None:
    """Else a missing right ends in a number, or in a traceback."""
    detail = "what the\nlibrary says"
    error = refused(code, "doing", topic="t", group="g", transactional_id="w", detail=detail)
    assert type(error) is kind
    assert words in str(error)
    assert str(error).startswith("doing")
    assert "\n" not in str(error)


def test_a_topic_without_append_times_is_refused_with_the_command() -> None:
    """Else events and labels would be read in an order that producers make up."""
    found = {**wanted(None), "message.timestamp.type": "CreateTime"}
    said = unfit("events", found, "host:9092")
    assert said is not None
    assert "kafka-configs --bootstrap-server host:9092 --alter" in said
    assert "--add-config message.timestamp.type=LogAppendTime" in said
    assert unfit("events", {**wanted(1000), "cleanup.policy": "compact"}, "h:1") is not None
    assert unfit("events", {**wanted(1000), "max.message.bytes": "1000"}, "h:1") is not None
    assert unfit("events", {**wanted(1000), "max.message.bytes": "1048588"}, "h:1") is None
    assert unfit("events", wanted(5, 2), "h:1") is None
