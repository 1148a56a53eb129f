"""What becomes of each label: one test per row of the table in `labels/join.py`.

Each row has a counter, and where the label is lost a dead letter with the bytes as they came.
"""

from __future__ import annotations

import pytest

from tests.pipeline.hands import (
    EVERY,
    TTL_S,
    answer,
    ask,
    assert_letter,
    driver,
    fates,
    learned,
    letters,
    pause,
    requests,
)


def test_learned():
    """A pending event whose class is named teaches the learner."""
    with driver() as made:
        (id_,) = ask(made)
        assert requests(made) == [(id_, "open")]
        answer(made, id_)
        assert fates(made) == {"learned": 1}
        assert learned(made) == 1
        ask(made)
        assert made.read("predictions")[-1].value["label"] == "up"
        assert made.read("predictions")[-1].value["model"] == "majority/1"
        assert letters(made) == []


def test_held_out():
    """A held-out event's label is kept to test on, and never learned."""
    with driver(budget={"held_out": 0.5}) as made:
        ids = ask(made, 20)
        held = {r.value["id"] for r in made.read("predictions") if r.value["reason"] == "held_out"}
        assert 3 < len(held) < 17
        made.labels({id_: "held" if id_ in held else "up" for id_ in ids})
        made.settle(expiry=False)
        assert fates(made) == {"held_out": len(held), "learned": 20 - len(held)}
        assert learned(made) == 20 - len(held)
        assert made.pipeline is not None
        assert len(made.pipeline.state.held_out) == len(held)
        ask(made)
        assert made.read("predictions")[-1].value["label"] == "up"


def test_none_of_these():
    """`__none__` closes the question and is no class; a later answer contradicts it."""
    with driver() as made:
        (id_,) = ask(made)
        made.labels({id_: "__none__"})
        made.settle(expiry=False)
        assert fates(made) == {"none": 1}
        assert learned(made) == 0
        offset = answer(made, id_)
        assert fates(made) == {"none": 1, "conflicting": 1}
        assert_letter(made, "conflicting_label", "labels", offset, "'__none__'")


def test_abstained():
    """An abstention leaves the question open: the next answer is learned."""
    with driver() as made:
        (id_,) = ask(made)
        made.labels({id_: None})
        made.settle(expiry=False)
        assert fates(made) == {"abstained": 1}
        answer(made, id_)
        assert fates(made) == {"abstained": 1, "learned": 1}
        assert letters(made) == []


def test_refused():
    """One class too many: a dead letter, a closed question, and a wrong prediction."""
    with driver(learner={"max_classes": 2}) as made:
        ids = ask(made, 3)
        made.labels({ids[0]: "a", ids[1]: "b"})
        made.settle(expiry=False)
        offset = answer(made, ids[2])
        assert fates(made) == {"learned": 2, "refused": 1}
        assert_letter(made, "too_many_classes", "labels", offset, "'up' would be class 3")
        made.labels({ids[2]: "a"})
        made.settle(expiry=False)
        assert fates(made)["conflicting"] == 1
        assert made.pipeline is not None
        assert made.pipeline.state.accuracy.since_start.sums[4] == 3


def test_repeated():
    """The same answer again, or an abstention after it, is only counted."""
    with driver() as made:
        (id_,) = ask(made)
        for label in ("up", "up", None):
            made.labels({id_: label})
            made.settle(expiry=False)
        assert fates(made) == {"learned": 1, "repeated": 2}
        assert learned(made) == 1
        assert letters(made) == []


def test_conflicting():
    """Another answer to an answered question is a dead letter that names who answered before."""
    with driver() as made:
        (id_,) = ask(made)
        made.labels({id_: "down"}, annotator="anna")
        offset = answer(made, id_)
        assert fates(made) == {"learned": 1, "conflicting": 1}
        assert_letter(made, "conflicting_label", "labels", offset, "'anna' had answered 'down'")
        ask(made)
        assert made.read("predictions")[-1].value["label"] == "down", "the first answer stands"


def test_answers_that_meet_in_one_step():
    """The order within a step is that of the labels: first answer learned, second in conflict."""
    with driver() as made:
        (id_,) = ask(made)
        made.labels({id_: "up"}, annotator="one")
        made.labels({id_: "down"}, annotator="two")
        made.labels({id_: "up"}, annotator="three")
        made.settle(expiry=False)
        assert fates(made) == {"learned": 1, "conflicting": 1, "repeated": 1}


def test_late():
    """After the request expired an answer is a dead letter; the NEXT step withdrew the request."""
    with driver() as made:
        (id_,) = ask(made)
        made.clock.advance(seconds=TTL_S - 0.001)
        assert made.settle() == 0, "nothing is due yet"
        made.clock.advance(seconds=0.001)
        assert made.pipeline is not None
        assert made.pipeline.step()
        assert fates(made) == {"expired": 1}
        assert requests(made) == [(id_, "open")]
        assert made.pipeline.step()
        assert requests(made) == [(id_, "open"), (id_, "withdrawn")]
        withdrawn = made.read("label-requests")[-1]
        assert withdrawn.key == id_
        assert withdrawn.value["request"] == made.read("label-requests")[0].value["request"]
        assert not made.pipeline.step()
        offset = answer(made, id_)
        assert fates(made) == {"expired": 1, "late": 1}
        assert_letter(made, "late_label", "labels", offset, "expired")
        assert learned(made) == 0


def test_an_answer_in_time_is_not_withdrawn():
    with driver() as made:
        (id_,) = ask(made)
        answer(made, id_)
        made.clock.advance(seconds=3 * TTL_S)
        made.settle()
        assert requests(made) == [(id_, "open")]
        assert fates(made) == {"learned": 1}


def test_unrequested():
    """A label of an event that was seen but not asked for: its features are gone."""
    with driver() as made:
        pause(made)
        (id_,) = ask(made)
        assert requests(made) == []
        assert made.read("predictions")[-1].value["reason"] == "not_allowed"
        offset = answer(made, id_)
        assert fates(made) == {"unrequested": 1}
        assert_letter(made, "unrequested_label", "labels", offset, "not asked")
        pause(made, "resume")
        (other,) = ask(made)
        assert requests(made) == [(other, "open")]


def test_early_in_an_earlier_step():
    """A label that is read before its event waits for it; then nobody is asked."""
    with driver() as made:
        answer(made, "0")
        assert fates(made) == {"early": 1}
        (id_,) = ask(made)
        assert id_ == "0"
        assert fates(made) == {"early": 1, "learned": 1}
        prediction = made.read("predictions")[-1].value
        assert (prediction["asked"], prediction["propensity"]) == (False, 0)
        assert requests(made) == []
        assert made.pipeline is not None
        assert len(made.pipeline.state.join.pending) == 0
        assert made.pipeline.state.accuracy.since_start.sums[4] == 0, "it was not asked for"
        answer(made, id_)
        assert fates(made) == {"early": 1, "learned": 1, "repeated": 1}


def test_early_in_the_same_step():
    """Read in one step with its event, a label comes after it, whatever the order in the log."""
    with driver() as made:
        made.labels({"0": "up"})
        assert ask(made) == ["0"]
        assert fates(made) == {"learned": 1}
        assert letters(made) == []


@pytest.mark.parametrize(
    ("early", "expected", "codes"),
    [
        (["up", "up"], {"early": 2, "learned": 1, "repeated": 1}, []),
        (["up", "down"], {"early": 2, "learned": 1, "conflicting": 1}, ["conflicting_label"]),
        ([None, "up"], {"early": 2, "abstained": 1, "learned": 1}, []),
        (["up", None, "up"], {"early": 3, "learned": 1, "repeated": 2}, []),
        ([None], {"early": 1, "abstained": 1}, []),
    ],
)
def test_several_early_labels(early, expected, codes):
    """They are applied in the order in which they came, by the same rules."""
    with driver() as made:
        for label in early:
            made.labels({"0": label})
        made.settle(expiry=False)
        ask(made)
        assert fates(made) == expected
        assert [letter.code for letter in letters(made)] == codes
        assert made.pipeline is not None
        assert len(made.pipeline.state.join.pending) == len(made.pipeline.state.join.early) == 0


def test_unknown():
    """No event came while the label was kept."""
    with driver() as made:
        offset = answer(made, "nobody")
        made.clock.advance(seconds=TTL_S)
        made.settle()
        assert fates(made) == {"early": 1, "unknown": 1}
        assert_letter(made, "unknown_id", "labels", offset, "no event")
        assert requests(made) == []


def test_unknown_because_newer_ones_needed_the_place():
    with driver(labels={"early_capacity": 2}) as made:
        offsets = [answer(made, f"nobody {i}") for i in range(3)]
        assert fates(made) == {"early": 3, "unknown": 1}
        assert_letter(made, "unknown_id", "labels", offsets[0], "no event")


def test_evicted():
    """Where labels come for every event, the oldest pending event gives way."""
    with driver(**EVERY) as made:
        ids = ask(made, 12)
        assert fates(made) == {"evicted": 7}
        offset = answer(made, ids[0])
        assert fates(made) == {"evicted": 7, "late": 1}
        assert_letter(made, "late_label", "labels", offset, "before it came")
        answer(made, ids[-1])
        assert fates(made)["learned"] == 1
        assert requests(made) == [], "nobody is asked, so nothing is withdrawn"


def test_expired_without_being_asked_withdraws_nothing():
    with driver(**EVERY) as made:
        ask(made, 3)
        made.clock.advance(seconds=TTL_S)
        made.settle()
        assert fates(made) == {"expired": 3}
        assert requests(made) == []
