"""Calls of librdkafka that take a timeout and do not keep it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Final

from confluent_kafka import KafkaError, KafkaException

_GRACE_S: Final = 0.5
"""A call with a timeout of its own may end by itself so long after it."""


class Running:
    """A call in a thread of its own, begun now; it can be given up.

    librdkafka's issue 5456: a coordinator of a group that went away is waited for without a bound.
    The thread, and the producer that hangs, stay as long as it does.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._ended: list[BaseException | None] = []
        self._thread = Thread(target=self._run, name="librdkafka-bounded", daemon=True)
        self._thread.start()

    @property
    def hangs(self) -> bool:
        """Whether it has not come back yet."""
        return not self._ended

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended, and give it up when the time is over.

        Raises:
            BaseException: what the call raised.
            KafkaException: `_TIMED_OUT`, it did not come back.
        """
        self._thread.join(timeout_s + _GRACE_S)
        if not self._ended:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if self._ended[0] is not None:
            raise self._ended[0]

    def _run(self) -> None:
        try:
            self._call()
            self._ended.append(None)
        except BaseException as error:
            self._ended.append(error)
