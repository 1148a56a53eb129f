"""The control topic: pause and resume, as inputs of the step like any other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.records import RawRecords
from stream_cl.pipeline import control
from tests.pipeline.hands import as_sent, ask, driver, letters, pause, requests


def decode(*values: bytes | None) -> tuple[list[str], list[str]]:
    n = len(values)
    raw = RawRecords("control", [0] * n, list(range(n)), [None] * n, list(values), [()] * n)
    commands, dead = control.decode(raw)
    return commands, [letter.code for letter in dead]


def test_commands_are_read_in_their_order():
    values = (b'{"command":"pause"}', b'{"v":1,"command":"resume"}', b'{"v":1,"command":"pause"}')
    assert decode(*values) == (["pause", "resume", "pause"], [])


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"pause",
        b'"pause"',
        b"null",
        b"3",
        b'["pause"]',
        b'{"command":"stop"}',
        b'{"command":["pause"]}',
        b'{"command":{}}',
        b'{"command":null}',
        b'{"Command":"pause"}',
        b'{"command":"pause"',
        b'{"v":2,"command":"pause"}',
        b"[" * 5000,
        b"\xff",
    ],
)
def test_what_cannot_be_obeyed_is_a_dead_letter(value):
    assert decode(value) == ([], ["bad_control"])


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_stop_the_stream(values):
    commands, codes = decode(*values)
    assert len(commands) + len(codes) == len(values)


def test_the_last_command_of_a_step_counts():
    assert control.asking(True, ["pause", "resume"])
    assert not control.asking(True, ["resume", "pause"])
    assert control.asking(True, [])
    assert not control.asking(False, [])


def test_a_paused_pipeline_predicts_and_learns_and_does_not_ask():
    """People go home; the stream does not."""
    with driver() as made:
        (first,) = ask(made)
        pause(made)
        made.labels({first: "up"})
        ids = ask(made, 5)
        assert requests(made) == [(first, "open")]
        values = {r.value["id"]: r.value for r in made.read("predictions")}
        assert len(values) == 6
        assert {values[i]["reason"] for i in ids} == {"not_allowed"}
        assert {values[i]["propensity"] for i in ids} == {0}
        assert made.pipeline is not None
        assert made.pipeline.state.learned == 1
        pause(made, "resume")
        (last,) = ask(made)
        assert requests(made) == [(first, "open"), (last, "open")]


def test_a_pause_holds_from_the_next_step_on():
    """The step that reads it was decided before: a function of the log, not of a moment."""
    with driver(step={"max_events": 2}) as made:
        made.pipe("control", [b'{"command":"pause"}'])
        made.events([{"x": 1.0}] * 3)
        made.settle(expiry=False)
        asked = [r.value["asked"] for r in made.read("predictions")]
        assert asked == [True, False, False]


def test_a_pause_outlives_a_restart():
    with driver() as made:
        pause(made)
        made.start()
        ask(made, 2)
        assert requests(made) == []
        assert made.pipeline is not None
        made.pipeline.close()
        made.start()
        ask(made, 2)
        assert requests(made) == []


def test_the_letter_carries_the_bytes():
    with driver() as made:
        made.pipe("control", [b" stop! "], keys=[b"\xff"])
        made.settle(expiry=False)
        (letter,) = letters(made)
        assert letter._replace(code="", reason="") == as_sent(made, "control", 0)
        assert letter.code == "bad_control"
        assert "pause" in letter.reason
        assert "resume" in letter.reason
