"""Label requests: what annotators are shown, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stream_cl.core.limits import EXAMPLES_MAX, ID_BYTES, LABEL_BYTES, RECORD_BYTES
from stream_cl.core.records import Events, Outgoing
from stream_cl.evaluation.conformal import NO_SET
from stream_cl.evaluation.examples import Example
from stream_cl.pipeline.evidence import Shown
from stream_cl.pipeline.requests import Requests, repeated
from stream_cl.testing.driver import TestDriver
from tests.pipeline.hands import BASE
from tests.pipeline.test_batches import raw_of
from tests.pipeline.test_publish import events_of, verdicts_of


def requests(**settings_: Any) -> Requests:
    return Requests(**{"strategy": "random", "ttl_ms": 5000, "fields": None, "candidates": 3,
                       **settings_})  # fmt: skip


PLAIN = Shown(NO_SET, None, 0.5, [])


def opened(
    made: Requests, events: Events, k: int = 4, shown: Shown = PLAIN
) -> list[dict[str, Any]]:
    n = len(events)
    verdicts = verdicts_of(n, k)
    verdicts.decision.asked[:] = True
    names = [f"class {i}" for i in range(k)]
    pairs = made.open(raw_of([0] * n), events, verdicts, names, 1_700_000_000_000, [shown] * n)
    assert [key.decode() for key, _, _ in pairs] == events.ids
    values = [json.loads(value) for _, value, _ in pairs]
    for i, value in enumerate(values):
        best = np.argsort(-verdicts.probabilities[i], kind="stable")[: made.candidates]
        best = best if shown.size == NO_SET else best[: shown.size]
        assert value["candidates"] == [names[j] for j in best]
    return values


def test_a_request_says_what_is_asked():
    (value,) = opened(requests(), events_of(["é%"], features=[{"a": 1, "b": "x", "c": None}]))
    assert value["request"] == "é%/1"
    assert value["status"] == "open"
    assert value["features"] == {"a": 1, "b": "x", "c": None}
    assert value["time"] == "2023-11-14T22:13:20.000Z"
    assert value["expires"] == "2023-11-14T22:13:25.000Z"
    assert (value["v"], value["attempt"], value["strategy"]) == (1, 1, "random")
    assert set(value) == {
        "v", "id", "request", "status", "time", "features", "candidates", "coverage", "utility",
        "propensity", "strategy", "priority", "reason", "expires", "attempt",
    }  # fmt: skip


def test_a_request_says_why_it_was_asked():
    """Who answers sees the classes that it may be, and events like it, nearest first."""
    near = [Example("e7", 2, 0.123456), Example("e1", 0, 4.0)]
    (value,) = opened(requests(), events_of(["1"]), 4, Shown(2, 0.9, 0.875, near))
    assert len(value["candidates"]) == 2
    assert value["coverage"] == 0.9
    assert value["priority"] == 0.875
    reason = value["reason"]
    assert reason["examples"] == [
        {"id": "e7", "label": "class 2", "distance": 0.1235},
        {"id": "e1", "label": "class 0", "distance": 4.0},
    ]
    assert (reason["strategy"], reason["utility"]) == (value["strategy"], value["utility"])
    assert reason["threshold"] is None, "no budget told one"


def test_a_request_fits_whatever_its_examples_are():
    """The largest ids and labels that can be, every character of which JSON writes with six."""
    id_, name = "\x01" * ID_BYTES, "\x01" * LABEL_BYTES
    n, near = 1, [Example(id_, 0, 1.0)] * EXAMPLES_MAX
    verdicts = verdicts_of(n, 10)
    verdicts.decision.asked[:] = True
    events = events_of([id_], features=[{"x": "y" * RECORD_BYTES}])
    shown = [Shown(10, 0.9, 0.5, near)]
    made = requests(candidates=10)
    ((_, value, _),) = made.open(raw_of([0]), events, verdicts, [name] * 10, 0, shown)
    assert len(value) <= RECORD_BYTES
    assert json.loads(value)["features_left_out"] is True
    assert len(json.loads(value)["reason"]["examples"]) == EXAMPLES_MAX


def test_a_question_that_stands_for_another_takes_it_back():
    """Two open requests about one event would be answered twice, and paid for twice."""
    again = json.dumps({"id": "a", "request": "a/3", "supersedes": "a/2"}).encode()
    taken_back, asked = repeated("a", again)
    assert json.loads(taken_back.value) == {
        "v": 1, "id": "a", "request": "a/2", "status": "withdrawn",
    }  # fmt: skip
    assert (asked.key, asked.value) == (b"a", again)
    answered = json.dumps({"id": "a", "request": "a/2"}).encode()
    assert [one.value for one in repeated("a", answered)] == [answered]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, {"name": "Ann", "amount": 3}),
        (frozenset({"amount"}), {"amount": 3}),
        (frozenset({"amount", "nothing"}), {"amount": 3}),
        (frozenset(), {}),
    ],
)
def test_only_allowed_features_leave(fields, expected):
    """People who label are not cleared for everything that a learner reads."""
    events = events_of(["1"], features=[{"name": "Ann", "amount": 3}])
    (value,) = opened(requests(fields=fields), events)
    assert value["features"] == expected
    assert "vector" not in value


@pytest.mark.parametrize(("fields", "leaves"), [(None, True), (frozenset({"a"}), False)])
def test_a_vector_leaves_only_where_everything_may(fields, leaves):
    events = events_of(["1"], features=[None], vectors=[[1.0, 2.0]])
    (value,) = opened(requests(fields=fields), events)
    assert value.get("vector") == ([1.0, 2.0] if leaves else None)
    assert value.get("features") == (None if leaves else {})


@pytest.mark.parametrize(("k", "most", "expected"), [(0, 5, 0), (4, 0, 0), (2, 5, 2), (9, 5, 5)])
def test_candidates_are_those_that_are_likely(k, most, expected):
    (value,) = opened(requests(candidates=most), events_of(["1"]), k)
    assert len(value["candidates"]) == expected


def test_the_allow_list_holds_in_the_whole_pipeline():
    """Not in requests, and not anywhere else that people read."""
    config = {**BASE, "requests": {"fields": ["x"]}, "encoder": {"kind": "hashing", "width": 16}}
    with TestDriver(config) as made:
        made.events([{"x": 1.5, "secret": "4111-1111"}], note="4111-1111")
        made.settle()
        (request,) = made.read("label-requests")
        assert request.value["features"] == {"x": 1.5}
        for topic in ("label-requests", "predictions", "manifest"):
            assert "4111-1111" not in str(made.read(topic))


@pytest.mark.parametrize("fields", ["all", ["x"]])
@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b'{"id":"1","time":1,"features":{"x":1.5,"y":"z\\u00e9","b":true,"n":null}}', ()),
        (b'{"features" : {"b":true, "n":null,"y":"z\xc3\xa9","x":1.5 }, "time":1,"id":"1"}', ()),
        (
            b'{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"1970-01-01T00:00:00Z",'
            b'"data":{"x":1.5,"y":"z\xc3\xa9","b":true,"n":null}}',
            (("content-type", b"application/cloudevents+json"),),
        ),
        (
            b'{"x":1.5,"y":"z\xc3\xa9","b":true,"n":null}',
            (
                ("ce_specversion", b"1.0"),
                ("ce_id", b"1"),
                ("ce_source", b"/s"),
                ("ce_type", b"t"),
                ("ce_time", b"1970-01-01T00:00:00Z"),
                ("content-type", b"application/json"),
            ),
        ),
    ],
    ids=["json", "json with spaces", "structured", "binary"],
)
def test_a_request_carries_the_features_however_the_event_came(value, headers, fields):
    """Who answers must see what the learner saw, in every form that events are read in."""
    config = {**BASE, "requests": {"fields": fields}, "encoder": {"kind": "hashing", "width": 16}}
    with TestDriver(config) as made:
        made.log.append([Outgoing(made.topics.events, 0, [None], [value], headers)])
        made.settle()
        (request,) = made.read("label-requests")
        whole = {"x": 1.5, "y": "zé", "b": True, "n": None}
        assert request.value["features"] == (whole if fields == "all" else {"x": 1.5})
