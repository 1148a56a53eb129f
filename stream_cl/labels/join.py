"""What becomes of each label: the rules, in one place, and therefore longer than other modules.

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

With several annotators (`panel`), an answered question goes on taking answers while it is kept:

| the label of an answered question          | fate        | weighed | dead letter          |
|--------------------------------------------|-------------|---------|----------------------|
| is of another annotator                    | added       | yes     |                      |
| ... but the question is full               | surplus     | no      |                      |
| is of the same one, of a higher revision   | revised     | yes     |                      |
| ... of a lower revision                    | outdated    | no      |                      |
| ... of this revision, with the same label  | repeated    | no      |                      |
| ... of this revision, with another label   | conflicting | no      | conflicting_label    |
| abstains                                   | abstained   | no      |                      |
| names none of the known classes            | conflicting | no      | conflicting_label    |
| names one class too many                   | refused     | no      | too_many_classes     |

What is weighed may make another class the consensus, of this question or, where it moved trust, of
older ones: those are `corrections`, learned again. A question that closed without a class, and one
that is no longer kept, follows the first table.

An abstention leaves the question open. Nothing is dropped without a count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.limits import ANSWERS_PER_QUESTION, EXPIRED_PER_STEP, REASON_CHARS
from stream_cl.core.records import NONE_OF_THESE, DeadLetter, FloatMatrix, Label
from stream_cl.labels.accounts import Accounts
from stream_cl.labels.classes import Classes
from stream_cl.labels.closed import EXPIRED, Answer, Closed
from stream_cl.labels.early import EarlyLabel, EarlyLabels
from stream_cl.labels.panel import Panel
from stream_cl.labels.pending import Pending, Waiting
from stream_cl.labels.question import Correction, Question, Vote

FATES = (
    "learned",
    "quarantined",
    "held_out",
    "none",
    "abstained",
    "refused",
    "repeated",
    "conflicting",
    "added",
    "surplus",
    "revised",
    "outdated",
    "late",
    "unrequested",
    "early",
    "unknown",
    "evicted",
    "expired",
)


_NOBODY: Final = np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class Answered:
    """A pending event, the label that answered it, its class (−1 for none of the known), and what
    learning it weighs."""

    waiting: Waiting
    early: EarlyLabel
    number: int
    held_out: bool
    weight: float = 1.0


class Further(NamedTuple):
    """A label that was weighed with those before it; whether it revises one of them."""

    label: Label
    revision: bool


@dataclass(slots=True)
class Joined:
    """What joining the labels of a step gave, in the order of the labels.

    corrections: what became another class, each with the label that made it so. weighed: ids of
    the questions that took an answer. further: what came for questions that were answered before.
    waited_ms: how long each of `answered` had waited, in logical time.
    """

    answered: list[Answered] = field(default_factory=list)
    corrections: list[tuple[Correction, EarlyLabel]] = field(default_factory=list)
    weighed: dict[str, None] = field(default_factory=dict)
    further: list[Further] = field(default_factory=list)
    faults: list[DeadLetter] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)
    waited_ms: npt.NDArray[np.int64] = field(default_factory=lambda: _NOBODY)

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
        return x, y, np.array([a.weight for a in kept], dtype=np.float64), kept


class Join:
    """Joins labels with the events that wait for them.

    Args:
        seen: whether an event of this id is inside the duplicate window.
        panel: weighs several answers to a question; without it the first one stands.
        gold: event id → class name, of questions whose answer is known.
        accounts: what annotators did is written down here.
    """

    def __init__(
        self,
        pending: Pending,
        early: EarlyLabels,
        closed: Closed,
        classes: Classes,
        seen: Callable[[str], bool],
        panel: Panel | None = None,
        gold: Mapping[str, str] | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self.pending = pending
        self.early = early
        self.closed = closed
        self.classes = classes
        self.panel = panel
        self.accounts = Accounts(1) if accounts is None else accounts
        self._gold = gold or {}
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
                self._abstain(early, joined)
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
            self._abstain(early, joined)
            return True
        waiting = self.pending.take(label.id)
        assert waiting is not None
        self._answer(waiting, early, joined)
        return True

    def _after(self, early: EarlyLabel, joined: Joined) -> bool:
        """Apply a label to a question that is closed; False when it never was one."""
        question = self.panel.get(early.label.id) if self.panel is not None else None
        if question is not None:
            self._weigh(early, question, joined)
            return True
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
        answered, since_ms = Answered(waiting, early, number, held_out), waiting.entry["since_ms"]
        took_ms = (early.since_ms if label.time_ms is None else label.time_ms) - int(since_ms[0])
        self.accounts.book(label.annotator, False, label.cost, took_ms)
        if not none:
            self._first(answered, joined)
        joined.answered.append(answered)

    def _first(self, answered: Answered, joined: Joined) -> None:
        """Keep an answered question, so that more answers can be weighed."""
        if self.panel is None:
            return
        label, waiting = answered.early.label, answered.waiting
        gold = self._gold.get(label.id)
        known = -1 if gold is None else self.classes.number(gold)
        question = Question(
            waiting.x, answered.held_out, waiting.probabilities(), -1 if known is None else known
        )
        self.panel.open(label.id, question)
        self._vote(answered.early, answered.number, joined)
        answered.number, answered.weight = question.number, question.weight

    def _weigh(self, early: EarlyLabel, question: Question, joined: Joined) -> None:
        """A further label of a question that is answered and kept."""
        label = early.label
        if label.label is None:
            self._abstain(early, joined)
            return
        before = next((v for v in question.votes if v.annotator == label.annotator), None)
        none = label.label == NONE_OF_THESE
        # Only a vote makes a class: what is thrown away must not use up `max_classes`.
        known = None if none else self.classes.find(label.label)
        if before is not None and label.revision < before.revision:
            joined.count("outdated")
        elif before is not None and (label.revision, known) == (before.revision, before.number):
            joined.count("repeated")
        elif none or (before is not None and label.revision == before.revision):
            joined.count("conflicting")
            who = question.votes[0] if before is None else before
            reason = f"{who.annotator!r} had answered {self.classes.names[who.number]!r}"
            joined.faults.append(fault(early, "conflicting_label", reason))
        elif before is None and len(question.votes) >= ANSWERS_PER_QUESTION:
            joined.count("surplus")
        elif (number := self.classes.number(label.label)) is None:
            joined.count("refused")
            limit = f"{label.label!r} would be class {self.classes.max_classes + 1}"
            joined.faults.append(fault(early, "too_many_classes", limit))
        else:
            joined.count("added" if before is None else "revised")
            self.accounts.book(label.annotator, False, label.cost)
            joined.further.append(Further(label, before is not None))
            self._vote(early, number, joined)

    def _vote(self, early: EarlyLabel, number: int, joined: Joined) -> None:
        assert self.panel is not None
        label = early.label
        vote = Vote(label.annotator, number, label.revision)
        joined.weighed[label.id] = None
        changed = self.panel.vote(label.id, vote, len(self.classes))
        joined.corrections += [(correction, early) for correction in changed]

    def _abstain(self, early: EarlyLabel, joined: Joined) -> None:
        joined.count("abstained")
        self.accounts.book(early.label.annotator, True, early.label.cost)

    def _give_up(self, early: EarlyLabel, joined: Joined) -> None:
        joined.count("unknown")
        joined.faults.append(fault(early, "unknown_id", "no event of this id came"))


def fault(early: EarlyLabel, code: str, reason: str) -> DeadLetter:
    """The label's record as a dead letter."""
    return DeadLetter(early.source, early.key, early.value, code, reason[:REASON_CHARS])
