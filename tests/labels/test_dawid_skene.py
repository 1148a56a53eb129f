"""Trust in annotators, against the batch algorithm, and what it promises by itself."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.snapshot import digest
from stream_cl.labels.dawid_skene import DawidSkene
from tests.labels.crowds import Answers, crowd

EVEN = [("a", 0), ("b", 1)]


def learned(answers: Answers, classes: int, passes: int = 1) -> DawidSkene:
    """Event after event, every event with all of its answers; further passes look again."""
    trust = DawidSkene(max_annotators=20)
    votes: dict[int, list[tuple[str, int]]] = {}
    for event, name, number in answers:
        trust.came(name, number)
        votes.setdefault(event, []).append((name, number))
    known: dict[int, np.ndarray] = {}
    for _ in range(passes):
        for event, given in votes.items():
            if event in known:
                trust.learn(given, known[event], -1)
            known[event] = trust.posterior(given, classes)
            trust.learn(given, known[event])
    return trust


def batch(answers: Answers, classes: int, events: int, rounds: int = 200) -> dict[str, np.ndarray]:
    """Dawid and Skene 1979 as they wrote it, from majority vote, a little smoothed."""
    names = sorted({name for _, name, _ in answers})
    given = np.zeros((events, len(names), classes))
    for event, name, number in answers:
        given[event, names.index(name), number] += 1
    q = given.sum(axis=1) / given.sum(axis=(1, 2))[:, None]
    for _ in range(rounds):
        theta = np.einsum("ej,eal->ajl", q, given) + 0.01
        theta /= theta.sum(axis=2, keepdims=True)
        q = np.exp(np.einsum("eal,ajl->ej", given, np.log(theta)) + np.log(q.mean(axis=0)))
        q /= q.sum(axis=1, keepdims=True)
    return {name: theta[at] for at, name in enumerate(names)}


@pytest.mark.parametrize("seed", range(3))
def test_many_passes_are_as_near_the_truth_as_the_batch_algorithm(seed: int) -> None:
    """Else trust is a number of its own making."""
    skills = (0.9, 0.8, 0.4, 0.4)
    truth, answers = crowd(seed, events=400, skills=skills)
    expected = batch(answers, 3, len(truth))
    trust = learned(answers, 3, passes=8)
    ours, theirs = [], []
    for number, skill in enumerate(skills):
        true = np.full((3, 3), (1.0 - skill) / 2.0)
        np.fill_diagonal(true, skill)
        ours.append(np.abs(trust.confusion(f"annotator {number}") - true).mean())
        theirs.append(np.abs(expected[f"annotator {number}"] - true).mean())
    assert np.mean(ours) < 0.06
    assert np.mean(ours) < np.mean(theirs) + 0.005


@pytest.mark.parametrize("seed", range(5))
def test_who_is_right_is_trusted_and_outvotes_who_is_not(seed: int) -> None:
    """Two bad annotators must not overrule a good one."""
    _, answers = crowd(seed)
    trust = learned(answers, 3, passes=4)
    skills = [trust.trust(f"annotator {i}") for i in range(4)]
    assert np.abs(np.array(skills) - (0.9, 0.8, 0.4, 0.4)).max() < 0.1
    against = [("annotator 0", 2), ("annotator 2", 1), ("annotator 3", 1)]
    assert trust.posterior(against, 3).argmax() == 2


def test_the_first_answers_are_a_vote() -> None:
    """Before anything is known nobody counts more than another."""
    trust = DawidSkene(10)
    assert trust.posterior([], 4).tolist() == [0.25] * 4
    assert trust.posterior([("a", 1), ("b", 2), ("c", 1)], 4).argmax() == 1
    q = trust.posterior(EVEN, 2)
    assert q[0] == pytest.approx(q[1])
    assert trust.posterior([("a", 0)], 2)[0] == pytest.approx(0.7)


def test_a_new_annotator_starts_as_the_mean_of_all() -> None:
    """Else whoever joins a good crowd is doubted at first, or believed in a bad one."""
    trust = learned(crowd(1)[1], 3)
    all_four = np.mean([trust.trust(f"annotator {i}") for i in range(4)])
    assert trust.trust("new") == pytest.approx(all_four, abs=0.03)
    trust.came("new", 0)
    assert trust.trust("new") == pytest.approx(trust.trust("nobody"))
    assert (trust.confusion("new") == trust.confusion("nobody")).all()


def test_a_prior_of_this_event_decides_between_equal_votes() -> None:
    trust = DawidSkene(10)
    assert trust.posterior(EVEN, 2, np.array([0.2, 0.8])).argmax() == 1
    assert trust.posterior(EVEN, 3, np.array([0.8, 0.2])).argmax() == 0


def test_taking_out_undoes_adding() -> None:
    """An answer that is revised must leave no trace of what it said."""
    trust = learned(crowd(2, events=50)[1], 3)
    votes = [("annotator 0", 0), ("annotator 2", 1)]
    before, q = trust.confusion("annotator 0"), trust.posterior(votes, 3)
    trust.learn(votes, q)
    assert np.abs(trust.confusion("annotator 0") - before).max() > 1e-4
    trust.learn(votes, q, -1)
    assert trust.confusion("annotator 0") == pytest.approx(before)


def test_classes_appear_while_running() -> None:
    trust = DawidSkene(10)
    for number in range(6):
        votes = [("a", number), ("b", number)]
        for name, label in votes:
            trust.came(name, label)
        q = trust.posterior(votes, number + 1)
        trust.learn(votes, q)
        assert q.shape == (number + 1,)
        assert q.sum() == pytest.approx(1.0)
        assert trust.confusion("a").sum(axis=1) == pytest.approx(np.ones(number + 1))
    assert trust.posterior([("a", 9)], 2).shape == (10,)


def test_it_stays_bounded_and_forgets_who_is_silent() -> None:
    """A service with a new annotator every hour must not run out of memory."""
    trust, sizes = DawidSkene(max_annotators=8), []
    for number in range(100):
        votes = [("regular", 0), (f"once {number}", number % 2)]
        for name, label in votes:
            trust.came(name, label)
        trust.learn(votes, trust.posterior(votes, 2))
        sizes.append(trust.snapshot()["counts"].nbytes)
    assert len(trust) == 8
    assert sizes[-1] == sizes[7]
    assert "regular" in trust.names()
    assert trust.trust("once 0") == trust.trust("nobody")


def test_restored_it_goes_on_to_the_bit() -> None:
    """Otherwise a restart trusts others than the run that went on."""
    answers = crowd(3, events=60)[1]
    for cut in (0, 1, 60, 200):
        one, other = DawidSkene(3), DawidSkene(3)
        _go(one, answers[:cut])
        _go(other, crowd(4, events=9)[1])
        saved = one.snapshot()
        before = digest(saved)
        other.restore(saved)
        _go(one, answers[cut:])
        assert digest(saved) == before, "the snapshot shares memory"
        _go(other, answers[cut:])
        assert digest(one.snapshot()) == digest(other.snapshot())
    with pytest.raises(AssertionError, match="3 annotators, where 2"):
        DawidSkene(2).restore(one.snapshot())


def _go(trust: DawidSkene, answers: Answers) -> None:
    for _, name, number in answers:
        trust.came(name, number)
        votes = [(name, number)]
        trust.learn(votes, trust.posterior(votes, number + 1))


@pytest.mark.parametrize("seed", range(3))
def test_one_answer_of_each_is_a_vote(seed: int) -> None:
    """Of people who answered once or twice nothing can be known, least of all that they are
    better than others: the most votes decide."""
    _, answers = crowd(seed, events=60, classes=4, skills=(0.6,) * 5)
    trust = DawidSkene(max_annotators=1000)
    votes: dict[int, list[tuple[str, int]]] = {}
    for at, (event, _, number) in enumerate(answers):
        trust.came(f"person {at // 2}", number)
        votes.setdefault(event, []).append((f"person {at // 2}", number))
    known = {event: trust.posterior(given, 4) for event, given in votes.items()}
    for event, given in votes.items():
        trust.learn(given, known[event])
    for given in votes.values():
        counts = np.bincount([number for _, number in given], minlength=4)
        assert counts[trust.posterior(given, 4).argmax()] == counts.max()


def test_who_mistakes_one_class_for_another_is_known_to() -> None:
    """A systematic mistake is worth as much as a right answer."""
    draws, trust = np.random.default_rng(0), DawidSkene(10)
    for _ in range(3):
        for truth in draws.integers(0, 3, 200).tolist():
            votes = [("good", truth), ("fair", truth), ("swaps", (1, 0, 2)[truth])]
            for name, number in votes:
                trust.came(name, number)
            trust.learn(votes, trust.posterior(votes, 3))
    assert trust.confusion("swaps")[0, 1] > 0.8
    assert trust.posterior([("swaps", 1)], 3).argmax() == 0
    assert trust.posterior([("swaps", 2)], 3).argmax() == 2
