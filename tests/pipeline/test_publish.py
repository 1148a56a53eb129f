"""What leaves: valid JSON by the contract, whatever ids, classes and numbers there are."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.limits import TIME_MAX_MS, TIME_MIN_MS
from stream_cl.core.protocols import REASONS, Decision
from stream_cl.core.records import Events
from stream_cl.pipeline import publish
from stream_cl.pipeline.publish import Stamp, Verdicts
from stream_cl.pipeline.requests import withdrawn

FIELDS = [
    "v", "id", "time", "label", "probabilities", "uncertainty", "utility", "asked", "propensity",
    "step", "model", "reason",
]  # fmt: skip
STAMP = Stamp(7, 3, 'a "model"%s/12')
CLASSES = [0, 1, 2, 9, 10, 11, 300]
# Whatever could end a string, a template or a line of JSON.
_nasty = st.text(
    st.sampled_from("\"\\%b{}[],:/ 'aé\u2028漢😀\u007f") | st.characters(codec="utf-8"),
    min_size=1,
    max_size=12,
)


def events_of(ids: list[str], times_ms: list[int] | None = None, **columns: Any) -> Events:
    n = len(ids)
    times = times_ms or [1_700_000_000_000 + i for i in range(n)]
    features = columns.get("features", [{} for _ in range(n)])
    vectors = columns.get("vectors", [None] * n)
    return Events(list(range(n)), ids, times, features, [None] * n, vectors, [None] * n, [0] * n)


def verdicts_of(n: int, k: int, seed: int = 1, sharp: float = 1.0) -> Verdicts:
    draw = np.random.default_rng(seed)
    p = draw.exponential(size=(n, k)) ** sharp
    p /= np.maximum(p.sum(axis=1, keepdims=True), 1e-300)
    asked = draw.random(n) < 0.5
    reason = draw.integers(0, len(REASONS), n).astype(np.uint8)
    decision = Decision(draw.random(n), asked, asked & False, reason, None)
    best = p.max(axis=1, initial=0.0)
    return Verdicts(p, 1.0 - best, draw.random(n), decision)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("n", [0, 1, 7, 8, 40])
def test_a_prediction_says_what_the_learner_did(n, k):
    """Whoever reads predictions acts on these numbers."""
    names = [f"class {i}" for i in range(k + 3)]  # the learner may know fewer than are named
    events, verdicts = events_of([str(i) for i in range(n)]), verdicts_of(n, k)
    values = publish.predictions(events, verdicts, names, STAMP)
    assert len(values) == n
    for i, value in enumerate(map(json.loads, values)):
        p = verdicts.probabilities[i]
        assert list(value) == FIELDS
        assert value["v"] == 1
        assert value["id"] == str(i)
        assert value["label"] == (names[p.argmax()] if k else None)
        listed = value["probabilities"]
        assert len(listed) == min(k, 10)
        for name, probability in listed.items():
            assert probability == pytest.approx(p[names.index(name)], abs=5.1e-7)
        if k:
            assert value["label"] in listed
            assert min(listed.values()) >= np.sort(p)[-min(k, 10)] - 1e-6, "the 10 largest"
        assert value["uncertainty"] == pytest.approx(verdicts.uncertainty[i], abs=5.1e-7)
        assert value["utility"] == pytest.approx(verdicts.utility[i], abs=5.1e-7)
        assert value["propensity"] == verdicts.decision.propensity[i], "figures divide by it"
        assert value["asked"] is bool(verdicts.decision.asked[i])
        assert value["reason"] == REASONS[verdicts.decision.reason[i]]
        assert (value["step"], value["model"]) == (7, STAMP.model)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_nasty, min_size=1, max_size=12),
    st.lists(_nasty, unique=True, max_size=12),
    st.integers(0, 5),
)
def test_any_text_gives_valid_json(ids, names, seed):
    """A class called `100 %` or `"`, or an id in Chinese, must not break every reader."""
    verdicts = verdicts_of(len(ids), len(names), seed)
    values = publish.predictions(events_of(ids), verdicts, names, STAMP)
    for i, value in enumerate(map(json.loads, values)):
        assert list(value) == FIELDS
        assert value["id"] == ids[i]
        assert set(value["probabilities"]) <= set(names)
        assert len(value["probabilities"]) == min(len(names), 10)
        if names:
            assert value["label"] == names[verdicts.probabilities[i].argmax()]


@pytest.mark.parametrize("k", [2, 10, 11, 300])
def test_the_predicted_class_is_listed_though_all_are_alike(k):
    """Probabilities that differ beyond the sixth digit only: the label must not be missing."""
    p = np.full((1, k), 1 / k)
    p[0, -1] += 1e-9
    verdicts = verdicts_of(1, k)
    verdicts.probabilities = p
    (value,) = publish.predictions(events_of(["a"]), verdicts, [str(i) for i in range(k)], STAMP)
    parsed = json.loads(value)
    assert parsed["label"] == str(k - 1)
    assert str(k - 1) in parsed["probabilities"]


@pytest.mark.parametrize("number", [0.0, 1.0, 1e-300, 5e-7, 1e-5, 0.1 + 0.2, 1 - 1e-16])
def test_numbers_are_json_numbers(number):
    """No `1e-05` that is cut off, no NaN, no `-0.0` surprises in any column."""
    verdicts = verdicts_of(2, 2)
    verdicts.probabilities[:] = [number, 1 - number]
    verdicts.uncertainty[:] = verdicts.utility[:] = verdicts.decision.propensity[:] = number
    for value in publish.predictions(events_of(["a", "b"]), verdicts, ["x", "y"], STAMP):
        parsed = json.loads(value, parse_constant=pytest.fail)
        assert parsed["propensity"] == number
        assert parsed["utility"] == pytest.approx(number, abs=1e-6)


_times = st.integers(TIME_MIN_MS, TIME_MAX_MS)


@given(st.lists(_times, min_size=1, max_size=20))
def test_times_are_written_alike_in_small_and_large_steps(times):
    """Else the bytes of a prediction depend on the size of its step."""
    alone = [publish.rfc3339([ms])[0] for ms in times]
    assert publish.rfc3339(times) == alone
    for ms, text in zip(times, alone, strict=True):
        parsed = datetime.fromisoformat(text.decode().replace("Z", "+00:00"))
        since = parsed - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
        assert round(since.total_seconds() * 1000) == pytest.approx(ms, abs=1)
        assert len(text) == 24


def test_a_withdrawal_names_its_question():
    """Annotators take the question back by these fields."""
    key, value, row = withdrawn("é/1")
    assert key.decode() == "é/1"
    assert row is None
    assert json.loads(value) == {"v": 1, "id": "é/1", "request": "é/1/1", "status": "withdrawn"}
