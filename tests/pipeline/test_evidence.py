"""What a request shows besides the event, in a pipeline that runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.conformal import ConformalSets
from stream_cl.evaluation.examples import Examples
from stream_cl.pipeline.details import details_of
from stream_cl.pipeline.evidence import RANKED, Evidence
from stream_cl.testing.driver import TestDriver
from tests.evaluation.test_live import answered


def opened(driver: TestDriver) -> list[dict]:
    return [r.value for r in driver.read("label-requests") if r.value["status"] == "open"]


def test_the_figure_is_that_of_the_published_requests(tmp_path: Path) -> None:
    """Whoever counts from the topics how often the truth was offered must find the same."""
    driver, given = answered(tmp_path)
    with driver:
        asked = [r for r in opened(driver) if r["id"] in given and r["coverage"] is not None]
        held = [given[r["id"]] in r["candidates"] for r in asked]
        assert driver.pipeline is not None
        state = driver.pipeline.state
        figure = state.evidence.sets.figures()["set_coverage"]
        assert figure is not None
        assert len(held) > 30
        assert figure.value == pytest.approx(np.mean(held))


def test_examples_are_answered_events_that_are_learned_from(tmp_path: Path) -> None:
    """A held-out label on a request would leak into what is learned."""
    driver, given = answered(tmp_path)
    with driver:
        predictions = {r.value["id"]: r.value for r in driver.read("predictions")}
        shown = [e for r in opened(driver) for e in r["reason"]["examples"]]
        assert len(shown) > 100
        for example in shown:
            assert example["label"] == given[example["id"]]
            assert predictions[example["id"]]["reason"] != "held_out"
        last = opened(driver)[-1]["reason"]["examples"]
        assert [e["distance"] for e in last] == sorted(e["distance"] for e in last)
        for request in opened(driver):
            prediction = predictions[request["id"]]
            assert request["reason"]["draw"] == prediction["reason"]
            assert 0 <= request["priority"] <= 1


def test_examples_can_be_left_out(tmp_path: Path) -> None:
    """Who may not show one person's events to another switches them off."""
    driver, _ = answered(tmp_path, requests={"examples": 0})
    with driver:
        assert not any(request["reason"]["examples"] for request in opened(driver))


def test_the_priority_is_the_rank_among_the_requests_before() -> None:
    """Whatever the step size, and whatever the scale of the utilities."""
    utility = np.random.default_rng(1).integers(0, 50, 3 * RANKED).astype(np.float64)
    nothing, x = np.zeros((len(utility), 0)), np.zeros((len(utility), 2), dtype=np.float32)
    for cuts in ([1, 3, 400], [250]):
        evidence, found = Evidence(ConformalSets(0.9, 5), Examples(2, 3)), []
        for part in np.split(np.arange(len(utility)), cuts):
            found += evidence.of(nothing[part], utility[part], x[part])
            evidence.commit(utility[part])
        for i, shown in enumerate(found):
            past = utility[max(0, i - RANKED) : i]
            less = (past < utility[i]).mean() + (past == utility[i]).mean() / 2 if i else 0.5
            assert shown.priority == pytest.approx(less)
        other = Evidence(ConformalSets(0.9, 5), Examples(2, 3))
        other.restore(evidence.snapshot())
        assert digest(other.snapshot()) == digest(evidence.snapshot())
        assert other.of(nothing[:3], utility[:3], x[:3]) == evidence.of(
            nothing[:3], utility[:3], x[:3]
        )


def test_details_add_up(tmp_path: Path) -> None:
    """Shares of classes, cells and bins are shares of all events."""
    driver, given = answered(tmp_path)
    with driver:
        assert driver.pipeline is not None
        before = driver.digest()
        found = details_of(driver.pipeline.state)
        assert driver.digest() == before, "looking changes nothing"
    assert set(found["classes"]) == set(given.values())
    assert sum(one["share"] for one in found["classes"].values()) == pytest.approx(1)
    assert sum(map(sum, found["confusion"]["shares"])) == pytest.approx(1)
    assert sum(one["share"] for one in found["reliability"]) == pytest.approx(1)
    assert found["advice"]["says"] == "unknown"
    assert 0 < len(found["learning_curve"]) <= len(given)
