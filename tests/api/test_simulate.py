"""`simulate`: what a pipeline does, event for event, and clear words for what cannot be."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_cl import ConfigError, Pipeline, UserError, simulate

N, WIDTH = 300, 4


def data() -> tuple[np.ndarray, list[str]]:
    """Classes that differ in their first number; the first events show each of them."""
    draws = np.random.default_rng(2)
    codes = np.concatenate([[0, 1, 2], draws.integers(3, size=N - 3)])
    x = draws.normal(size=(N, WIDTH)).astype(np.float32)
    x[:, 0] += 2.0 * codes
    return x, [["red", "green", "blue"][c] for c in codes]


@pytest.mark.parametrize("step", [1, 8])
@pytest.mark.parametrize("query", ["uncertainty", "density", "probabilistic"])
def test_it_is_what_a_pipeline_does(step: int, query: str) -> None:
    """Else a strategy that was chosen by simulation is another one in production."""
    x, y = data()
    sections: dict[str, Any] = {"query": {"kind": query}, "budget": {"fraction": 0.2}}
    pipeline = Pipeline(
        encoder={"kind": "vector", "width": WIDTH, "standardise": False},
        step={"max_events": step}, seed=5, **sections,
    )  # fmt: skip
    predicted, asked, propensity = [], [], []
    for start in range(0, N, step):
        for one in pipeline.feed(x[start : start + step].astype(float).tolist()):
            predicted.append(one.label)
            asked.append(one.asked)
            propensity.append(one.propensity)
        if pipeline.requests:
            pipeline.answer({one.id: y[int(one.id)] for one in pipeline.requests})
    found = simulate(x, y, step=step, seed=5, **sections)
    names = [None if code < 0 else found.classes[code] for code in found.predicted]
    assert names == predicted
    assert found.asked.tolist() == asked
    assert found.propensity.tolist() == propensity
    assert found.labels == sum(asked) > 20
    assert found.accuracy == np.mean([a == b for a, b in zip(names, y, strict=True)])


def test_labels_of_any_kind() -> None:
    """Classes are told in the order in which they came."""
    x = [[0.0], [1.0], [0.0], [1.0]]
    for labels in (["b", "a", "b", "a"], [7, 3, 7, 3], [True, False, True, False]):
        assert simulate(x, labels).classes.tolist() == labels[:2]


@pytest.mark.parametrize(
    ("x", "y", "more", "words"),
    [
        ([[1.0], [float("nan")]], [0, 1], {}, "missing, infinite"),
        ([[1e39], [1.0]], [0, 1], {}, "too large"),
        ([1.0, 2.0], [0, 1], {}, "a matrix"),
        ([], [], {}, "a matrix"),
        ([[1.0], [1.0, 2.0]], [0, 1], {}, "not a matrix"),
        ([["a"]], [0], {}, "not a matrix"),
        ([[1.0], [2.0]], [0], {}, "a label for each of 2 events"),
        ([[1.0], [2.0]], [None, "a"], {}, "cannot be compared"),
        ([[1.0], [2.0]], [0, 1], {"step": 0}, "below 1"),
        ([[1.0], [2.0], [3.0]], [0, 1, 2], {"learner": {"max_classes": 2}}, "max_classes is 2"),
        ([[1.0], [2.0]], [0, 1], {"budget": {"kind": "per_time"}}, "no clock"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_cannot_be(x: Any, y: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        simulate(x, y, **more)


def test_mistakes_in_the_config() -> None:
    with pytest.raises(ConfigError, match="did you mean uncertainty"):
        simulate([[1.0]], [0], query={"kind": "uncertanty"})


def test_the_example_of_the_page() -> None:
    """docs/asking.md shows figures; they must be what comes out."""
    page = Path(__file__).resolve().parents[2] / "docs" / "asking.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 5
    assert not found.failed
