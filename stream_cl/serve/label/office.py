"""What people can do, behind one lock: get questions, answer, undo.

The desk says who may have a question, the journal keeps what was answered. An answer needs the
ticket that came with its question; it names the revision that the answer will have, so the same
answer that is sent again, or an older one that comes late, changes nothing.

An answer that was not published yet is taken back by an undo, and its question is asked again. One
that was published stays in the log: what is answered then is a higher revision.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from stream_cl.core.clock import Clock
from stream_cl.serve.label.desk import Desk, Given
from stream_cl.serve.label.form import Form, classes_of
from stream_cl.serve.label.gold import Gold
from stream_cl.serve.label.journal import GOLD, TAKEN_BACK, WRITTEN, Entry, Journal, state_name
from stream_cl.serve.label.journal_file import JournalFailed
from stream_cl.serve.label.people import People
from stream_cl.serve.label.question import Question, Withdrawn, parse
from stream_cl.serve.label.tally import Tally

PREFETCHED: Final = 10
"""Most questions that a browser has at one time."""
ANSWERS: Final = 50
"""Most answers that come at one time."""
NAME_CHARS: Final = 64


class Heard(NamedTuple):
    """A label that stands in the log and is not from here."""

    id: str
    request: str | None
    annotator: str
    label: str | None
    log_ms: int


class Office:
    """Everything that a labelling page asks for; safe between threads.

    The answers that the journal has are taken in at once: who has answered what, and the tally.
    """

    def __init__(
        self,
        journal: Journal,
        desk: Desk,
        people: People,
        clock: Clock,
        form: Form,
        gold: Gold | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.journal = journal
        self.people = people
        self.form = form
        self._desk = desk
        self._clock = clock
        self._gold = gold
        self._tally = Tally(clock)
        self._gold_done: dict[str, set[str]] = {}
        newest: dict[tuple[str, str, int], Entry] = {}
        for entry in journal.all():
            newest[entry.person, entry.request, entry.expires_ms] = entry
        for entry in newest.values():
            if entry.state != TAKEN_BACK:
                self._took(entry)

    def __len__(self) -> int:
        return len(self._desk)

    @property
    def is_full(self) -> bool:
        """Whether no more questions can be taken in now."""
        with self.lock:
            self._desk.expire()
            return self._desk.is_full

    def is_open(self, request: str) -> bool:
        with self.lock:
            return self._desk.get(request) is not None

    def take(self, news: Iterable[Question | Withdrawn | Heard]) -> None:
        """What was read of the log, in order."""
        with self.lock:
            seen: dict[str, None] = {}
            for one in news:
                if isinstance(one, Question):
                    if self._desk.bring(one):
                        self.form.looks.see(one)
                        seen |= dict.fromkeys(classes_of(one))
                elif isinstance(one, Withdrawn):
                    self._desk.close(one.request)
                else:
                    self._hear(one)
                    seen |= dict.fromkeys([one.label] if one.label else [])
            # What was read is not read again; a class that is not kept now comes once more.
            with suppress(JournalFailed):
                self.form.offer(seen)

    def sync(self, person: str, have: Sequence[str], want: int) -> dict[str, Any]:
        """Renew what a browser has, and give it so much that it has `want` questions."""
        with self.lock:
            gold = [name for name in have if self._gold and self._gold.get(name)]
            open_ = [name for name in have if name not in gold]
            done = self._gold_done.setdefault(person, set())
            gone = [*self._desk.renew(person, open_), *(name for name in gold if name in done)]
            there = self._desk.lease(person, min(want, PREFETCHED))
            new = [one for one in there if one.request not in have]
            if new:
                self.journal.lease(person, [one.request for one in new])
            items = []
            for one in new:
                if self._gold is not None and self._gold.before(person, one.request):
                    mixed = self._gold.next(person, done | set(gold))
                    if mixed is not None:
                        gold.append(mixed.request)
                        items.append(self._item(person, mixed))
                items.append(self._item(person, one))
            return {"items": items, "gone": gone, "classes": self.form.classes} | self.state(person)

    def state(self, person: str) -> dict[str, Any]:
        """How it goes, and the answers that can be changed."""
        with self.lock:
            recent = [
                {
                    "answer": one.answer,
                    "id": one.id,
                    "label": one.label,
                    # Whether it is gold is not to be seen.
                    "state": "published" if one.state == GOLD else state_name(one.state),
                }
                for one in self.journal.latest(person)
            ]
            progress = {
                **self._tally.shown(person),
                "open": len(self._desk),
                "unpublished": self.journal.waiting(),
            }
            return {"recent": recent, "progress": progress}

    def answer(self, person: str, given: Sequence[Any]) -> list[dict[str, Any]]:
        """Take answers, each `{"answer": name, "ticket": …, and "label": text or "skip": true}`.

        Returns what became of each: kept; known, where it was here before; or refused, and why.
        """
        with self.lock:
            return [self._answer(person, one) for one in given[:ANSWERS]]

    def undo(self, person: str, name: str) -> dict[str, Any]:
        """The question of the answer that a browser gave this name, to be answered again.

        `item` is None, and `why` says it, where nobody needs another answer.
        """
        with self.lock:
            entry = self.journal.known(person, name)
            if entry is None:
                return _nothing("there is no such answer")
            newest = self.journal.newest(person, entry.request, entry.expires_ms)
            question = self._question_of(entry)
            if newest is None or newest.number != entry.number:
                return _nothing("it was changed already")
            if question is None:
                return _nothing("it is too long ago")
            was_there = entry.state != TAKEN_BACK
            if not self.journal.take_back(entry.number):
                return {"item": self._item(person, question, entry), "why": None}
            if was_there:
                self._tally.remove(entry)
            self._gold_done.setdefault(person, set()).discard(entry.request)
            if entry.truth is None and not self._desk.take_back(question, person):
                return _nothing("it is undone; nobody needs another answer")
            return {"item": self._item(person, question, entry), "why": None}

    def due(self, hold_ms: int, most: int) -> list[Entry]:
        """The answers to be published now; from here on they are being sent."""
        with self.lock:
            return self.journal.to_send(self._clock.now_ms() - hold_ms, most)

    def resolve(self, sent_before: int) -> None:
        """The log has every answer with a smaller number that was being sent, and no other."""
        with self.lock:
            self.journal.resolve(sent_before)

    def keep(self, position: bytes) -> None:
        """Keep where reading begins after a restart, and the leases that still matter."""
        with self.lock:
            self.journal.keep_position(position)
            held = [name for name in self.journal.leases() if self._desk.holders(name)]
            self.journal.keep_leases(held)

    def _answer(self, person: str, given: Any) -> dict[str, Any]:
        name = given.get("answer") if isinstance(given, Mapping) else None
        if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS or not name.isprintable():
            return _refused(None, "an answer has a name of 1 to 64 characters")
        content = self.people.content(person, given.get("ticket"))
        if content is None:
            return _refused(name, "its question was not given to you")
        label, skip = given.get("label"), given.get("skip") is True
        wrong = None if skip and label is None else self.form.wrong(label)
        if wrong:
            return _refused(name, wrong)
        label = None if skip else unicodedata.normalize("NFC", label)
        id_, request, expires_ms, revision, log_ms = content
        question, truth = self._asked(request, expires_ms)
        before = self.journal.newest(person, request, expires_ms) if revision else None
        body = question.body if question else before.question if before else None
        guess = question.guess if question else before.guess if before else None
        trace = question.trace if question else before.trace if before else None
        entry = self.journal.add(
            Entry(
                0, person, name, id_, request, expires_ms, revision, label, truth, guess,
                self._clock.now_ms(), WRITTEN if truth is None else GOLD, body, log_ms, trace,
            )
        )  # fmt: skip
        if entry is None:
            return {"answer": name, "state": "known"}
        if before is not None and before.state != TAKEN_BACK:
            self._tally.remove(before)
        self._took(entry)
        self.form.offer([label] if label else [])
        return {"answer": name, "state": "kept"}

    def _asked(self, request: str, expires_ms: int) -> tuple[Question | None, str | None]:
        """The question of a ticket, where it is still known, and its answer, if that is."""
        gold = self._gold.get(request) if self._gold else None
        if gold is not None:
            return gold
        question = self._desk.get(request)
        return (question if question and question.expires_ms == expires_ms else None), None

    def _question_of(self, entry: Entry) -> Question | None:
        gold = self._gold.get(entry.request) if self._gold else None
        if gold is not None:
            return gold[0]
        question = parse(entry.question, entry.log_ms, entry.trace)
        return question if isinstance(question, Question) else None

    def _took(self, entry: Entry) -> None:
        """Take an answer into account that is in the journal."""
        self._tally.add(entry)
        if entry.truth is not None:
            self._gold_done.setdefault(entry.person, set()).add(entry.request)
            return
        given = Given(entry.person, passed=entry.label is None, expires_ms=entry.expires_ms)
        self._desk.know(entry.id, entry.request, given)

    def _hear(self, one: Heard) -> None:
        # A label that names no request answers the first question about its event.
        request = one.request or f"{one.id}/1"
        question = self._desk.get(request)
        if question is not None and one.label is not None:
            self._tally.vote(request, question.expires_ms, one.annotator, one.label)
        given = Given(one.annotator, passed=one.label is None, log_ms=one.log_ms)
        self._desk.know(one.id, request, given)

    def _item(self, person: str, question: Question, was: Entry | None = None) -> dict[str, Any]:
        before = self.journal.newest(person, question.request, question.expires_ms)
        revision = 0 if before is None else before.revision + 1
        content = [question.id, question.request, question.expires_ms, revision, question.log_ms]
        return self.form.item(question, self.people.ticket(person, content), was)


def _refused(name: str | None, why: str) -> dict[str, Any]:
    return {"answer": name, "state": "refused", "why": why}


def _nothing(why: str) -> dict[str, Any]:
    return {"item": None, "why": why}
