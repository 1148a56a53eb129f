"""Calls of librdkafka that take a timeout and do not keep it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

_GRACE_S: Final = 0.5
"""A call with a timeout of its own may end by itself so long after it."""


def within(timeout_s: float, call: Callable[..., object], *arguments: Any) -> None:
    """Call it, and give it up when the time is over.

    librdkafka's issue 5456: a coordinator of a group that went away is waited for without a bound.
    The thread, and the producer that hangs, stay as long as it does.

    Raises:
        KafkaException: it raised this; `_TIMED_OUT` where it did not come back.
    """
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            call(*arguments)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = Thread(target=run, name="librdkafka-bounded", daemon=True)
    thread.start()
    thread.join(timeout_s + _GRACE_S)
    if not ended:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    if ended[0] is not None:
        raise ended[0]
