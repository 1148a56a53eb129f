"""What scoring a step gives: its outputs, and what learning needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Utilities
from stream_cl.core.records import DeadLetter, Events, Label, Outgoing, RawRecords
from stream_cl.decode.encoder import Encoded
from stream_cl.pipeline.publish import Verdicts
from stream_cl.pipeline.taken import Taken

_NOBODY: Final = np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class Scored:
    """A step that is scored but not committed; `n` events in columns.

    labelled: `bool [n]`, the label came with the event or before it. failed: events that the
    learner could not predict. rehearsals: how often the learner is to rehearse; 0 where it does
    not. requests: key and value of the label requests that are opened, set_sizes: of the candidate
    sets that they show, in the order of the events. waited_ms: `int64 [m]`, how long each question
    had waited that learning this step answered, in logical time.
    """

    taken: Taken
    time_ms: int
    raw_events: RawRecords
    raw_labels: RawRecords
    events: Events
    words: npt.NDArray[np.uint64]
    encoded: Encoded
    labelled: npt.NDArray[np.bool_]
    utilities: Utilities
    verdicts: Verdicts
    labels: list[Label]
    commands: list[str]
    dead_letters: list[DeadLetter]
    duplicates: int
    failed: int
    outputs: list[Outgoing]
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    set_sizes: list[int] = field(default_factory=list)
    rehearsals: int = 0
    waited_ms: npt.NDArray[np.int64] = field(default_factory=lambda: _NOBODY)

    @property
    def to_learn(self) -> int:
        """Labels that the step may learn."""
        return len(self.labels) + int(self.labelled.sum())

    @property
    def unknown_schemas(self) -> list[int]:
        """Ids that the schema registry did not know; all else that decoding asks it for never
        changes, so these alone come from outside the log."""
        return sorted(
            {
                int.from_bytes(letter.value[1:5], "big")
                for letter in self.dead_letters
                if letter.code == "unknown_schema" and letter.value is not None
            }
        )
