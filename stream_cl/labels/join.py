"""What becomes of each label: the rules, in one place.

| the label's event                          | fate        | learned | dead letter          |
|--------------------------------------------|-------------|---------|----------------------|
| is pending, a class is named               | learned     | yes     |                      |
| is pending, but the learner fails on it    | quarantined | no      | quarantined          |
| is pending and held out                    | held_out    | no      |                      |
| is pending, `__none__` is named            | none        | no      |                      |
| is pending, the annotator abstains         | abstained   | no      |                      |
| is pending, one class too many             | refused     | no      | too_many_classes     |
| was answered, with the same label          | repeated    | no      |                      |
| was answered, with another label           | conflicting | no      | conflicting_label    |
| expired unanswered                         | late        | no      | late_label           |
| was seen, but not asked for                | unrequested | no      | unrequested_label    |
| was not seen yet                           | early       | later   |                      |
| did not come while the label was kept      | unknown     | no      | unknown_id           |

An abstention leaves the question open. Nothing is dropped without a count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stream_cl.core.limits import EXPIRED_PER_STEP, REASON_CHARS
from stream_cl.core.records import NONE_OF_THESE, DeadLetter, FloatMatrix
from stream_cl.labels.classes import Classes
from stream_cl.labels.closed import EXPIRED, Answer, Closed
from stream_cl.labels.early import EarlyLabel, EarlyLabels
from stream_cl.labels.pending import Pending, Waiting

FATES = (
    "learned",
    "quarantined",
    "held_out",
    "none",
    "abstained",
    "refused",
    "repeated",
    "conflicting",
    "late",
    "unrequested",
    "early",
    "unknown",
    "evicted",
    "expired",
)


@dataclass(slots=True)
class Answered:
    """A pending event, the label that answered it, its class (−1 for none of the known)."""

    waiting: Waiting
    early: EarlyLabel
    number: int
    held_out: bool


@dataclass(slots=True)
class Joined:
    """What joining the labels of a step gave, in the order of the labels."""

    answered: list[Answered] = field(default_factory=list)
    faults: list[DeadLetter] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)

    def count(self, fate: str, n: int = 1) -> None:
        self.fates[fate] = self.fates.get(fate, 0) + n

    def to_learn(
        self,
    ) -> tuple[FloatMatrix, npt.NDArray[np.int64], npt.NDArray[np.float64], list[Answered]]:
        """x, y, weight and the answers of what is to be learned, in order."""
        kept = [a for a in self.answered if a.number >= 0 and not a.held_out]
        x = (
            np.concatenate([a.waiting.x for a in kept])
            if kept
            else np.zeros((0, 0), dtype=np.float32)
        )
        y = np.array([a.number for a in kept], dtype=np.int64)
        return x, y, np.ones(len(kept)), kept


class Join:
    """Joins labels with the events that wait for them.

    Args:
        seen: whether an event of this id is inside the duplicate window.
    """

    def __init__(
        self,
        pending: Pending,
        early: EarlyLabels,
        closed: Closed,
        classes: Classes,
        seen: Callable[[str], bool],
    ) -> None:
        self.pending = pending
        self.early = early
        self.closed = closed
        self.classes = classes
        self._seen = seen

    def event_came(self, waiting: Waiting, inline: EarlyLabel | None, joined: Joined) -> bool:
        """An event whose label is here already: labels that were read before it, in their
        order, then the one that came with it. Returns whether the question is still open,
        as after an abstention; only then does the event have to wait.
        """
        waits = True
        labels = self.early.take(waiting.ids[0])
        for early in labels if inline is None else [*labels, inline]:
            if not waits:
                self._after(early, joined)
            elif early.label.label is None:
                joined.count("abstained")
            else:
                self._answer(waiting, early, joined)
                waits = False
        return waits

    def label_came(self, early: EarlyLabel, joined: Joined) -> None:
        """One label, by the rules above."""
        if self._apply(early, joined):
            return
        if self._seen(early.label.id):
            joined.count("unrequested")
            joined.faults.append(
                fault(early, "unrequested_label", "the event was seen but not asked for")
            )
            return
        joined.count("early")
        evicted = self.early.add(early)
        if evicted is not None:
            self._give_up(evicted, joined)

    def expire(self, time_ms: int, joined: Joined) -> list[Waiting]:
        """Close what was not answered in time and give up early labels whose event never came.

        Returns the events whose time is over. No more than a transaction should carry are
        taken at once; the next step goes on.
        """
        for early in self.early.expire(time_ms, EXPIRED_PER_STEP):
            self._give_up(early, joined)
        expired = self.pending.expire(time_ms, EXPIRED_PER_STEP)
        self._close(expired, "expired", joined)
        return expired

    def make_room(self, count: int, joined: Joined) -> None:
        """Let the oldest pending events go until `count` more fit."""
        evicted = self.pending.evict(max(0, count - self.pending.room))
        self._close(evicted, "evicted", joined)

    def _close(self, gone: list[Waiting], fate: str, joined: Joined) -> None:
        for waiting in gone:
            self.closed.close(waiting.ids[0], EXPIRED)
        joined.count(fate, len(gone))

    def _apply(self, early: EarlyLabel, joined: Joined) -> bool:
        """Apply a label to a question that is open or closed; False when there is none."""
        label = early.label
        if label.id not in self.pending:
            return self._after(early, joined)
        if label.label is None:
            joined.count("abstained")
            return True
        waiting = self.pending.take(label.id)
        assert waiting is not None
        self._answer(waiting, early, joined)
        return True

    def _after(self, early: EarlyLabel, joined: Joined) -> bool:
        """Apply a label to a question that is closed; False when it never was one."""
        label, answer = early.label, self.closed.get(early.label.id)
        if answer is None:
            return False
        if answer == EXPIRED:
            joined.count("late")
            joined.faults.append(fault(early, "late_label", "its request expired before it came"))
        elif label.label is None or label.label == answer.label:
            joined.count("repeated")
        else:
            joined.count("conflicting")
            reason = f"{answer.annotator!r} had answered {answer.label!r}"
            joined.faults.append(fault(early, "conflicting_label", reason))
        return True

    def _answer(self, waiting: Waiting, early: EarlyLabel, joined: Joined) -> None:
        label = early.label
        assert label.label is not None
        none = label.label == NONE_OF_THESE
        number = -1 if none else self.classes.number(label.label)
        held_out = bool(waiting.entry["held_out"][0])
        self.closed.close(label.id, Answer(label.label, label.annotator, label.revision))
        if number is None:
            joined.count("refused")
            limit = f"{label.label!r} would be class {self.classes.max_classes + 1}"
            joined.faults.append(fault(early, "too_many_classes", limit))
            # The prediction was wrong, whatever it was: as with `__none__`, that counts.
            joined.answered.append(Answered(waiting, early, -1, held_out))
            return
        joined.count("none" if none else "held_out" if held_out else "learned")
        joined.answered.append(Answered(waiting, early, number, held_out))

    def _give_up(self, early: EarlyLabel, joined: Joined) -> None:
        joined.count("unknown")
        joined.faults.append(fault(early, "unknown_id", "no event of this id came"))


def fault(early: EarlyLabel, code: str, reason: str) -> DeadLetter:
    """The label's record as a dead letter."""
    return DeadLetter(early.source, early.key, early.value, code, reason[:REASON_CHARS])
