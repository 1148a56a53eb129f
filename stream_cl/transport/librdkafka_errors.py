"""librdkafka's errors as ours.

Codes above 0 are those of Kafka's protocol; those below are its own, and some of them stand for
one of the protocol's.
"""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaError

from stream_cl.core.errors import StreamClError
from stream_cl.transport import kafka_errors

_SAME: Final = {
    KafkaError._AUTO_OFFSET_RESET: kafka_errors.OFFSET_OUT_OF_RANGE,
    KafkaError._UNKNOWN_TOPIC: kafka_errors.UNKNOWN_TOPIC_OR_PARTITION,
    KafkaError._UNKNOWN_PARTITION: kafka_errors.UNKNOWN_TOPIC_OR_PARTITION,
    KafkaError._FENCED: 90,  # PRODUCER_FENCED
}
_SILENT: Final = frozenset({
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._WAIT_CACHE,
    KafkaError._WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
})  # fmt: skip
"""Nobody answered, or not in time."""
_MAY_PASS: Final = _SILENT | {
    KafkaError._RETRY,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.NOT_CONTROLLER,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}


def of(raised: BaseException) -> KafkaError:
    """What a KafkaException carries."""
    error: KafkaError = raised.args[0]
    return error


def may_pass(error: KafkaError) -> bool:
    """Whether trying again may help."""
    return bool(not error.fatal() and error.code() in _MAY_PASS)


def is_silence(error: KafkaError) -> bool:
    """Whether it means that no broker answered in time."""
    return bool(error.code() in _SILENT)


def is_unknown(error: KafkaError) -> bool:
    """Whether it means that a topic or partition is not known, perhaps not yet."""
    code: int = _SAME.get(error.code(), error.code())
    return code == kafka_errors.UNKNOWN_TOPIC_OR_PARTITION


def told(
    error: KafkaError, doing: str, bootstrap: tuple[str, ...], waited_s: float, **about: Any
) -> StreamClError:
    """librdkafka's error as one of ours.

    Args:
        error: what went wrong.
        doing: what was tried; begins the message.
        bootstrap: the brokers, for one that means that none answered.
        waited_s: how long they were waited for then.
        about: `topic`, `group` or `transactional_id`, as `kafka_errors.refused` takes them.
    """
    if is_silence(error):
        return kafka_errors.no_answer(doing, bootstrap, waited_s)
    code = error.code()
    code = _SAME.get(code, code)
    detail = f"{error.name()} {error.str()}"
    return kafka_errors.refused(code if code > 0 else None, doing, detail=detail, **about)
