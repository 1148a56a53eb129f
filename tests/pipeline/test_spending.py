"""What the pipeline tells its budget, and what people see of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_cl.core.protocols import REASONS
from stream_cl.testing.driver import TestDriver
from tests.pipeline.hands import BASE, TTL_S, answer, ask, driver

COST: dict[str, Any] = {
    "kind": "cost", "amount": 1e6, "per": "1000_events", "price": 2.0, "prices": {"ann": 3.0},
    "floor": 1.0, "held_out": 0.0, "cold_start": 0,
}  # fmt: skip


def spending(made: TestDriver) -> Any:
    assert made.pipeline is not None
    return made.pipeline.state.budget.spending()


def test_a_question_that_nobody_answered_gives_its_label_back():
    """Else people who are away for a week are asked less for ever after."""
    with driver() as made:
        ask(made, 6)
        made.clock.advance(TTL_S + 1)
        made.settle()
        assert spending(made).asked == 6
        assert spending(made).waiting == 6
        ask(made, 4)
        assert 0 < spending(made).refunded <= 4 * 20 / 5000 + 1e-9


def test_an_answered_question_gives_nothing_back():
    with driver() as made:
        for one in ask(made, 3):
            answer(made, one)
        made.clock.advance(TTL_S + 1)
        made.settle()
        assert spending(made).waiting == 0


def test_answers_are_paid_by_who_gave_them():
    """Money is what the budget counts, and the answer says what it was."""
    with TestDriver({**BASE, "budget": COST}) as made:
        ids = ask(made, 4)
        made.labels({ids[0]: "a"}, annotator="ann")
        made.labels({ids[1]: "a"}, annotator="ann", cost=0.5)
        made.labels({ids[2]: "a"})
        made.settle(expiry=False)
        assert spending(made).paid == pytest.approx(3.0 + 0.5 + 2.0)


def test_every_decision_is_counted_by_its_reason():
    """The share that leaves what the figures speak of is on /metrics."""
    with driver(budget={"labels_per_key": 1}) as made:
        made.events([{"x": float(i)} for i in range(4)])
        made.settle(expiry=False)
        assert made.pipeline is not None
        counts = made.pipeline.state.counts
        found = {reason: counts.get(f"decided.{reason}", 0) for reason in REASONS}
        assert sum(found.values()) == 4
        reasons = [one.value["reason"] for one in made.read("predictions")]
        assert found == {reason: reasons.count(reason) for reason in REASONS}


@pytest.mark.parametrize("kind", ["per_time", "cost", "split"])
def test_a_run_that_was_killed_spends_as_one_that_was_not(kind, tmp_path):
    """What was spent is part of the state: rebuilt from the log, to the bit."""
    given: dict[str, Any] = {
        "step": {"max_events": 4},
        "encoder": {"kind": "columns", "columns": ["x"]},
        "learner": {"kind": "majority"},
        "budget": {"kind": kind, "cold_start": 2, "labels_per_key": 3, "class_share": 0.5},
        "labels": {"ttl_s": 5.0},
        "checkpoint": {"every_steps": 7, "digest_every_steps": 1},
    }
    with TestDriver(given, tmp_path) as made:
        for number in range(12):
            ids = made.events([{"x": float(i)} for i in range(8)])
            made.clock.advance(1.0 + number % 3)
            made.settle()
            made.labels({ids[0]: "a"}, annotator="ann", cost=0.3)
        made.settle()
        assert made.pipeline is not None
        before = made.pipeline.state.budget.snapshot()
        digest = made.digest()
        made.pipeline.abandon()
        made.start()
        assert made.digest() == digest
        after = made.pipeline.state.budget.snapshot()
        assert {name: part.tobytes() for name, part in after.items()} == {
            name: part.tobytes() for name, part in before.items()
        }
        assert np.isfinite(after["levels"]).all()


def crowd_asked(events: int, answered: float = 1.0, **sections: Any) -> tuple[TestDriver, int, int]:
    """Labels asked for, and questions among them, where people answer after a while."""
    with driver(
        step={"max_events": 64},
        learner={"kind": "softmax"},
        labels={"ttl_s": TTL_S, "pending_capacity": 5000},
        **sections,
    ) as made:
        draw, names = np.random.default_rng(3), ["ann", *(f"person {i}" for i in range(30))]
        due: list[tuple[int, str, str, int]] = []
        read, step = 0, 64
        for turn in range(events // step):
            x = draw.normal(size=step)
            made.events([{"x": float(one)} for one in x])
            made.clock.advance(seconds=1)
            made.settle(expiry=False)
            requests = [r.value for r in made.read("label-requests")]
            for one in requests[read:]:
                if one["status"] != "open" or draw.random() >= answered:
                    continue
                label = "up" if one["features"]["x"] > draw.normal(scale=0.5) else "down"
                who = names[one.get("attempt", 1) - 1]
                due.append((turn + int(draw.integers(1, 6)), one["id"], label, who))
            read = len(requests)
            for at, id_, label, who in [one for one in due if one[0] <= turn]:
                made.labels({id_: label}, annotator=who)
                due.remove((at, id_, label, who))
        opened = [r.value for r in made.read("label-requests") if r.value["status"] == "open"]
        return made, len(opened), sum(one.get("attempt", 1) == 1 for one in opened)


HELD: dict[str, Any] = {"kind": "fraction", "fraction": 0.1, "floor": 0.3, "cold_start": 10}


@pytest.mark.parametrize(
    ("annotators", "share"),
    [
        ({"trust": "dawid_skene", "relabel": 0.5}, 0.5),
        ({"trust": "votes", "answers": 3}, 2.0),
        ({"trust": "dawid_skene", "answers": 2, "relabel": 0.3}, 1.3),
    ],
)
def test_what_is_asked_again_is_inside_the_target(annotators, share):
    """The target is what people have to answer, whichever question it is about."""
    events = 6016
    made, labels, questions = crowd_asked(events, annotators=annotators, budget=HELD)
    again = labels - questions
    assert again > 0.1 * share * questions
    assert abs(labels - 0.1 * events) <= 30
    assert made.pipeline is not None
    assert spending(made).asked == pytest.approx(labels, abs=30)


def test_answers_that_never_come_are_not_paid_for():
    """A crowd that answers half of the questions is asked no less for ever after."""
    given = {"trust": "votes", "answers": 3}
    made, labels, questions = crowd_asked(6016, 0.5, annotators=given, budget=HELD)
    assert labels < 3 * questions
    assert made.pipeline is not None
    assert abs(spending(made).asked - 0.1 * 6016 - spending(made).refunded) <= 30


def test_an_expert_who_answers_gives_the_other_answers_back():
    given = {"trust": "votes", "answers": 3, "experts": ["ann"]}
    _, labels, questions = crowd_asked(3008, annotators=given, budget=HELD)
    assert labels == questions
    assert 0.7 * 0.1 * 3008 < labels < 0.1 * 3008 + 30, "a third of it, were nothing given back"
