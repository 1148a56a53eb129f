"""How the labelling goes: progress, pace, agreement, and whether the model has learned from it.

Agreement is that with known answers (gold), and that with others who answered the same question.
Whether the model gets better is told by its own guess, which stands in the request: how many of the
last answers it had right. That is not its accuracy, since it asks where it is unsure; but of two
spans of the same questioning, the later one should be better.

Memory: `PAIRED` questions, `PACE_MOST` times of each person, `GUESSES` guesses.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from stream_cl.core.clock import Clock
from stream_cl.serve.label.journal import Entry

PAIRED: Final = 10_000
VOTES: Final = 100
"""Answers to one question that are compared."""
PACE_S: Final = 300.0
PACE_MOST: Final = 1000
PEOPLE: Final = 10_000
"""Names that are counted for: anybody may write labels, under any name."""
GUESSES: Final = 100
"""Answers in each of the two spans that are compared."""


@dataclass(slots=True)
class _Person:
    answered: int = 0
    skipped: int = 0
    gold_right: int = 0
    gold: int = 0
    agreed: int = 0
    paired: int = 0
    times_ms: deque[int] = field(default_factory=lambda: deque(maxlen=PACE_MOST))


class Tally:
    """Counts over the answers that are kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people: dict[str, _Person] = {}
        self._votes: dict[tuple[str, int], dict[str, str]] = {}
        self._guessed: deque[tuple[int, bool]] = deque(maxlen=2 * GUESSES)

    def add(self, entry: Entry) -> None:
        """Somebody has answered."""
        person = self._person(entry.person)
        person.times_ms.append(entry.time_ms)
        self._count(entry, 1)
        if entry.label is None or entry.truth is not None:
            return
        if entry.guess is not None:
            self._guessed.append((entry.number, entry.guess == entry.label))
        self.vote(entry.request, entry.expires_ms, entry.person, entry.label)

    def remove(self, entry: Entry) -> None:
        """An answer is undone, or was changed."""
        person = self._person(entry.person)
        if entry.time_ms in person.times_ms:
            person.times_ms.remove(entry.time_ms)
        self._count(entry, -1)
        kept = [one for one in self._guessed if one[0] != entry.number]
        self._guessed = deque(kept, maxlen=2 * GUESSES)
        votes = self._votes.get((entry.request, entry.expires_ms), {})
        if entry.label is not None and votes.pop(entry.person, None) is not None:
            self._pair(votes, entry.person, entry.label, -1)

    def vote(self, request: str, expires_ms: int, person: str, label: str) -> None:
        """An answer, from here or elsewhere, to be compared with those of others."""
        votes = self._votes.setdefault((request, expires_ms), {})
        if person not in votes and len(votes) < VOTES:
            self._pair(votes, person, label, 1)
            votes[person] = label
        if len(self._votes) > PAIRED:
            del self._votes[next(iter(self._votes))]

    def shown(self, name: str) -> dict[str, Any]:
        """What a person sees of their own work and of everybody's."""
        person = self._person(name)
        return {
            "answered": person.answered,
            "skipped": person.skipped,
            "all_answered": sum(one.answered for one in self._people.values()),
            "per_minute": self._pace(person),
            "gold": _share(person.gold_right, person.gold),
            "agreement": _share(person.agreed, person.paired),
            "model": self._learned(),
        }

    def _person(self, name: str) -> _Person:
        if name in self._people or len(self._people) < PEOPLE:
            return self._people.setdefault(name, _Person())
        return _Person()

    def _count(self, entry: Entry, n: int) -> None:
        person = self._person(entry.person)
        if entry.label is None:
            person.skipped += n
            return
        person.answered += n
        if entry.truth is not None:
            person.gold += n
            person.gold_right += n * (entry.label == entry.truth)

    def _pair(self, votes: dict[str, str], person: str, label: str, n: int) -> None:
        for other, said in votes.items():
            for name in (person, other):
                one = self._person(name)
                one.paired += n
                one.agreed += n * (said == label)

    def _pace(self, person: _Person) -> float:
        """Answers a minute, over the last minutes in which there were some."""
        now_ms = self._clock.now_ms()
        recent = [at_ms for at_ms in person.times_ms if now_ms - at_ms <= PACE_S * 1000]
        if len(recent) < 2:
            return 0.0
        return round(60_000 * (len(recent) - 1) / max(1000, recent[-1] - recent[0]), 1)

    def _learned(self) -> dict[str, Any] | None:
        """How often the model's first guess was the answer: lately, and before."""
        right = [was_right for _, was_right in self._guessed]
        late, before = right[-GUESSES:], right[:-GUESSES]
        if not late:
            return None
        return {"now": _share(sum(late), len(late)), "before": _share(sum(before), len(before))}


def _share(part: int, whole: int) -> list[int] | None:
    return [part, whole] if whole else None
