"""What a step takes, decoded: a function of the records alone, so it may be done ahead."""

from __future__ import annotations

from dataclasses import dataclass

from stream_cl.core.records import DeadLetter, Events, Label, RawRecords
from stream_cl.core.topics import Topics
from stream_cl.decode.decoder import Decoder
from stream_cl.pipeline import control
from stream_cl.pipeline.taken import Taken


@dataclass(frozen=True, slots=True)
class Decoded:
    """The records of a step, and what they say.

    event_letters: records of the events topic that say nothing. other_letters: those of labels
    and control.
    """

    taken: Taken
    raw_events: RawRecords
    raw_labels: RawRecords
    events: Events
    labels: list[Label]
    commands: list[str]
    event_letters: list[DeadLetter]
    other_letters: list[DeadLetter]


def decoded(
    taken: Taken, decoder: Decoder, topics: Topics, unknown: frozenset[int] | None = None
) -> Decoded:
    """Decode what a step takes; on replay `unknown` are the schema ids that the manifest says were
    not known.

    Raises:
        TransportError: whoever must be asked for a schema does not answer.
    """
    raw_events = taken.records(topics.events)
    events, event_letters = decoder.events(raw_events, unknown)
    raw_labels, raw_control = taken.by_partition(topics.labels), taken.records(topics.control)
    labels, label_letters = decoder.labels(raw_labels, unknown) if len(raw_labels) else ([], [])
    commands, control_letters = control.decode(raw_control) if len(raw_control) else ([], [])
    return Decoded(
        taken, raw_events, raw_labels, events, labels, commands, event_letters,
        label_letters + control_letters,
    )  # fmt: skip
