"""The names of the topics, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # It imports numpy, which takes longer than `stream-cl --help` may.
    from stream_cl.core.protocols import Transport

NAMES: Final = (
    "events",
    "labels",
    "predictions",
    "label-requests",
    "dead-letters",
    "control",
    "manifest",
)
_ONE_PARTITION: Final = ("control", "manifest")
"""Read in one order by everyone, so never divided."""
_KEPT: Final = ("manifest",)
"""No retention: the manifest is needed until the oldest checkpoint no longer needs it."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """One topic as the config wants it; `retention_ms` None keeps everything."""

    name: str
    partitions: int
    retention_ms: int | None


@dataclass(frozen=True, slots=True)
class Topics:
    """Full topic names: `prefix` and the name that the documentation uses."""

    prefix: str = ""

    @property
    def events(self) -> str:
        return f"{self.prefix}events"

    @property
    def labels(self) -> str:
        return f"{self.prefix}labels"

    @property
    def predictions(self) -> str:
        return f"{self.prefix}predictions"

    @property
    def label_requests(self) -> str:
        return f"{self.prefix}label-requests"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}dead-letters"

    @property
    def control(self) -> str:
        return f"{self.prefix}control"

    @property
    def manifest(self) -> str:
        return f"{self.prefix}manifest"

    def named(self, name: str) -> str:
        """The full name of the topic that the documentation calls `name`."""
        assert name in NAMES, name
        return f"{self.prefix}{name}"

    def plan(self, partitions: int, retention_ms: int | None) -> list[TopicPlan]:
        """Every topic, in the order of `NAMES`."""
        return [
            TopicPlan(
                self.named(name),
                1 if name in _ONE_PARTITION else partitions,
                None if name in _KEPT else retention_ms,
            )
            for name in NAMES
        ]

    def create(self, transport: Transport, partitions: int, retention_ms: int | None) -> None:
        """Create every topic that is missing.

        Raises:
            TransportError: one exists with another number of partitions.
        """
        for topic in self.plan(partitions, retention_ms):
            transport.create_topic(topic.name, topic.partitions, topic.retention_ms)
