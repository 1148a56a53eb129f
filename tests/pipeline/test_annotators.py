"""Several answers to a question, from the topic to the learner, with delays and crashes.

One test per row of the second table in `labels/join.py`; longer than other files, because that
table is long.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_cl.core.limits import ANSWERS_PER_QUESTION
from stream_cl.core.protocols import Rehearses
from stream_cl.testing.driver import TestDriver
from tests.pipeline.hands import TTL_S, ask, driver, end_of, fates, learned, letters
from tests.pipeline.streams import SMALL, features, label_of, outputs

VOTES: dict[str, Any] = {"annotators": {"trust": "votes"}}
WEIGHED: dict[str, Any] = {"annotators": {"trust": "dawid_skene"}}


def tell(made: TestDriver, id_: str, label: str | None, annotator: str, **fields: Any) -> None:
    made.labels({id_: label}, annotator=annotator, **fields)
    made.settle(expiry=False)


def predicted(made: TestDriver) -> str:
    ask(made)
    label: str = made.read("predictions")[-1].value["label"]
    return label


@pytest.mark.parametrize("sections", [VOTES, WEIGHED])
def test_added(sections):
    """A second annotator is weighed with the first; a third who agrees with them decides."""
    with driver(**sections) as made:
        (id_,) = ask(made)
        tell(made, id_, "down", "anna")
        tell(made, id_, "up", "ben")
        assert fates(made) == {"learned": 1, "added": 1}
        assert learned(made) == 1
        tell(made, id_, "up", "carl")
        assert fates(made) == {"learned": 1, "added": 2}
        assert made.pipeline.state.counts["corrected"] == 1
        assert made.pipeline.state.counts["relearned"] == 1
        assert learned(made) == 2
        examples = made.pipeline.state.evidence.examples.snapshot()["number"]
        assert examples.tolist() == [made.pipeline.state.join.classes.names.index("up")]
        assert letters(made) == []


@pytest.mark.parametrize("sections", [VOTES, WEIGHED])
def test_revised(sections):
    """Who finds that they were wrong can say so, and the learner learns it."""
    with driver(**sections, learner={"kind": "no_change"}) as made:
        (id_,) = ask(made)
        tell(made, id_, "down", "anna", revision=3)
        assert predicted(made) == "down"
        tell(made, id_, "up", "anna", revision=4)
        assert fates(made) == {"learned": 1, "revised": 1}
        assert predicted(made) == "up"


def test_outdated_repeated_and_conflicting():
    """Records that come twice or out of order change nothing."""
    with driver(**WEIGHED) as made:
        (id_,) = ask(made)
        tell(made, id_, "down", "anna", revision=3)
        tell(made, id_, "up", "anna", revision=2)
        assert fates(made) == {"learned": 1, "outdated": 1}
        tell(made, id_, "down", "anna", revision=3)
        assert fates(made) == {"learned": 1, "outdated": 1, "repeated": 1}
        assert letters(made) == []
        offset = end_of(made, "labels")
        tell(made, id_, "up", "anna", revision=3)
        assert fates(made)["conflicting"] == 1
        (letter,) = letters(made)
        assert (letter.code, letter.source[2]) == ("conflicting_label", offset)
        assert "'anna' had answered 'down'" in letter.reason
        assert learned(made) == 1


def test_none_of_these_and_one_class_too_many_after_an_answer():
    with driver(**WEIGHED, learner={"max_classes": 2}) as made:
        ids = ask(made, 2)
        tell(made, ids[0], "down", "anna")
        tell(made, ids[1], "up", "anna")
        tell(made, ids[0], "__none__", "ben")
        tell(made, ids[0], "left", "ben")
        tell(made, ids[0], None, "ben")
        assert fates(made) == {"learned": 2, "conflicting": 1, "refused": 1, "abstained": 1}
        assert [letter.code for letter in letters(made)] == [
            "conflicting_label", "too_many_classes",
        ]  # fmt: skip


@pytest.mark.parametrize("sections", [{}, VOTES, WEIGHED])
def test_what_is_thrown_away_makes_no_class(sections):
    """Else whoever sends junk uses up `max_classes`, and true classes are refused for ever."""
    with driver(**sections, learner={"max_classes": 5}) as made:
        ids = ask(made, 2)
        tell(made, ids[0], "up", "eve", revision=2)
        for number in range(6):
            tell(made, ids[0], f"junk{number}", "eve", revision=2)
            tell(made, ids[0], f"old{number}", "eve", revision=1)
        tell(made, ids[1], "down", "anna")
        assert made.pipeline.state.join.classes.names == ["up", "down"]
        assert fates(made)["learned"] == 2
        assert fates(made).get("refused", 0) == 0
        assert fates(made)["conflicting"] + fates(made).get("outdated", 0) == 12


def test_surplus_makes_no_class():
    """Answers beyond those that a question takes are thrown away, their classes with them."""
    with driver(**VOTES) as made:
        (id_,) = ask(made)
        for number in range(ANSWERS_PER_QUESTION):
            made.labels({id_: "up"}, annotator=f"annotator {number}")
        made.labels({id_: "junk"}, annotator="one more")
        made.settle(expiry=False)
        assert fates(made)["surplus"] == 1
        assert made.pipeline.state.join.classes.names == ["up"]


def test_surplus():
    """A question that everybody answers takes a bounded number of answers."""
    with driver(**VOTES) as made:
        (id_,) = ask(made)
        for number in range(ANSWERS_PER_QUESTION + 2):
            made.labels({id_: "up"}, annotator=f"annotator {number}")
        made.settle(expiry=False)
        assert fates(made) == {"learned": 1, "added": ANSWERS_PER_QUESTION - 1, "surplus": 2}


def test_a_question_that_is_no_longer_kept_takes_no_more_answers():
    with driver(annotators={"trust": "votes", "capacity": 1}) as made:
        ids = ask(made, 2)
        tell(made, ids[0], "up", "anna")
        tell(made, ids[1], "up", "anna")
        tell(made, ids[0], "down", "ben")
        assert fates(made) == {"learned": 2, "conflicting": 1}


def test_a_held_out_event_is_corrected_and_still_not_learned():
    """Else the held-out accuracy is measured against labels that are known to be wrong."""
    with driver(**VOTES, budget={"held_out": 0.99}) as made:
        (id_,) = ask(made)
        assert made.read("predictions")[-1].value["reason"] == "held_out"
        tell(made, id_, "down", "anna")
        tell(made, id_, "up", "anna", revision=1)
        names = made.pipeline.state.join.classes.names
        kept = made.pipeline.state.held_out.snapshot()["y"].tolist()
        assert [names[number] for number in kept] == ["up"]
        assert learned(made) == 0


def test_memory_rehearses_the_corrected_label():
    """Otherwise what is known to be wrong is learned again and again."""
    sections = {
        "learner": {"kind": "replay_mlp"}, "memory": {"kind": "reservoir", "capacity": 50},
    }  # fmt: skip
    with driver(**VOTES, **sections) as made:
        ids = ask(made, 8)
        made.labels(dict.fromkeys(ids, "down"), annotator="anna")
        made.settle(expiry=False)
        made.labels(dict.fromkeys(ids, "up"), annotator="anna", revision=1)
        made.settle(expiry=False)
        learner = made.pipeline.state.guard.learner
        assert isinstance(learner, Rehearses)
        assert set(learner.memory.snapshot()["y"].tolist()) == {1}
        assert predicted(made) == "up"


def test_what_is_outvoted_within_a_step_counts_for_its_last_class_alone():
    """Else a strategy that balances classes counts a label that was never right for ever."""
    query = {"kind": "class_balance", "of": {"kind": "random"}}
    with driver(**VOTES, query=query) as made:
        (id_,) = ask(made)
        step = made.pipeline.state.step
        for name, label in (("anna", "down"), ("ben", "up"), ("carl", "up")):
            made.labels({id_: label}, annotator=name)
        made.settle(expiry=False)
        assert made.pipeline.state.step == step + 1
        assert made.pipeline.state.counts["relearned"] == 1
        own = made.pipeline.state.query.snapshot()
        assert (own["counts"][:2] / own["gain"]).tolist() == pytest.approx([0.0, 1.0])


def test_gold_and_experts_from_the_config():
    given = {"trust": "votes", "gold": {"0": "left"}, "experts": ["boss"]}
    with driver(annotators=given) as made:
        ids = ask(made, 2)
        tell(made, ids[0], "up", "anna")
        tell(made, ids[1], "up", "anna")
        tell(made, ids[1], "down", "boss")
        tell(made, ids[1], "up", "ben")
        state = made.pipeline.state
        names = state.join.classes.names
        assert [names[state.join.panel.get(id_).number] for id_ in ids] == ["left", "down"]
        assert learned(made) == 3, "the gold class and the first answer, then the expert's"


def test_a_question_is_asked_again_until_it_has_its_answers():
    """Each request is a new attempt with the event's features, and expires later."""
    given = {"trust": "votes", "answers": 3}
    with driver(annotators=given, budget={"cold_start": 1}) as made:
        (id_,) = ask(made)
        for name in ("anna", "ben", "carl", "dora"):
            made.clock.advance(seconds=1)
            tell(made, id_, "up", name)
            made.settle()
        opened = [r.value for r in made.read("label-requests")]
        assert [(r["request"], r["attempt"]) for r in opened] == [
            (f"{id_}/1", 1), (f"{id_}/2", 2), (f"{id_}/3", 3),
        ]  # fmt: skip
        assert all(r["features"] == {"x": 0.0} for r in opened)
        assert opened[0]["expires"] < opened[1]["expires"] < opened[2]["expires"]
        assert made.pipeline.state.counts["asked_again"] == 2


def test_a_doubtful_label_is_asked_again_while_new_events_are_sure():
    """Once the learner is sure of what comes, labels that contradict each other are worth more."""
    given = {"trust": "dawid_skene", "relabel": 0.5}
    asks = {"floor": 0.5, "cold_start": 100}
    with driver(annotators=given, learner={"kind": "softmax"}, budget=asks) as made:
        for _ in range(30):
            new = made.events([{"x": 1.0}, {"x": -1.0}])
            made.settle(expiry=False)
            for name in ("anna", "ben"):
                made.labels(dict(zip(new, ("up", "down"), strict=True)), annotator=name)
            made.settle(expiry=False)
        # Two who were always right until now, and of whom one must be wrong here.
        (doubtful,) = made.events([{"x": -1.0}])
        made.settle(expiry=False)
        made.labels({doubtful: "down"}, annotator="anna")
        made.labels({doubtful: "up"}, annotator="ben")
        made.settle(expiry=False)
        before = len(again(made))
        made.events([{"x": 1.0}, {"x": -1.0}])
        made.settle()
        assert [one["id"] for one in again(made)[before:]][:1] == [doubtful]
        assert len(again(made)) == made.pipeline.state.counts["asked_again"]
        assert len(again(made)) <= made.pipeline.state.counts["asked"] / 2


def again(made: TestDriver) -> list[Any]:
    """The requests that are not the first about their event."""
    return [r.value for r in made.read("label-requests") if r.value.get("attempt", 1) > 1]


def test_what_annotators_did_is_written_down():
    with driver() as made:
        ids = ask(made, 3)
        made.clock.advance(seconds=5)
        made.labels({ids[0]: "up"}, annotator="anna", cost=2)
        made.labels({ids[1]: "up"}, annotator="anna", cost=4)
        made.labels({ids[2]: None}, annotator="ben")
        made.settle(expiry=False)
        accounts = made.pipeline.state.join.accounts.items()
        assert list(accounts) == ["anna", "ben"]
        assert (accounts["anna"].answers, accounts["anna"].mean_cost) == (2, 3.0)
        assert accounts["anna"].mean_seconds == pytest.approx(5.0)
        assert (accounts["ben"].answers, accounts["ben"].abstained) == (0, 1)
        assert accounts["ben"].mean_cost is None


# --- delays and crashes ---

CROWD: dict[str, Any] = {
    **SMALL,
    "step": {"max_events": 11},
    "labels": {"ttl_s": TTL_S},
    "budget": {"kind": "fraction", "fraction": 0.5},
    "learner": {"kind": "replay_mlp"},
    "memory": {"kind": "class_balanced", "capacity": 40},
    "annotators": {
        "trust": "dawid_skene", "answers": 2, "relabel": 0.3, "capacity": 60,
        "experts": ["boss"], "gold": {"3": "up", "30": "up"},
    },
}  # fmt: skip


def crowded(folder: Path) -> TestDriver:
    """A log with events, and answers of five people with heavy-tailed delays: before the event,
    at once, and beyond the ttl; revisions and abstentions among them."""
    made, draw = TestDriver(CROWD, folder), random.Random(5)
    stream = features(200)
    due: list[tuple[float, str, str | None, str, int]] = []
    for number, event in enumerate(stream):
        if number % 7 == 5:
            continue  # nobody ever answers
        for name in ("anna", "ben", "carl", "dora", "boss"):
            label = label_of(event) if draw.random() < 0.8 else draw.choice(["up", "down"])
            delay = draw.lognormvariate(0.0, 1.5) - 1.0
            due.append((number / 10 + delay, str(number), label, name, 0))
            if draw.random() < 0.2:
                due.append((number / 10 + 2 * delay, str(number), label_of(event), name, 1))
            if draw.random() < 0.1:
                due.append((number / 10 + delay, str(number), None, name, 0))
    due.sort(key=lambda one: one[:2] + one[3:])
    for second in range(40):
        made.events(stream[second * 10 : second * 10 + 10])
        while due and due[0][0] <= second + 0.5:
            _, id_, label, name, revision = due.pop(0)
            made.labels({id_: label}, annotator=name, revision=revision)
        made.clock.advance(seconds=1)
    return made


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Any]], str]:
    """Outputs and digest of a run that was never killed."""
    with crowded(tmp_path_factory.mktemp("crowd")) as made:
        made.settle()
        counts = made.pipeline.state.counts
        for fate in ("learned", "added", "revised", "abstained", "expired", "early"):
            assert counts.get(f"labels.{fate}", 0) > 0, (fate, counts)
        assert min(counts["corrected"], counts["relearned"], counts["asked_again"]) > 0
        return outputs(made), made.digest()


@pytest.mark.parametrize(
    ("point", "nth"),
    [("committed", 5), ("learning", 9), ("learned", 12), ("checkpoint-copied", 1)],
)
def test_killed_anywhere_the_run_ends_as_if_it_had_not_been(
    tmp_path: Path, point: str, nth: int, untouched: tuple[dict[str, list[Any]], str]
) -> None:
    """Who is trusted, what was corrected and who is asked again are functions of the log."""
    with crowded(tmp_path) as made:
        made.crash_at(point, nth)
        made.settle()
        assert outputs(made) == untouched[0]
        assert made.digest() == untouched[1]


def test_from_empty_the_manifest_gives_the_state_again(
    tmp_path: Path, untouched: tuple[dict[str, list[Any]], str]
) -> None:
    with crowded(tmp_path) as made:
        made.settle()
        assert made.pipeline is not None
        made.pipeline.abandon()
        for checkpoint in (tmp_path / "checkpoints").iterdir():
            checkpoint.unlink()
        assert made.start().checkpoint_step is None
        assert made.digest() == untouched[1]


@pytest.mark.parametrize("delay_s", [0.0, 0.5, TTL_S - 1, TTL_S + 5, 100 * TTL_S])
def test_later_answers_count_however_late_the_first_only_in_time(delay_s: float):
    """A request expires; what is known of a question that was answered does not."""
    with driver(**WEIGHED) as made:
        first, second = ask(made, 2)
        tell(made, first, "up", "anna")
        made.clock.advance(seconds=delay_s)
        made.settle()
        tell(made, first, "down", "ben")
        tell(made, second, "down", "ben")
        made.settle()
        late = delay_s >= TTL_S
        assert fates(made).get("late", 0) == late
        assert fates(made)["learned"] == 2 - late
        assert fates(made)["added"] == 1


def test_a_failed_batch_leaves_the_learner_and_its_memory_as_they_were(monkeypatch):
    """A correction is part of the batch: it is taken back with it."""
    sections = {
        "learner": {"kind": "replay_mlp"}, "memory": {"kind": "reservoir", "capacity": 50},
    }  # fmt: skip
    with driver(**VOTES, **sections) as made:
        ids = ask(made, 3)
        made.labels(dict.fromkeys(ids, "down"), annotator="anna")
        made.settle(expiry=False)
        learner = made.pipeline.state.guard.learner
        before, learns = learner.memory.snapshot(), type(learner).learn

        def fails(self: Any, x: Any, y: np.ndarray, weight: Any) -> None:
            learns(self, x, y, weight)
            if y.max() > 0:
                raise ValueError("no")

        monkeypatch.setattr(type(learner), "learn", fails)
        tell(made, ids[0], "up", "anna", revision=1)
        after = learner.memory.snapshot()
        assert after["y"].tolist() == before["y"].tolist()
        assert [letter.code for letter in letters(made)] == ["quarantined"]
