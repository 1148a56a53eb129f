"""Who gets which question: a label that is bought twice is money lost, one that nobody gets is a
question that expires."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stream_cl.serve.label.desk import Desk, Given
from stream_cl.serve.label.question import Question, Withdrawn, parse
from stream_cl.testing.clock import FakeClock
from tests.serve.label.questions import HOUR_MS, NOW_MS, question, record

LEASE_S = 60.0


def desk(clock: FakeClock, *ids: str, overlap: int = 1) -> Desk:
    made = Desk(clock, overlap, LEASE_S)
    for id_ in ids:
        made.bring(question(id_))
    return made


def ids(questions: list[Question]) -> list[str]:
    return [one.id for one in questions]


def answer(here: Desk, asked: Question, person: str) -> None:
    here.know(asked.id, asked.request, Given(person, expires_ms=asked.expires_ms))


def test_two_people_get_different_questions() -> None:
    here = desk(FakeClock(), "a", "b", "c")
    assert ids(here.lease("anna", 2)) == ["a", "b"]
    assert ids(here.lease("bob", 2)) == ["c"]


def test_the_most_useful_comes_first() -> None:
    here = Desk(FakeClock(), 1, LEASE_S)
    for id_, priority in (("low", 0.1), ("high", 0.9), ("mid", 0.5)):
        here.bring(question(id_, priority=priority))
    assert ids(here.lease("anna", 3)) == ["high", "mid", "low"]


def test_a_page_that_is_loaded_again_gets_its_questions_again() -> None:
    here = desk(FakeClock(), "a", "b", "c")
    first = here.lease("anna", 2)
    assert here.lease("anna", 2) == first


def test_what_is_left_goes_to_the_next_person() -> None:
    clock = FakeClock()
    here = desk(clock, "a")
    (asked,) = here.lease("anna", 1)
    clock.advance(LEASE_S - 1)
    assert here.renew("anna", [asked.request]) == []
    clock.advance(LEASE_S - 1)
    assert here.lease("bob", 1) == []
    clock.advance(2)
    assert here.lease("bob", 1) == [asked]
    assert here.renew("anna", [asked.request]) == [asked.request]


def test_an_answer_from_elsewhere_closes_a_question() -> None:
    """`annotate` or another program beside the page: nobody answers what is answered."""
    here = desk(FakeClock(), "a", "b")
    here.know("a", "a/1", Given("robot", log_ms=NOW_MS + 1))
    assert ids(here.lease("anna", 5)) == ["b"]


def test_an_answer_to_an_older_event_of_the_same_id_does_not() -> None:
    here = Desk(FakeClock(), 1, LEASE_S)
    here.know("a", "a/1", Given("robot", log_ms=NOW_MS - 1))
    answer(here, question("b", expires_ms=NOW_MS + 1), "anna")
    here.bring(question("a"))
    here.bring(question("b"))
    assert ids(here.lease("anna", 5)) == ["a", "b"]


def test_who_passed_does_not_get_it_again() -> None:
    here = desk(FakeClock(), "a")
    (asked,) = here.lease("anna", 1)
    here.know("a", "a/1", Given("anna", passed=True, expires_ms=asked.expires_ms))
    assert here.lease("anna", 1) == []
    assert here.lease("bob", 1) == [asked]


def test_a_second_opinion_is_not_asked_of_the_same_person() -> None:
    here = desk(FakeClock(), "a")
    answer(here, here.lease("anna", 1)[0], "anna")
    here.bring(question("a", attempt=2))
    assert here.lease("anna", 1) == []
    assert ids(here.lease("bob", 1)) == ["a"]


def test_leases_and_answers_outlive_the_process() -> None:
    clock = FakeClock()
    here = Desk(clock, 1, LEASE_S, left={"a/1": ["anna"]})
    asked = question("b")
    here.know("b", "b/1", Given("anna", expires_ms=asked.expires_ms))
    here.bring(question("a"))
    assert not here.bring(asked)
    assert here.lease("bob", 5) == []
    clock.advance(LEASE_S + 1)
    assert ids(here.lease("bob", 5)) == ["a"]


def test_what_is_expired_or_withdrawn_is_gone() -> None:
    clock = FakeClock()
    here = desk(clock, "a")
    here.bring(question("b", expires_ms=NOW_MS + 1000))
    here.lease("anna", 2)
    here.close("a/1")
    clock.advance(2)
    assert here.renew("anna", ["a/1", "b/1"]) == ["a/1", "b/1"]
    assert len(here) == 0


def test_an_undone_answer_brings_the_question_back() -> None:
    here = desk(FakeClock(), "a")
    (asked,) = here.lease("anna", 1)
    answer(here, asked, "anna")
    assert len(here) == 0
    assert here.take_back(asked, "anna")
    assert here.lease("bob", 1) == []
    assert here.lease("anna", 1) == [asked]


def test_it_says_when_it_is_full() -> None:
    here = Desk(FakeClock(), 1, LEASE_S, most=1)
    here.bring(question("a"))
    assert here.is_full
    assert Desk(FakeClock(), 1, LEASE_S, most_bytes=1).is_full is False


def test_what_is_no_request_is_none() -> None:
    """Anybody may have written to the topic; the reader must not stumble."""
    assert parse(record("a", expires_ms=NOW_MS), 0) == question("a", expires_ms=NOW_MS, log_ms=0)
    assert parse(b'{"id":"a","request":"a/1","status":"withdrawn"}', 0) == Withdrawn("a/1")
    for value in (
        None, b"", b"{", b"[]", b"1", b'{"id":1}', b'{"id":"a","request":"a/1"}',
        record("a", status="shut"), record("a", expires=7), record("a", expires="soon"),
        record("a", expires="2026-01-01T00:00:00"), record("a" * 1000), record("a", request=None),
    ):  # fmt: skip
        assert parse(value, 0) is None, value
    odd = parse(record("a", priority="x", attempt="y", candidates="no"), 0)
    assert isinstance(odd, Question)
    assert (odd.priority, odd.attempt, odd.guess) == (0.5, 1, None)


PEOPLE = st.sampled_from(["anna", "bob", "carl"])
NAMES = st.sampled_from("abcdef")


class DeskMachine(RuleBasedStateMachine):
    """Against a model that knows only who was told to answer what, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.overlap = 2
        self.desk = Desk(self.clock, self.overlap, LEASE_S)
        self.asked: dict[str, Question] = {}
        self.expiries: dict[str, int] = {}
        self.answers: dict[str, set[str]] = {}
        self.passed: dict[str, set[str]] = {}
        self.has: dict[tuple[str, str], float] = {}

    @rule(id_=NAMES, life_s=st.integers(1, 300))
    def ask(self, id_: str, life_s: int) -> None:
        if f"{id_}/1" in self.asked:
            return
        asked = question(id_, expires_ms=self.clock.now_ms() + life_s * 1000)
        if self.expiries.get(asked.request) == asked.expires_ms:
            return  # the one that was withdrawn: a name and an expiry are one question
        assert self.desk.bring(asked)
        self.asked[asked.request] = asked
        self.expiries[asked.request] = asked.expires_ms
        self.answers[asked.request], self.passed[asked.request] = set(), set()

    @rule(person=PEOPLE, count=st.integers(0, 4))
    def lease(self, person: str, count: int) -> None:
        now_s = self.clock.monotonic_s()
        given = self.desk.lease(person, count)
        assert len({one.request for one in given}) == len(given) <= count
        if len(given) < count:  # nothing that is open and free is kept from anybody
            left = {r for r in self.open() if self.free(r, person)}
            assert left == {one.request for one in given}
        for one in given:
            assert one.request in self.open()
            assert person not in self.answers[one.request] | self.passed[one.request]
            self.has[person, one.request] = now_s + LEASE_S

    @rule(person=PEOPLE, id_=NAMES)
    def answer(self, person: str, id_: str) -> None:
        request = f"{id_}/1"
        if request in self.asked and self.holds(person, request):
            answer(self.desk, self.asked[request], person)
            self.answers[request].add(person)
            del self.has[person, request]

    @rule(person=PEOPLE, id_=NAMES)
    def skip(self, person: str, id_: str) -> None:
        request = f"{id_}/1"
        if request in self.asked and self.holds(person, request):
            given = Given(person, passed=True, expires_ms=self.asked[request].expires_ms)
            self.desk.know(id_, request, given)
            self.passed[request].add(person)
            del self.has[person, request]

    @rule(person=PEOPLE, id_=NAMES)
    def undo(self, person: str, id_: str) -> None:
        request = f"{id_}/1"
        if request not in self.asked or person not in self.answers[request]:
            return
        self.answers[request].discard(person)
        if self.desk.take_back(self.asked[request], person):
            self.has[person, request] = self.clock.monotonic_s() + LEASE_S

    @rule(id_=NAMES)
    def withdraw(self, id_: str) -> None:
        request = f"{id_}/1"
        self.desk.close(request)
        self.asked.pop(request, None)
        self.has = {have: until_s for have, until_s in self.has.items() if have[1] != request}

    @rule(seconds=st.integers(0, 90))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.asked)
    @rule(person=PEOPLE)
    def renew(self, person: str) -> None:
        mine = [r for p, r in self.has if p == person and self.holds(person, r)]
        gone = self.desk.renew(person, mine)
        assert set(gone) == set(mine) - self.open()
        for request in set(mine) - set(gone):
            self.has[person, request] = self.clock.monotonic_s() + LEASE_S

    def open(self) -> set[str]:
        now_ms = self.clock.now_ms()
        return {
            request
            for request, asked in self.asked.items()
            if asked.expires_ms > now_ms and len(self.answers[request]) < self.overlap
        }

    def holds(self, person: str, request: str) -> bool:
        return self.has.get((person, request), 0.0) > self.clock.monotonic_s()

    def free(self, request: str, person: str) -> bool:
        others = {p for p, r in self.has if r == request and self.holds(p, r)}
        others = (others | self.answers[request]) - {person}
        done = self.answers[request] | self.passed[request]
        return person not in done and len(others) < self.overlap

    @invariant()
    def no_more_people_than_wanted(self) -> None:
        for request in self.open():
            assert len(self.desk.holders(request) | self.answers[request]) <= self.overlap

    @invariant()
    def nothing_is_lost(self) -> None:
        self.desk.expire()
        assert {r for r in self.asked if self.desk.get(r)} == self.open()


TestDeskMachine = DeskMachine.TestCase
TestDeskMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
assert HOUR_MS > LEASE_S * 1000
