"""What every format promises, and the one that needs nothing: JSON."""

from __future__ import annotations

from typing import Protocol

from stream_cl.core.records import DeadLetter, Events, Label, RawRecords
from stream_cl.decode.json_events import decode_events
from stream_cl.decode.json_labels import decode_labels


class Decoder(Protocol):
    """Events and labels from bytes.

    Every record becomes one or the other: something decoded, or a dead letter with its bytes
    as they came. Both stand in the order of the records. No record makes it raise.

    What it gives is a function of the records; a format that asks somebody else (for a
    schema) may ask only for what never changes.
    """

    def events(
        self, raw: RawRecords, unknown: frozenset[int] | None = None
    ) -> tuple[Events, list[DeadLetter]]:
        """The events among the records of a step.

        Args:
            raw: the records.
            unknown: on replay, the schema ids that were not known when the step was taken; they
                are refused again though they may be known by now.

        Raises:
            TransportError: whoever must be asked does not answer. Nothing is decided about
                any record then; the step may be taken again later.
        """
        ...

    def labels(
        self, raw: RawRecords, unknown: frozenset[int] | None = None
    ) -> tuple[list[Label], list[DeadLetter]]:
        """The labels among the records of a step; as `events`."""
        ...


class JsonDecoder:
    """JSON, and CloudEvents that carry it."""

    def events(
        self, raw: RawRecords, unknown: frozenset[int] | None = None
    ) -> tuple[Events, list[DeadLetter]]:
        return decode_events(raw)

    def labels(
        self, raw: RawRecords, unknown: frozenset[int] | None = None
    ) -> tuple[list[Label], list[DeadLetter]]:
        return decode_labels(raw)
