"""What librdkafka tells of records that were handed to it."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError


class Report:
    """What is told of the records of one batch that were given this as their callback."""

    __slots__ = ("acknowledged", "error", "first")

    def __init__(self) -> None:
        self.first = -1
        self.acknowledged = 0
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.error = self.error or error
            return
        if not self.acknowledged:
            self.first = message.offset()
        self.acknowledged += 1
