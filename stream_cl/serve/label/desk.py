"""Who has which question: leases, so that no more people answer one than are wanted.

A question is open until as many people have answered it as are wanted (`overlap`), it is withdrawn,
or its time is over. An open one is leased to a person for `lease_s`; a browser that is there renews
its leases, what it leaves goes to the next person. Nobody gets a question that they have answered
or passed on, nor one that asks again about an event that they have answered.

Pure: no I/O, and one thread at a time. Memory: the open questions (at most `most`, and `most_bytes`
of their records: then `is_full`, and the reader has to wait) and the answers to the last `KNOWN`
questions. `lease` looks at the open questions in their order until it has enough.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stream_cl.core.clock import Clock
from stream_cl.serve.label.question import Question

OPEN_MOST: Final = 100_000
OPEN_BYTES: Final = 256_000_000
KNOWN: Final = 100_000
"""Questions and events whose answers are remembered."""
NAMES: Final = 100
"""People remembered with each of them: anybody may write labels, under any name."""


class Given(NamedTuple):
    """An answer to a question, or a pass.

    expires_ms: of the question, for an answer from here; it tells two questions of one name apart.
    log_ms: when an answer from elsewhere was appended; -1 for one from here.
    """

    person: str
    passed: bool = False
    expires_ms: int = 0
    log_ms: int = -1

    def belongs_to(self, question: Question) -> bool:
        if self.log_ms >= 0:
            return self.log_ms >= question.log_ms
        return self.expires_ms == question.expires_ms


@dataclass(slots=True)
class _Open:
    question: Question
    number: int
    answered: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    leases: dict[str, float] = field(default_factory=dict)

    @property
    def order(self) -> tuple[float, int, str]:
        return -self.question.priority, self.number, self.question.request

    def others(self, person: str, now_s: float) -> int:
        """How many have answered it, or have it now, besides a person."""
        have = {one for one, until_s in self.leases.items() if until_s > now_s}
        return len((self.answered | have) - {person})


class Desk:
    """The open questions and their leases.

    Args:
        overlap: people who answer each question.
        lease_s: a lease lasts so long.
        left: request → people who had it when the process before this one ended; they keep it for
            one lease more.
    """

    def __init__(
        self,
        clock: Clock,
        overlap: int,
        lease_s: float,
        left: Mapping[str, Iterable[str]] | None = None,
        most: int = OPEN_MOST,
        most_bytes: int = OPEN_BYTES,
    ) -> None:
        assert overlap >= 1
        self._clock = clock
        self._overlap = overlap
        self._lease_s = lease_s
        self._most, self._most_bytes = most, most_bytes
        self._open: dict[str, _Open] = {}
        self._order: list[tuple[float, int, str]] = []
        self._expiry: list[tuple[int, str]] = []
        self._held: dict[str, dict[str, None]] = {}
        self._bytes = 0
        self._number = 0
        self._known: dict[str, list[Given]] = {}
        self._people_of: dict[str, set[str]] = {}
        self._left = {request: set(people) for request, people in (left or {}).items()}
        self._left_until_s = clock.monotonic_s() + lease_s

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether no more questions may be brought."""
        return len(self._open) >= self._most or self._bytes >= self._most_bytes

    def get(self, request: str) -> Question | None:
        """An open question."""
        there = self._open.get(request)
        return there.question if there else None

    def bring(self, question: Question) -> bool:
        """A question was asked; whether it is open, with what is known of it by now."""
        if question.request in self._open:
            self.close(question.request)
        known = [one for one in self._known.get(question.request, ()) if one.belongs_to(question)]
        there = _Open(question, self._number)
        there.answered = {one.person for one in known if not one.passed}
        there.passed = {one.person for one in known if one.passed}
        if question.attempt == 1:
            # What was answered before the first question was about another event of this id.
            self._people_of[question.id] = set(there.answered)
        if question.expires_ms <= self._clock.now_ms() or len(there.answered) >= self._overlap:
            return False
        self._number += 1
        self._open[question.request] = there
        self._bytes += len(question.body)
        insort(self._order, there.order)
        heapq.heappush(self._expiry, (question.expires_ms, question.request))
        if self._left and self._clock.monotonic_s() < self._left_until_s:
            for person in self._left.pop(question.request, ()):
                self._give(there, person, self._left_until_s)
        return True

    def close(self, request: str) -> None:
        """Nobody need answer a question any more."""
        there = self._open.pop(request, None)
        if there is not None:
            self._bytes -= len(there.question.body)
            del self._order[bisect_left(self._order, there.order)]

    def expire(self) -> None:
        """Close what nobody can answer in time any more."""
        now_ms = self._clock.now_ms()
        while self._expiry and self._expiry[0][0] <= now_ms:
            expires_ms, request = heapq.heappop(self._expiry)
            there = self._open.get(request)
            if there is not None and there.question.expires_ms == expires_ms:
                self.close(request)

    def lease(self, person: str, count: int) -> list[Question]:
        """At most `count` questions for a person: those that they have, then the most useful ones
        that are free."""
        self.expire()
        now_s = self._clock.monotonic_s()
        found = [self._open[request] for request in self._has(person, now_s)][:count]
        taken = {there.question.request for there in found}
        for _, _, request in self._order:
            if len(found) >= count:
                break
            if request not in taken and self._may(self._open[request], person, now_s):
                found.append(self._open[request])
        for there in found:
            self._give(there, person, now_s + self._lease_s)
        return [there.question for there in found]

    def renew(self, person: str, requests: Iterable[str]) -> list[str]:
        """Prolong the leases of a browser that is there; the requests that it has no more."""
        self.expire()
        now_s, gone = self._clock.monotonic_s(), []
        for request in requests:
            there = self._open.get(request)
            if there is None or not self._may(there, person, now_s):
                gone.append(request)
            else:
                self._give(there, person, now_s + self._lease_s)
        return gone

    def holders(self, request: str) -> set[str]:
        """Who has a question now."""
        there, now_s = self._open.get(request), self._clock.monotonic_s()
        leases = there.leases.items() if there else ()
        return {person for person, until_s in leases if until_s > now_s}

    def know(self, id_: str, request: str, given: Given) -> None:
        """An answer or a pass, to a question that is open, was, or will be."""
        known = [one for one in self._known.pop(request, ()) if one.person != given.person]
        self._known[request] = [*known, given][:NAMES]
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        people = self._people(id_)
        if not given.passed and len(people) < NAMES:
            people.add(given.person)
        there = self._open.get(request)
        if there is None or not given.belongs_to(there.question):
            return
        there.leases.pop(given.person, None)
        if given.passed:
            if len(there.passed) < NAMES:
                there.passed.add(given.person)
            return
        there.answered.add(given.person)
        if len(there.answered) >= self._overlap:
            self.close(request)

    def take_back(self, question: Question, person: str) -> bool:
        """Undo what a person said of a question; whether it is open, and theirs, again."""
        known = self._known.get(question.request, [])
        self._known[question.request] = [one for one in known if one.person != person]
        self._people(question.id).discard(person)
        there = self._open.get(question.request)
        if there is not None and there.question.expires_ms != question.expires_ms:
            return False
        if there is None:
            if not self.bring(question):
                return False
            there = self._open[question.request]
        there.answered.discard(person)
        there.passed.discard(person)
        now_s = self._clock.monotonic_s()
        if not self._may(there, person, now_s):
            return False
        self._give(there, person, now_s + self._lease_s)
        return True

    def _give(self, there: _Open, person: str, until_s: float) -> None:
        there.leases[person] = until_s
        self._held.setdefault(person, {})[there.question.request] = None

    def _has(self, person: str, now_s: float) -> list[str]:
        """The requests that a person has, in the order in which they got them."""
        held = self._held.get(person, {})
        for request in list(held):
            there = self._open.get(request)
            if there is None or there.leases.get(person, 0.0) <= now_s:
                del held[request]
        return list(held)

    def _may(self, there: _Open, person: str, now_s: float) -> bool:
        """Whether a person may have, or go on having, a question."""
        if person in there.answered or person in there.passed:
            return False
        if there.question.attempt > 1 and person in self._people_of.get(there.question.id, ()):
            return False
        return there.others(person, now_s) < self._overlap

    def _people(self, id_: str) -> set[str]:
        """Who has answered anything about an event."""
        people = self._people_of.pop(id_, set[str]())
        self._people_of[id_] = people
        if len(self._people_of) > KNOWN:
            del self._people_of[next(iter(self._people_of))]
        return people
