"""What goes wrong inside a transaction of kafka-python: a step is there as a whole, or not.

On a real broker; what a broker does not do when asked (an expired batch, an odd answer) is put
into kafka-python.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.producer import transaction_manager as transactions

from stream_cl.core.errors import Fenced, RecordTooLarge, TransportError, UnknownTopic
from stream_cl.core.records import TopicPartition
from stream_cl.testing.faults import CrashAt, SimulatedCrash
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.transport import kafka_python_producer
from stream_cl.transport.kafka import KafkaTransport
from stream_cl.transport.kafka_client import CommitUnknown
from stream_cl.transport.kafka_writer import KafkaWriter
from tests.transport.kafka_logs import a_name, batch, opened, read_all


class Setting:
    """A topic, a writer of a name of its own, and what is inside of it."""

    def __init__(self, log: KafkaTransport) -> None:
        self.log = log
        self.topic = self.group = a_name()
        log.create_topic(self.topic)
        self.writer: KafkaWriter = log.writer(self.group)
        self.at = {TopicPartition(self.topic, 0): 7}

    @property
    def producer(self) -> Any:
        """kafka-python's."""
        return self.writer._producer._producer  # type: ignore[attr-defined]

    @property
    def manager(self) -> Any:
        return self.producer._transaction_manager

    def commit(self, *values: bytes) -> list[int]:
        return self.writer.commit([batch(self.topic, *values)], self.group, self.at)

    def nothing_is_there(self) -> None:
        """Neither now nor after the next writer has come, and nothing leaks into its commits."""
        with pytest.raises(TransportError, match="opened anew"):
            self.commit(b"again")
        after = self.log.writer(self.group)
        assert read_all(self.log, self.topic) == []
        after.commit([batch(self.topic, b"later")], self.group, {})
        assert read_all(self.log, self.topic) == [b"later"]
        assert self.log.group_offsets(self.group) == {}


@pytest.fixture
def setting(kafka_broker: KafkaBroker) -> Any:
    with opened(kafka_broker.bootstrap, transaction_timeout_ms=5000) as log:
        yield Setting(log)


def test_a_batch_that_expires_is_not_committed(setting: Setting) -> None:
    """Else a step is published without some of its predictions: kafka-python fails the batch's
    future, and would commit the rest."""
    setting.producer._accumulator.config["delivery_timeout_ms"] = 0
    with pytest.raises(TransportError, match=f"writing to {setting.topic}"):
        setting.commit(b"0")
    setting.nothing_is_there()


def test_one_failed_batch_fails_the_step(setting: Setting) -> None:
    """Else the other partitions' half of a step is published."""
    other = a_name()
    setting.log.create_topic(other)
    complete = setting.producer._sender._complete_batch

    def refuse_one(failing: Any, response: Any) -> None:
        if failing.topic_partition.topic == setting.topic:
            response.error_code = 87  # INVALID_RECORD
        complete(failing, response)

    setting.producer._sender._complete_batch = refuse_one
    with pytest.raises(TransportError, match="InvalidRecord"):
        setting.writer.commit([batch(other, b"x"), batch(setting.topic, b"y")], setting.group, {})
    setting.nothing_is_there()
    assert read_all(setting.log, other) == []


def test_a_lost_sequence_does_not_bump_the_epoch(setting: Setting) -> None:
    """Else kafka-python takes a new epoch under way and says that a commit is done which it never
    sent; a fenced writer would even fence its successor."""
    complete, epoch = setting.producer._sender._complete_batch, setting.writer.epoch

    def refuse(failing: Any, response: Any) -> None:
        response.error_code = 45  # OUT_OF_ORDER_SEQUENCE_NUMBER
        complete(failing, response)

    setting.producer._sender._complete_batch = refuse
    with pytest.raises(TransportError, match="OutOfOrderSequence"):
        setting.commit(b"0")
    assert setting.writer.epoch == epoch
    assert setting.manager._current_state == transactions.TransactionState.FATAL_ERROR
    setting.nothing_is_there()


def test_a_commit_that_was_never_sent_is_no_success(setting: Setting) -> None:
    """Else a step is learned that nobody can ever read."""
    add_offsets = setting.writer._producer.add_offsets

    def and_forget(group: str, offsets: Any) -> None:
        add_offsets(group, offsets)
        setting.manager._transaction_started = False  # as an epoch bump leaves it

    setting.writer._producer.add_offsets = and_forget  # type: ignore[method-assign]
    with pytest.raises(CommitUnknown, match="not known"):
        setting.commit(b"0")
    setting.nothing_is_there()


def test_a_lost_answer_is_not_a_refusal(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a step is taken again that is there already: kafka-python says of an EndTxn that got no
    answer in time that it failed."""

    def lost(handler: Any, correlation_id: int, _answer: Any) -> None:
        handled(handler, correlation_id, transactions.Errors.RequestTimedOutError("lost"))

    handled = transactions.TxnRequestHandler.on_complete
    with monkeypatch.context() as patched:
        patched.setattr(transactions.EndTxnHandler, "on_complete", lost)
        with pytest.raises(CommitUnknown, match="not known whether the step was committed"):
            setting.commit(b"0")
    setting.log.writer(setting.group)
    assert read_all(setting.log, setting.topic) == [b"0"], "it was committed"


def test_offsets_of_a_failed_step_are_in_no_later_one(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a reader's offsets move past records that no step has consumed."""

    def refuse(handler: Any, _response: Any) -> None:
        handler.abortable_error(transactions.Errors.GroupAuthorizationFailedError(setting.group))

    with monkeypatch.context() as patched:
        patched.setattr(transactions.TxnOffsetCommitHandler, "handle_response", refuse)
        with pytest.raises(TransportError, match=f"the group {setting.group} is refused"):
            setting.commit(b"0")
    assert setting.manager._pending_txn_offset_commits, "what would have leaked"
    setting.nothing_is_there()


@pytest.mark.parametrize("code", [14, 15, 16, 51])
def test_a_coordinator_that_is_not_ready_is_asked_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Else every restart of a broker stops the pipeline (loading, not available, moved, the
    transaction before still ending)."""
    for kind in ("InitProducerIdHandler", "EndTxnHandler", "AddOffsetsToTxnHandler"):
        handler = getattr(transactions, kind)
        answered, odd = handler.handle_response, iter([code, code])

        def not_ready(self: Any, response: Any, answered: Any = answered, odd: Any = odd) -> None:
            # The real answer is thrown away, so what the broker did it does once more.
            told = {name: getattr(response, name, 0) for name in ("producer_id", "producer_epoch")}
            answered(self, SimpleNamespace(error_code=next(odd, response.error_code), **told))

        monkeypatch.setattr(handler, "handle_response", not_ready)
    writer = setting.log.writer(setting.group)
    assert writer.commit([batch(setting.topic, b"0")], setting.group, setting.at) == [0]
    assert read_all(setting.log, setting.topic) == [b"0"]
    assert setting.log.group_offsets(setting.group) == setting.at


def test_a_coordinator_that_never_comes_is_an_error(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the pipeline waits for ever, and nobody is told."""
    monkeypatch.setattr(kafka_python_producer, "REPLY_S", 0.5)
    monkeypatch.setattr(
        transactions.InitProducerIdHandler, "handle_response", lambda self, _: self.reenqueue()
    )
    with pytest.raises(TransportError, match="becoming the writer .*no answer from Kafka"):
        setting.log.writer(setting.group)


def test_a_fenced_writer_writes_nothing(setting: Setting) -> None:
    """Else two pipelines answer every event; here in the middle of a commit."""
    add_offsets = setting.writer._producer.add_offsets

    def and_be_overtaken(group: str, offsets: Any) -> None:
        add_offsets(group, offsets)
        setting.log.writer(setting.group)

    setting.writer._producer.add_offsets = and_be_overtaken  # type: ignore[method-assign]
    with pytest.raises(Fenced, match=setting.group):
        setting.commit(b"0")
    with pytest.raises(Fenced):
        setting.commit(b"1")
    setting.nothing_is_there()


@pytest.mark.parametrize(("point", "there"), [("commit-half-written", []), ("committed", [b"0"])])
def test_a_crash_leaves_all_or_nothing(
    kafka_broker: KafkaBroker, point: str, there: list[bytes]
) -> None:
    """Else half a step is found after a crash."""
    with opened(kafka_broker.bootstrap, faults=CrashAt(point)) as log:
        setting = Setting(log)
        with pytest.raises(SimulatedCrash):
            setting.commit(b"0")
        setting.log.writer(setting.group)
        assert read_all(log, setting.topic) == there
        assert log.group_offsets(setting.group) == (setting.at if there else {})


def test_what_a_broker_finds_too_large(setting: Setting) -> None:
    """Else kafka-python divides the batch and what waits for it hears nothing."""
    setting.log._client.alter(setting.topic, {"max.message.bytes": "1000"})
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes"):
        setting.commit(b"x" * 800, b"y" * 800)
    setting.nothing_is_there()


def test_asking_for_a_topic_does_not_make_it(setting: Setting) -> None:
    """Else a misspelt name becomes a topic with the wrong settings."""
    nowhere = a_name()
    for attempt in (
        lambda: setting.log.bounds([nowhere]),
        lambda: setting.log.read(nowhere, 0, 0, 1),
        lambda: setting.writer.commit([batch(nowhere, b"0")], setting.group, {}),
        lambda: setting.log.append([batch(nowhere, b"0")]),
    ):
        with pytest.raises(UnknownTopic, match=nowhere):
            attempt()
    assert nowhere not in setting.log.topics()


def test_what_was_committed_is_read_at_once(setting: Setting) -> None:
    """Else recovery does not find the record that it has just written: a broker shows a
    transaction a moment after it has acknowledged it."""
    at = TopicPartition(setting.topic, 0)
    for i in range(20):
        (offset,) = setting.commit(b"%d" % i)
        assert setting.log.bounds([setting.topic])[at].end > offset
        assert list(setting.log.read(setting.topic, 0, offset, 1).values) == [b"%d" % i]


def test_without_transactions(kafka_broker: KafkaBroker) -> None:
    """Else `delivery: at_least_once` is slower than it needs to be, or loses offsets."""
    with opened(kafka_broker.bootstrap, exactly_once=False) as log:
        setting = Setting(log)
        assert setting.commit(b"0", b"1") == [0]
        assert setting.commit(b"2") == [2], "no transaction, no marker"
        later = log.writer(setting.group)
        assert later.epoch > setting.writer.epoch
        assert setting.commit(b"3") == [3], "nobody is fenced"
        assert read_all(log, setting.topic) == [b"0", b"1", b"2", b"3"]
        setting.writer.close()
        assert log.group_offsets(setting.group) == setting.at, "of the last step, at the latest now"
