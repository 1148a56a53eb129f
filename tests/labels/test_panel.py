"""Several answers to one question: what they come to, when that changes, and who is asked again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.limits import ANSWERS_PER_QUESTION
from stream_cl.core.snapshot import digest
from stream_cl.labels.dawid_skene import DawidSkene
from stream_cl.labels.panel import Panel
from stream_cl.labels.question import Question, Vote
from stream_cl.labels.relabel import quality
from tests.labels.crowds import crowd

CLASSES = 3


def question(number: int = 0, gold: int = -1, held_out: bool = False) -> Question:
    x = np.array([[number, 1.5]], dtype=np.float32)
    return Question(x, held_out, np.array([0.5, 0.3, 0.2]), gold)


def panel(weighs: bool = True, capacity: int = 100, experts: tuple[str, ...] = ()) -> Panel:
    return Panel(capacity, DawidSkene(10) if weighs else None, frozenset(experts))


def asked(made: Panel, id_: str, *votes: tuple[str, int], **fields: int) -> Question:
    made.open(id_, question(**fields))
    for name, number in votes:
        made.vote(id_, Vote(name, number), CLASSES)
    kept = made.get(id_)
    assert kept is not None
    return kept


@pytest.mark.parametrize("weighs", [True, False])
def test_the_first_answer_is_the_label(weighs: bool) -> None:
    kept = asked(panel(weighs), "a", ("anna", 2))
    assert kept.number == 2
    assert kept.weight == (pytest.approx(0.7) if weighs else 1.0)


@pytest.mark.parametrize("weighs", [True, False])
def test_a_second_answer_does_not_overrule_the_first_a_third_does(weighs: bool) -> None:
    """Equal votes change nothing: a label that flips with every answer teaches nothing."""
    made = panel(weighs)
    kept = asked(made, "a", ("anna", 2))
    assert made.vote("a", Vote("ben", 1), CLASSES) == []
    assert kept.number == 2
    (correction,) = made.vote("a", Vote("carl", 1), CLASSES)
    assert (correction.id, correction.old, correction.new) == ("a", 2, 1)
    assert correction.weight == kept.weight
    assert correction.x.tolist() == [[0.0, 1.5]]


@pytest.mark.parametrize("weighs", [True, False])
def test_a_revision_takes_the_place_of_what_it_revises(weighs: bool) -> None:
    made = panel(weighs)
    kept = asked(made, "a", ("anna", 2))
    (correction,) = made.vote("a", Vote("anna", 0, revision=1), CLASSES)
    assert (correction.old, correction.new) == (2, 0)
    assert kept.votes == [Vote("anna", 0, 1)]


def test_a_gold_question_keeps_its_class_and_teaches_whom_to_trust() -> None:
    made = panel()
    for i in range(30):
        kept = asked(made, str(i), ("liar", 1), ("saint", 0), number=i, gold=0)
        assert (kept.number, kept.weight) == (0, 1.0)
    assert made.trust is not None
    assert made.trust.trust("saint") > made.trust.trust("liar") + 0.2
    assert made.most_doubtful(0, 1) is None, "a known answer is never asked for again"


def test_an_expert_is_right() -> None:
    made = panel(experts=("boss",))
    kept = asked(made, "a", ("anna", 2), ("ben", 2))
    (correction,) = made.vote("a", Vote("boss", 1), CLASSES)
    assert (correction.new, kept.weight) == (1, 1.0)


def test_trust_that_moves_corrects_older_questions() -> None:
    """What a bad annotator answered first is corrected once it is known that they are bad."""
    made = panel()
    old = asked(made, "old", ("bad", 1), ("good", 0))
    assert old.number == 1
    corrected = []
    for i in range(40):
        made.open(str(i), question(i))
        votes = (("good", i % 2), ("fair", i % 2), ("bad", 1 - i % 2))
        for name, number in votes:
            corrected += made.vote(str(i), Vote(name, number), CLASSES)
    assert ("old", 1, 0) in [(c.id, c.old, c.new) for c in corrected]
    assert old.number == 0


def test_what_was_answered_least_surely_is_asked_again() -> None:
    made = panel()
    asked(made, "sure", ("anna", 2), ("ben", 2), ("carl", 2))
    asked(made, "torn", ("anna", 2), ("ben", 1))
    asked(made, "fair", ("anna", 2), ("ben", 2))
    assert made.most_doubtful(0, 10)[0] == "torn"
    assert made.most_doubtful(0, 10, among={"sure", "fair"})[0] == "fair"
    assert made.asked_again("torn", 5) == 2
    assert made.most_doubtful(14, 10)[0] == "fair", "an answer is on its way"
    assert made.most_doubtful(15, 10)[0] == "torn", "it did not come"
    assert made.asked_again("torn", 15) == 3
    made.vote("torn", Vote("carl", 1), CLASSES)
    assert made.get("torn").asked_ms == -1


def test_a_question_is_asked_so_often_and_no_more() -> None:
    made = panel()
    asked(made, "a", ("anna", 2), ("ben", 1))
    for attempt in range(2, ANSWERS_PER_QUESTION + 1):
        assert made.most_doubtful(0, 0) is not None
        assert made.asked_again("a", 0) == attempt
    assert made.most_doubtful(0, 0) is None


def test_quality_weighs_people_and_the_model_as_the_paper_does() -> None:
    """After Goh and Mueller 2022, section 3, by hand."""
    # w = 1 - (1 - A) / (1 - A_0): 0.75 and 0.5 for annotators, 0.5 for the model.
    by_hand = (0.5 * 0.6 + (0.75 + 0.5) * 0.9) / (0.5 + 0.75 + 0.5)
    assert quality(0.9, [0.85, 0.7], 0.6, 0.7, 0.4) == pytest.approx(by_hand)
    by_hand = (1.0 * 0.6 + 0.75 * 0.9) / (1.0 + 0.75)
    assert quality(0.9, [0.85], 0.6, 0.7, 0.4, mean_answers=4) == pytest.approx(by_hand)
    assert quality(0.8, [0.1], 0.4, 0.1, 1.0) == pytest.approx(0.6), "nobody is better than chance"


@pytest.mark.parametrize("weighs", [True, False])
def test_it_is_bounded_and_the_oldest_gives_way(weighs: bool) -> None:
    made = panel(weighs, capacity=5)
    for i in range(50):
        asked(made, str(i), ("anna", i % 3), ("ben", 1), number=i)
        assert len(made) == min(i + 1, 5)
    assert [made.get(str(i)) is not None for i in range(43, 50)] == [False] * 2 + [True] * 5


def test_more_good_annotators_more_right_labels() -> None:
    """The whole of it, against a vote: an event has answers of two good and three bad people."""
    truth, answers = crowd(0, events=400, skills=(0.95, 0.9, 0.4, 0.4, 0.4))
    found = {}
    for weighs in (True, False):
        made = panel(weighs, capacity=1000)
        for event, name, number in answers:
            if made.get(str(event)) is None:
                made.open(str(event), question(event))
            made.vote(str(event), Vote(name, number), CLASSES)
        right = [made.get(str(i)).number == true for i, true in enumerate(truth)]
        found[weighs] = np.mean(right)
    assert found[True] > found[False] + 0.05
    assert found[True] > 0.9


def test_a_class_that_is_new_is_not_taken_for_an_old_one() -> None:
    """Before it comes it is answered by mistake, and that is known. If its events were then taken
    for the old class, the mistake would seem to be common, and so for ever."""
    draws, made = np.random.default_rng(0), panel(capacity=1_000)
    for event in range(300):
        votes = [(name, int(draws.random() < 0.06)) for name in ("anna", "ben", "carl")]
        asked(made, f"old {event}", *votes, number=event)
    new = [asked(made, f"new {i}", ("anna", 1 - (i % 10 == 9)), number=i) for i in range(200)]
    assert np.mean([kept.number == 1 for kept in new[100:]]) > 0.85


_operations = st.lists(
    st.tuples(
        st.sampled_from(["vote", "again", "forget", "restore"]),
        st.sampled_from("abcdefg"),
        st.sampled_from(["anna", "ben", "carl", ""]),
        st.integers(0, 4),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(_operations, st.booleans())
def test_restored_at_any_time_it_goes_on_to_the_bit(operations, weighs) -> None:
    """A run that was killed has the consensus of one that was not."""
    one, other = panel(weighs, 4, ("carl",)), panel(weighs, 4, ("carl",))
    for time, (operation, id_, name, number) in enumerate(operations):
        said = []
        for made in (one, other):
            if operation == "vote":
                if made.get(id_) is None:
                    made.open(id_, question(number, gold=2 if id_ == "g" else -1))
                said.append([c[:1] + c[2:] for c in made.vote(id_, Vote(name, number, time), 5)])
            elif operation == "again" and made.get(id_) is not None:
                said.append(made.asked_again(id_, time))
            elif operation == "forget":
                made.forget(id_)
            said.append(made.most_doubtful(time, 3))
        assert said[: len(said) // 2] == said[len(said) // 2 :]
        if operation == "restore":
            saved, other = one.snapshot(), panel(weighs, 4, ("carl",))
            asked(other, "z", ("ben", 1))
            other.restore(saved)
            assert digest(other.snapshot()) == digest(saved)
        assert digest(other.fingerprint()) == digest(one.fingerprint())
