"""Steps over arrays: predicting ahead changes nothing, whatever asks and whatever spends.

When this fails, what is tried out on arrays is not what a pipeline does.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from stream_cl import build
from stream_cl.api_config import checked
from stream_cl.config import kinds
from stream_cl.pipeline import arrays
from stream_cl.pipeline.arrays import Course

N, WIDTH, CLASSES = 400, 6, 3
BUDGETS = [kind for kind in kinds("budget") if kind not in {"per_time", "cost"}]


def course(step: int, **sections: Any) -> Course:
    """Three classes that drift, in steps of `step`, with each answer before the next step."""
    config = checked({"seed": 3, **sections})
    draws = np.random.default_rng(1)
    y = draws.integers(CLASSES, size=N)
    x = draws.normal(size=(N, WIDTH)).astype(np.float32)
    x[:, 0] += 2.0 * y + np.arange(N) / 200
    words = draws.integers(2**64, size=(N, 3), dtype=np.uint64)
    return build.array_steps(config, WIDTH, step).run(x, y, words)


def same(monkeypatch: pytest.MonkeyPatch, step: int, **sections: Any) -> Course:
    """The course with nothing predicted ahead, after a look that it is that of the default."""
    found = course(step, **sections)
    monkeypatch.setattr(arrays, "AHEAD", 1)
    alone = course(step, **sections)
    for ahead, by_itself in zip(astuple(found), astuple(alone), strict=True):
        assert ahead.tobytes() == by_itself.tobytes()
    assert 10 < alone.asked.sum() < N
    return alone


@pytest.mark.parametrize("query", kinds("query"))
def test_every_strategy(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """Some keep a state that moves with each event: it must not move with what was thrown away."""
    budget = {"fraction": 0.2, "held_out": 0.1}
    same(monkeypatch, 1, query={"kind": query}, budget=budget)


@pytest.mark.parametrize("kind", BUDGETS)
@pytest.mark.parametrize("step", [1, 5, 7, 40])
def test_every_budget(monkeypatch: pytest.MonkeyPatch, kind: str, step: int) -> None:
    """And every size of a step: what is asked in one is learned after it."""
    same(monkeypatch, step, budget={"kind": kind, "fraction": 0.2})


@pytest.mark.parametrize("learner", ["softmax", "prototype", "replay_mlp", "river"])
def test_every_learner(monkeypatch: pytest.MonkeyPatch, learner: str) -> None:
    memory = {"memory": {"kind": "reservoir"}} if learner == "replay_mlp" else {}
    same(monkeypatch, 1, learner={"kind": learner}, budget={"fraction": 0.2}, **memory)


def test_what_is_held_out_is_not_learned() -> None:
    """All that is asked is held out: nothing is ever known."""
    half = {"fraction": 0.5, "floor": 1.0, "held_out": 0.999, "cold_start": 0}
    found = course(1, query={"kind": "random"}, budget=half)
    assert found.held_out.sum() > 100
    learned = np.flatnonzero(found.asked & ~found.held_out)
    first = learned[0] if len(learned) else N
    assert (found.predicted[: first + 1] == -1).all()
    assert (found.predicted[first + 1 :] >= 0).all()
