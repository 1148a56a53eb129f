"""Simulated annotators: several answers to a question, wrong ones among them, without a log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_cl.cli.evaluate import figures, run_once
from stream_cl.config import Config
from stream_cl.pipeline.crowd import Crowd
from stream_cl.pipeline.offline import Outcome, Row

N = 1500


def rows() -> list[Row]:
    draw = np.random.default_rng(3)
    x = draw.standard_normal((N, 2))
    sums = (x @ [1.0, 0.5] + 0.3 * draw.standard_normal(N)).tolist()
    return [
        Row({"a": a, "b": b}, "up" if s > 0.4 else "down" if s < -0.4 else "flat")
        for (a, b), s in zip(x.tolist(), sums, strict=True)
    ]


def run(**sections: Any) -> tuple[Outcome, dict[str, Any]]:
    sections.setdefault("budget", {"fraction": 0.2})
    outcome, live = run_once(Config.model_validate(sections), rows())
    return outcome, {**figures(outcome, live), **live}


def test_an_annotator_says_the_same_of_an_event_whatever_else_is_asked():
    """Else a run would depend on the order of its answers."""
    crowd, other = Crowd(1, 4, 0.5), Crowd(1, 4, 0.5)
    for one in (crowd, other):
        for name in ("x", "y", "z"):
            one.saw(name)
    answers = [crowd.answer(str(i), "x", k) for i in range(200) for k in (1, 2)]
    again = [other.answer(str(i), "x", k) for k in (2, 1) for i in reversed(range(200))]
    assert sorted(map(str, answers)) == sorted(map(str, again))
    wrong = sum(answer["label"] != "x" for answer in answers) / len(answers)
    assert wrong == pytest.approx(0.5, abs=0.08)
    assert {answer["label"] for answer in answers} == {"x", "y", "z"}


def test_a_question_goes_to_all_before_it_goes_to_one_twice():
    """A second answer of the same person is no second answer."""
    crowd = Crowd(0, 3)
    for i in range(20):
        names = [crowd.answer(str(i), "x", attempt)["annotator"] for attempt in (1, 2, 3)]
        assert len(set(names)) == 3
        assert crowd.answer(str(i), "x", 4)["annotator"] == names[0]
    assert Crowd(0).answer("7", "x") == {"id": "7", "label": "x"}


@pytest.mark.parametrize("delay", [0, 40])
def test_a_question_gets_its_answers_within_the_spend(delay):
    """What `annotators.answers: 3` costs and gives can be seen before people are asked."""
    outcome, found = run(
        annotators={"trust": "votes", "answers": 3}, labels={"error_rate": 0.2, "delay": delay}
    )
    questions = sum(outcome.asked)
    assert outcome.labels == pytest.approx(0.2 * N, abs=40)
    assert len(outcome.spent) == N
    assert outcome.spent == sorted(outcome.spent)
    assert outcome.spent[-1] == outcome.labels, "what pictures draw accuracy against"
    assert 2.2 * questions < outcome.labels <= 3 * questions
    people = found["details"]["annotators"]
    assert {f"annotator-{i}" for i in range(3)} <= set(people)
    answers = sum(one["answers"] for one in people.values())
    assert answers == pytest.approx(outcome.labels, abs=3 + delay)


def test_doubtful_labels_are_asked_again():
    """`annotators.relabel` spends a part on answers that are there."""
    outcome, _ = run(
        annotators={"trust": "dawid_skene", "relabel": 0.5},
        labels={"error_rate": 0.3, "annotators": 5},
    )
    again = outcome.labels - sum(outcome.asked)
    assert again > 10
    assert outcome.labels == pytest.approx(0.2 * N, abs=40)


def test_wrong_answers_make_a_worse_learner_and_several_a_better_one():
    """Else the error rate is read and ignored."""
    right = run()[1]["accuracy"]
    wrong = run(labels={"error_rate": 0.4})[1]["accuracy"]
    assert right > wrong + 0.02


def test_labels_that_come_for_all_events_are_wrong_as_often():
    """`join: every` reads them with the events."""
    _, found = run(labels={"join": "every", "error_rate": 0.4})
    assert found["unbiased"].value < run(labels={"join": "every"})[1]["unbiased"].value - 0.1


def test_without_them_nothing_has_changed():
    """One annotator without a name who is always right, as before."""
    outcome, found = run()
    assert outcome.labels == sum(outcome.asked)
    assert len(found["details"]["annotators"]) == 1
