"""Labels that come with their event or for every event, and how many events may wait."""

from __future__ import annotations

import orjson
import pytest

from tests.pipeline.hands import (
    EVERY,
    answer,
    ask,
    assert_letter,
    driver,
    fates,
    learned,
    letters,
    requests,
)


@pytest.mark.parametrize("join", ["requested", "every"])
def test_an_inline_label_is_learned_after_the_prediction(join):
    """A label that comes with its event must not be seen by its own prediction."""
    sections = EVERY if join == "every" else {}
    with driver(**sections) as made:
        ask(made, 1, label="up")
        (first,) = made.read("predictions")
        assert first.value["label"] is None
        assert not first.value["asked"]
        assert fates(made) == {"learned": 1}
        assert learned(made) == 1
        assert requests(made) == []
        answer(made, "0")
        assert fates(made) == {"learned": 1, "repeated": 1}
        assert first.value["propensity"] == (1 if join == "every" else 0)


@pytest.mark.parametrize("join", ["requested", "every"])
@pytest.mark.parametrize(
    ("early", "expected"),
    [
        ("up", {"early": 1, "learned": 1, "repeated": 1}),
        ("down", {"early": 1, "learned": 1, "conflicting": 1}),
        (None, {"early": 1, "abstained": 1, "learned": 1}),
    ],
)
def test_an_inline_label_and_an_early_one(join, early, expected):
    """The one that was read first is the answer; the event's record is the dead letter."""
    sections = EVERY if join == "every" else {}
    with driver(**sections) as made:
        made.labels({"0": early})
        made.settle(expiry=False)
        ask(made, 1, label="up")
        assert fates(made) == expected
        if early == "down":
            assert_letter(made, "conflicting_label", "events", 0, "'down'")


def test_a_refused_inline_label_is_the_events_record():
    with driver(learner={"max_classes": 2}) as made:
        for label in ("a", "b", "c"):
            ask(made, 1, label=label)
        assert fates(made) == {"learned": 2, "refused": 1}
        assert_letter(made, "too_many_classes", "events", 2, "'c' would be class 3")
        assert len(made.read("predictions")) == 3, "the event itself is predicted"


def test_every_event_waits_and_some_are_held_out():
    """`join: every`: propensity 1, no requests, a fixed share never learned."""
    with driver(labels={"join": "every", "held_out_fraction": 0.5}) as made:
        ids = ask(made, 40)
        made.labels(dict.fromkeys(ids, "up"))
        made.settle(expiry=False)
        found = fates(made)
        assert found["held_out"] + found["learned"] == 40
        assert 8 < found["held_out"] < 32
        predictions = [r.value for r in made.read("predictions")]
        assert {p["propensity"] for p in predictions} == {1}
        assert {p["reason"] for p in predictions} == {"joined"}
        assert requests(made) == []


def test_pending_capacity_is_never_exceeded():
    """Without room nobody is asked: propensity 0 and the reason, and the stream goes on."""
    with driver(labels={"pending_capacity": 10}) as made:
        ids = ask(made, 30)
        predictions = [r.value for r in made.read("predictions")]
        asked = [p["id"] for p in predictions if p["asked"]]
        assert 8 < len(asked) <= 10
        without = [p for p in predictions if not p["asked"]]
        assert {(p["reason"], p["propensity"]) for p in without} == {("no_room", 0)}
        made.labels(dict.fromkeys(asked[:5], "up"))
        made.settle(expiry=False)
        (again,) = ask(made)
        assert made.read("predictions")[-1].value["asked"], "an answer makes room"
        assert again not in ids


def test_an_event_with_its_label_finds_a_place_in_a_full_store():
    with driver(labels={"pending_capacity": 10}) as made:
        ask(made, 30)
        ask(made, 8, label="up")
        assert fates(made) == {"learned": 8}


def test_the_last_tenth_of_the_room_is_for_exploration():
    """Else a flood of useful events ends every sound figure: p must stay above 0."""
    with driver(labels={"pending_capacity": 40}, budget={"floor": 0.25, "held_out": 0.0}) as made:
        ask(made, 200)
        waiting, seen = 0, set()
        for value in (r.value for r in made.read("predictions")):
            if waiting >= 40:
                assert value["propensity"] == 0
            elif waiting >= 36:
                assert value["propensity"] == 0.25
            seen.add(value["propensity"])
            waiting += value["asked"]
        assert waiting == 40
        assert {0, 0.25} < seen


def test_an_id_that_comes_again_is_a_new_question():
    """Past the duplicate window an id is a new event: its answer is learned again."""
    with driver(dedupe={"window_events": 5}) as made:
        event = orjson.dumps({"id": "again", "time": 1, "features": {"x": 1.0}})
        for label in ("up", "down"):
            made.pipe("events", [event])
            made.settle(expiry=False)
            made.labels({"again": label})
            made.settle(expiry=False)
            ask(made, 6)
        assert fates(made) == {"learned": 2}
        assert letters(made) == []


def test_a_pending_event_that_comes_again_is_a_duplicate():
    """Also past the window: two questions about one id could not be told apart."""
    with driver(dedupe={"window_events": 5}) as made:
        event = orjson.dumps({"id": "again", "time": 1, "features": {"x": 1.0}})
        made.pipe("events", [event])
        made.settle(expiry=False)
        ask(made, 6)
        made.pipe("events", [event, event.replace(b"1.0", b"2.0")])
        made.settle(expiry=False)
        assert [r.value["id"] for r in made.read("predictions")].count("again") == 1
        assert [letter.code for letter in letters(made)] == ["duplicate_id"]
