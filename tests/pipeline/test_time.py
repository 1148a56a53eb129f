"""Logical time: from append times alone, so that a replay sees the same expiries."""

from __future__ import annotations

import orjson

from stream_cl.testing.driver import TestDriver
from tests.pipeline.hands import TTL_S, ask, driver, fates, letters, requests


def time_ms(made: TestDriver) -> int:
    assert made.pipeline is not None
    return made.pipeline.state.time_ms


def steps(made: TestDriver) -> list[dict[str, object]]:
    return [r.value for r in made.read("manifest") if r.value["kind"] == "step"]


def test_an_answer_that_was_written_in_time_is_not_late_after_an_outage():
    """The pipeline was down, not the annotator: nothing that people paid for is thrown away."""
    with driver() as made:
        ids = ask(made, 10)
        made.clock.advance(seconds=TTL_S / 2)
        made.labels(dict.fromkeys(ids, "up"))
        made.clock.advance(seconds=10 * TTL_S)
        made.events([{"x": 1.0}] * 10)
        made.start()
        made.settle()
        assert fates(made)["learned"] == 10
        assert "late" not in fates(made)
        assert [status for _, status in requests(made)].count("withdrawn") == 0


def test_answers_written_at_the_very_moment_of_expiry_are_all_in_time():
    """Ten labels of one append time, four to a step: the last six are as early as the first."""
    with driver() as made:
        ids = ask(made, 10)
        made.clock.advance(seconds=TTL_S)
        made.labels(dict.fromkeys(ids, "up"))
        made.settle()
        assert fates(made) == {"learned": 10}


def test_what_is_left_unread_is_the_same_for_a_new_process():
    """A restart reads ahead otherwise; when expiry waits must not depend on it."""
    read_to = []
    for restart in (False, True):
        with driver() as made:
            made.events([{"x": 1.0}] * 2)
            made.clock.advance(seconds=1)
            made.labels({f"nobody {i}": "up" for i in range(2)})
            made.clock.advance(seconds=1)
            made.labels({f"nobody {i}": "up" for i in range(2, 12)})
            assert made.pipeline is not None
            while made.pipeline.step():
                if restart:
                    made.start()
            read_to.append([(s["unread_ms"], s["slices"]) for s in steps(made)])
            read_to.append(made.pipeline.state.read_to_ms)
    assert read_to[:2] == read_to[2:]


def test_a_record_of_the_future_moves_nothing():
    """One sensor with a wrong clock must not expire everybody's questions."""
    with driver() as made:
        ids = ask(made, 3)
        before = time_ms(made)
        made.events([{"x": 1.0}], time="2099-01-01T00:00:00Z")
        late = orjson.dumps({"id": ids[0], "label": "up", "time": "2099-01-01T00:00:00Z"})
        made.pipe("labels", [late])
        made.settle()
        assert time_ms(made) == before == made.clock.now_ms()
        assert fates(made) == {"learned": 1}
        assert made.read("predictions")[-1].value["time"] == "2099-01-01T00:00:00.000Z"


def test_an_append_time_ahead_of_the_clock_moves_nothing():
    """A broker's clock that runs ahead is held back by the pipeline's own."""
    with driver() as made:
        ask(made, 2)
        made.clock.advance(seconds=1000 * TTL_S)
        made.events([{"x": 1.0}])
        before = time_ms(made)
        made.clock._now_ms -= 999 * TTL_S * 1000
        made.settle()
        assert time_ms(made) == made.clock.now_ms() == before + TTL_S * 1000


def test_time_never_goes_back():
    with driver() as made:
        ask(made)
        before = time_ms(made)
        made.clock._now_ms -= 5000
        ask(made)
        assert time_ms(made) == before
        assert [s["time_ms"] for s in steps(made)] == [before] * 2


def test_expiry_is_a_step_of_its_own_while_idle():
    """Nobody is left waiting because no event comes."""
    with driver() as made:
        ask(made)
        taken = len(steps(made))
        made.clock.advance(seconds=TTL_S)
        assert made.settle() == 2, "the expiry, and what it has to say"
        assert [s["tick"] for s in steps(made)[taken:]] == [True, True]
        assert [s["slices"] for s in steps(made)[taken:]] == [[], []]
        assert time_ms(made) == made.clock.now_ms()
        assert made.settle() == 0


def test_a_finite_run_takes_no_expiry_steps():
    """`--until-idle` ends in the same state whenever it is run."""
    with driver() as made:
        ask(made)
        digest = made.digest()
        made.clock.advance(seconds=100 * TTL_S)
        assert made.settle(expiry=False) == 0
        assert made.digest() == digest
        assert fates(made) == {}


def test_publishing_what_is_left_to_say_keeps_the_time():
    """A step that only publishes the outbox depends on no clock, in a finite run too."""
    with driver() as made:
        ask(made)
        made.clock.advance(seconds=2 * TTL_S)
        made.labels({"0": "up"})
        made.labels({"0": "down"})
        assert made.pipeline is not None
        assert made.pipeline.step(expiry=False)
        before = time_ms(made)
        assert letters(made) == []
        made.clock.advance(seconds=TTL_S)
        assert made.pipeline.step(expiry=False)
        assert [letter.code for letter in letters(made)] == ["conflicting_label"]
        assert time_ms(made) == before
        assert steps(made)[-1]["tick"] is True
        assert not made.pipeline.step(expiry=False)


def test_what_expires_with_an_event_step_needs_no_tick():
    """Events carry the time too: their append time expires what is over."""
    with driver() as made:
        ask(made)
        made.clock.advance(seconds=TTL_S)
        ask(made)
        assert fates(made) == {"expired": 1}
        assert requests(made) == [("0", "open"), ("1", "open"), ("0", "withdrawn")]


def test_an_outage_expires_nothing_that_labels_may_still_answer():
    """Labels of two partitions, one read to its end and one not: expiry waits for the other."""
    with driver(topics={"partitions": 2}) as made:
        ids = ask(made, 8)
        made.clock.advance(seconds=TTL_S - 1)
        values = [orjson.dumps({"id": id_, "label": "up"}) for id_ in ids]
        made.pipe("labels", values[:4], partition=0)
        made.pipe("labels", values[4:], partition=1)
        made.clock.advance(seconds=5 * TTL_S)
        made.events([{"x": 1.0}])
        made.settle()
        assert fates(made) == {"learned": 8}
