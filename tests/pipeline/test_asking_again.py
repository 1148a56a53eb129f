"""Further requests about a question: over a pause, when nobody answers, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stream_cl.core.limits import REQUEST_BYTES_KEPT
from stream_cl.labels.panel import Panel
from stream_cl.pipeline import again
from stream_cl.pipeline.again import AskAgain
from stream_cl.pipeline.outbox import Outbox
from stream_cl.testing.driver import TestDriver
from tests.pipeline.hands import TTL_S, ask, driver, pause

ASKS: dict[str, Any] = {"cold_start": 100}


def asks(answers: int, **sections: Any) -> TestDriver:
    annotators = {"trust": "votes", "answers": answers, **sections.pop("annotators", {})}
    return driver(annotators=annotators, budget=ASKS, **sections)


def tell(made: TestDriver, id_: str, annotator: str) -> None:
    made.labels({id_: "up"}, annotator=annotator)
    made.settle(expiry=False)


def requested(made: TestDriver) -> list[tuple[str, str]]:
    """(request, status) of every label request, in order."""
    return [(r.value["request"], r.value["status"]) for r in made.read("label-requests")]


def again_of(made: TestDriver) -> AskAgain:
    assert made.pipeline is not None
    assert made.pipeline.state.again is not None
    return made.pipeline.state.again


def reserved(made: TestDriver) -> int:
    """Further answers that the budget is charged with."""
    return sum(int(answers) for _, answers in again_of(made).snapshot()["reserved"])


def spent(made: TestDriver) -> tuple[int, float]:
    """Labels charged so far, and those of them that come back."""
    assert made.pipeline is not None
    spending = made.pipeline.state.budget.spending()
    return spending.asked, spending.waiting


def stay(made: TestDriver) -> None:
    """Nothing happens."""


def leave(made: TestDriver) -> None:
    """Stop and start from the last checkpoint."""
    assert made.pipeline is not None
    made.pipeline.close()
    digest = made.digest()
    made.start()
    assert made.digest() == digest


def die(made: TestDriver) -> None:
    """Lose what is in memory; the next start takes the steps again."""
    assert made.pipeline is not None
    digest = made.digest()
    made.pipeline.abandon()
    made.start()
    assert made.digest() == digest


restarts = pytest.mark.parametrize("restart", [stay, leave, die])


# --- a pause ---


@restarts
def test_what_is_answered_during_a_pause_gets_its_other_answers_afterwards(
    restart: Callable[[TestDriver], None],
) -> None:
    """Else every question of the night has one answer, and its others stay paid for."""
    with asks(3) as made:
        (id_,) = ask(made)
        pause(made)
        tell(made, id_, "anna")
        assert requested(made) == [("0/1", "open")]
        restart(made)
        pause(made, "resume")
        assert requested(made) == [("0/1", "open"), ("0/2", "open")]
        for name in ("ben", "carl", "dora"):
            tell(made, id_, name)
        made.clock.advance(5 * TTL_S)
        made.settle()
        assert requested(made) == [(f"0/{attempt}", "open") for attempt in (1, 2, 3)]
        assert reserved(made) == 0
        assert spent(made) == (3, 0)


def test_after_a_pause_no_step_asks_more_than_a_transaction_carries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A weekend's answers do not make one transaction that no log takes, and none is forgotten."""
    monkeypatch.setattr(again, "RESUMED", 2)
    with asks(2) as made:
        ids = ask(made, 4) + ask(made, 1)
        pause(made)
        for id_ in ids:
            tell(made, id_, "anna")
        before = len(requested(made))
        pause(made, "resume")
        assert requested(made)[before:] == [(f"{id_}/2", "open") for id_ in ids]
        records = made.read("label-requests")[before:]
        assert len({record.headers["step"] for record in records}) == 3


def test_what_has_its_answers_by_the_end_of_a_pause_is_not_asked_again() -> None:
    """Who answers unasked meanwhile is enough; what that leaves over comes back."""
    with asks(3) as made:
        first, second = ask(made, 2)
        pause(made)
        for name in ("anna", "ben", "carl"):
            tell(made, first, name)
        made.labels({second: "__none__"})
        pause(made, "resume")
        assert requested(made) == [("0/1", "open"), ("1/1", "open")]
        assert reserved(made) == 0
        assert spent(made) == (4, 0)


def test_an_answer_in_the_step_of_the_pause_is_asked_again_after_it() -> None:
    """Nothing is asked from the next step on, which publishes what this one asks again."""
    with asks(2) as made:
        (id_,) = ask(made)
        made.labels({id_: "up"}, annotator="anna")
        pause(made)
        assert requested(made) == [("0/1", "open")]
        pause(made, "resume")
        assert requested(made) == [("0/1", "open"), ("0/2", "open")]


def test_a_request_that_is_open_expires_during_a_pause() -> None:
    """A pause stops the asking, not the clock."""
    with asks(2) as made:
        (id_,) = ask(made)
        tell(made, id_, "anna")
        pause(made)
        made.clock.advance(TTL_S + 1)
        made.settle()
        assert requested(made) == [("0/1", "open"), ("0/2", "open"), ("0/2", "withdrawn")]
        assert spent(made) == (1, 0)


# --- nobody answers ---


@restarts
def test_a_repeated_request_that_nobody_answers_is_withdrawn_once(
    restart: Callable[[TestDriver], None],
) -> None:
    """Else its task stays in Label Studio for ever."""
    with asks(2) as made:
        (id_,) = ask(made)
        tell(made, id_, "anna")
        made.clock.advance(TTL_S + 1)
        assert made.pipeline is not None
        made.pipeline.step()  # it lapses, and what withdraws it is not published yet
        assert len(made.pipeline.state.outbox) == 1
        restart(made)
        for _ in range(3):
            made.settle()
            assert requested(made) == [("0/1", "open"), ("0/2", "open"), ("0/2", "withdrawn")]
            made.clock.advance(TTL_S + 1)
        assert again_of(made).snapshot()["open"] == []
        assert made.pipeline is not None
        assert made.pipeline.state.counts.get("unanswered", 0) == 0, "its question was answered"


def test_a_doubtful_label_that_nobody_answers_is_asked_again_and_withdrawn_once() -> None:
    """Lapsed and asked again in one step, it is not withdrawn a second time as superseded."""
    given = {"trust": "dawid_skene", "relabel": 0.5}
    budget = {"floor": 0.5, "cold_start": 100}
    with driver(annotators=given, learner={"kind": "softmax"}, budget=budget) as made:
        for _ in range(30):
            new = made.events([{"x": 1.0}, {"x": -1.0}])
            made.settle(expiry=False)
            for name in ("anna", "ben"):
                made.labels(dict(zip(new, ("up", "down"), strict=True)), annotator=name)
            made.settle(expiry=False)
        (doubtful,) = ask(made)
        made.labels({doubtful: "down"}, annotator="anna")
        made.labels({doubtful: "up"}, annotator="ben")
        for _ in range(3):
            made.settle(expiry=False)
            made.events([{"x": 1.0}, {"x": -1.0}])
            made.settle(expiry=False)
            made.clock.advance(TTL_S + 1)
        found = [one for one in requested(made) if one[0].startswith(f"{doubtful}/")]
        attempts = [f"{doubtful}/{attempt}" for attempt in (1, 2, 3)]
        assert [name for name, status in found if status == "open"][:3] == attempts
        assert found.count((attempts[1], "withdrawn")) == 1
        assert found.index((attempts[1], "withdrawn")) < found.index((attempts[2], "open"))


def test_an_id_that_is_new_again_takes_back_the_request_about_the_event_before() -> None:
    """Else the answer to it would be taken for one about the new event, and paid back twice."""
    with asks(2, dedupe={"window_events": 5}) as made:
        (id_,) = ask(made)
        tell(made, id_, "anna")
        ask(made, 12)
        made.pipe("events", [b'{"id":"0","time":1,"features":{"x":9.0}}'])
        made.settle(expiry=False)
        made.clock.advance(TTL_S + 1)
        made.settle()
        found = [one for one in requested(made) if one[0].startswith("0/")]
        assert found[:3] == [("0/1", "open"), ("0/2", "open"), ("0/1", "open")]
        assert found[3:] == [("0/2", "withdrawn"), ("0/1", "withdrawn")]
        asked, waiting = spent(made)
        assert asked - waiting == 1, "anna's"


# --- what is paid ---


@pytest.mark.parametrize("size", [1, REQUEST_BYTES_KEPT])
def test_a_question_that_expires_gives_back_what_it_was_charged_with(size: int) -> None:
    """However long its text is, which is kept only where it is short."""
    with asks(3) as made:
        made.events([{"x": 1.0, "note": "n" * size}])
        made.settle(expiry=False)
        made.clock.advance(TTL_S + 1)
        made.settle()
        assert spent(made) == (3, 3)
        assert reserved(made) == 0


def test_a_question_too_long_to_be_asked_again_costs_one_answer() -> None:
    """Else what cannot be asked stays paid for."""
    with asks(3) as made:
        (id_,) = made.events([{"x": 1.0, "note": "n" * REQUEST_BYTES_KEPT}])
        made.settle(expiry=False)
        tell(made, id_, "anna")
        made.clock.advance(TTL_S + 1)
        made.settle()
        assert requested(made) == [("0/1", "open")]
        assert spent(made) == (1, 0)


def test_a_question_whose_text_gave_way_gives_back_what_it_was_charged_with() -> None:
    """Many newer questions, answered at once, while an old one still waits."""
    sections = {"capacity": 1, "experts": ["anna"]}
    with asks(3, annotators=sections, labels={"ttl_s": TTL_S, "pending_capacity": 20}) as made:
        (old,) = ask(made)
        for _ in range(25):
            (id_,) = ask(made)
            tell(made, id_, "anna")
        assert old not in again_of(made).snapshot()["ids"]
        assert spent(made) == (3 + 25, 0)
        made.clock.advance(TTL_S + 1)
        made.settle()
        assert spent(made) == (3 + 25, 3)
        assert reserved(made) == 0


# --- checkpoints of the time before ---


def test_a_checkpoint_without_attempts_still_withdraws_what_nobody_answers() -> None:
    """What was open when the program was updated is withdrawn by the attempt of its question."""
    with asks(2) as made:
        (id_,) = ask(made)
        tell(made, id_, "anna")
        snapshot = again_of(made).snapshot()
        assert made.pipeline is not None
        panel = made.pipeline.state.join.panel
        assert panel is not None
    snapshot["open"] = [row[:2] for row in snapshot["open"]]
    del snapshot["held"]
    for kept, expected in ((panel, [("0", "0/2")]), (Panel(1, None), [])):
        older = AskAgain(2, 0.0, 1, 10)
        older.restore(snapshot)
        assert older.lapse(kept, snapshot["open"][0][1] + 1) == expected
        assert older.due() == -1
    empty = AskAgain(2, 0.0, 1, 10).fingerprint()["digest"]
    older.restore({**snapshot, "ids": [], "texts": [], "reserved": [], "open": []})
    assert older.fingerprint()["digest"] == empty


def test_an_outbox_without_lapsed_requests_is_written_as_it_always_was() -> None:
    """Else no checkpoint of the time before has the digest that was written beside it."""
    assert set(Outbox().snapshot()) == {"withdrawn", "asked_again", "dead_letters"}
    box = Outbox(lapsed=[("a", "a/2")])
    other = Outbox()
    other.restore(box.snapshot())
    assert other == box
