"""The figures of a pipeline that runs, computed again from its topics."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_cl.cli.inspect import inspect
from stream_cl.cli.shown import shown
from stream_cl.config import Config
from stream_cl.evaluation.confusion import ClassFigure
from stream_cl.evaluation.intervals import Estimate
from stream_cl.evaluation.late import OpenQuestions, standing_for
from stream_cl.evaluation.learning_curve import Advice
from stream_cl.observe.exposition import Metrics
from stream_cl.pipeline.watch import Status, figures_of, scores_of
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, features, label_of, outputs


def metrics(**known: Any) -> str:
    """What /metrics shows of a pipeline of which this is known."""
    found = shown(Status(incarnation=1, **known), True, Config.model_validate({}), 0.0)
    return Metrics().exposition(found).decode()


def answered(folder: Path, **sections: object) -> tuple[TestDriver, dict[str, str]]:
    """A driver whose questions have been answered step after step, every eighth never."""
    driver = TestDriver({**SMALL, **sections}, folder)
    given: dict[str, str] = {}
    truth: dict[str, str] = {}
    for part in range(25):
        stream = features(20, seed=part)
        ids = driver.events(stream)
        truth |= {id_: label_of(x) for id_, x in zip(ids, stream, strict=True)}
        driver.settle(expiry=False)
        asked = [r.value["id"] for r in driver.read("predictions") if r.value["asked"]]
        new = {id_: truth[id_] for id_ in asked if id_ not in given and int(id_) % 8}
        driver.labels(new)
        driver.settle(expiry=False)
        given |= new
    return driver, given


def test_figures_are_those_of_the_published_predictions(tmp_path: Path) -> None:
    """Whoever recomputes a figure from the topics must come to what /metrics shows."""
    driver, given = answered(tmp_path)
    with driver:
        predictions = {r.value["id"]: r.value for r in driver.read("predictions")}
        assert driver.pipeline is not None
        state = driver.pipeline.state
        weight = {id_: 1 / predictions[id_]["propensity"] for id_ in given}
        total = sum(weight.values())
        wrong = [id_ for id_ in given if predictions[id_]["label"] != given[id_]]
        accuracy = 1 - sum(weight[id_] for id_ in wrong) / total
        plain = state.accuracy.figures(state.events)["unbiased"]
        assert plain is not None
        assert plain.value == pytest.approx(accuracy)
        # Answers stand for the questions that are open, too.
        waits = [int(id_) for id_, p in predictions.items() if p["asked"] and id_ not in given]
        stands = standing_for(
            np.array([int(id_) for id_ in given]),
            np.array([1 / weight[id_] for id_ in given]),
            OpenQuestions(
                np.array(waits), np.array([predictions[str(i)]["propensity"] for i in waits])
            ),
        )
        right = np.array([id_ not in wrong for id_ in given])
        with_open = np.average(right, weights=1 / stands)
        loss = -sum(
            weight[id_] * math.log(max(2**-23, predictions[id_]["probabilities"].get(label, 0.0)))
            for id_, label in given.items()
        )
        scores, figures = scores_of(state), figures_of(state)
        unbiased = figures["unbiased"]
        assert unbiased is not None
        assert unbiased.value == pytest.approx(with_open)
        assert scores["log_loss"] == pytest.approx(loss / total, rel=1e-4)
        unchanged = scores["no_change"]
        assert unchanged is not None
        assert scores["kappa_temporal"] == pytest.approx((accuracy - unchanged) / (1 - unchanged))
        asked = sum(p["asked"] for p in predictions.values())
        assert scores["spend_share"] == pytest.approx(asked / len(predictions))
        assert scores["answered_share"] == pytest.approx(len(given) / asked)
        held = [id_ for id_ in given if predictions[id_]["reason"] == "held_out"]
        held_out, now = figures["held_out"], figures["held_out_now"]
        assert held_out is not None
        assert now is not None
        assert held_out.value == pytest.approx(1 - len(set(held) & set(wrong)) / len(held))
        assert len(state.held_out) == len(held)


def test_what_repeats_a_label_knows_no_more_than_the_learner(tmp_path: Path) -> None:
    """The no-change baseline must not use answers that came after the prediction."""
    sections = {"learner": {"kind": "no_change"}, "budget": {"fraction": 0.2, "held_out": 0.0}}
    driver, _ = answered(tmp_path, **sections)
    with driver:
        assert driver.pipeline is not None
        state = driver.pipeline.state
        unbiased = state.accuracy.figures(state.events)["unbiased"]
        assert unbiased is not None
        assert state.accuracy.scores().no_change == pytest.approx(unbiased.value)
        assert state.accuracy.scores().kappa_temporal == pytest.approx(0.0)


def test_looking_at_figures_changes_nothing(tmp_path: Path) -> None:
    """A pipeline that is scraped and one that is not must end the same."""
    driver, _ = answered(tmp_path)
    with driver:
        before = driver.digest()
        assert driver.pipeline is not None
        for _ in range(3):
            figures_of(driver.pipeline.state)
            scores_of(driver.pipeline.state)
        assert driver.digest() == before


def test_figures_never_steer_the_pipeline(tmp_path: Path) -> None:
    """Another window is another figure, and the same predictions and questions."""
    wide, _ = answered(tmp_path / "wide")
    narrow, _ = answered(tmp_path / "narrow", evaluation={"window": 7})
    with wide, narrow:
        assert outputs(wide) == outputs(narrow)


def test_questions_that_expire_are_counted_as_unanswered(tmp_path: Path) -> None:
    """An operator must see that half of the questions are never answered."""
    driver, given = answered(tmp_path)
    with driver:
        driver.clock.advance(seconds=driver.config.labels.ttl_s + 1)
        driver.settle()
        assert driver.pipeline is not None
        scores, counts = scores_of(driver.pipeline.state), driver.pipeline.state.counts
        assert counts["answered"] == len(given)
        assert counts["answered"] + counts["unanswered"] == counts["asked"]
        assert scores["answered_share"] is not None
        assert scores["unanswered_share"] is not None
        assert scores["answered_share"] + scores["unanswered_share"] == pytest.approx(1)


def test_figures_survive_a_crash(tmp_path: Path) -> None:
    """A restart must not begin the figures anew, or count an answer twice."""
    driver, _ = answered(tmp_path)
    with driver:
        assert driver.pipeline is not None
        before = (figures_of(driver.pipeline.state), scores_of(driver.pipeline.state))
        driver.pipeline.abandon()
        driver.start()
        state = driver.pipeline.state
        assert (figures_of(state), scores_of(state)) == before


def test_every_figure_is_shown_and_explained(tmp_path: Path) -> None:
    """A figure that no page explains is misread; one that only `inspect` has is not watched."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "figures.md").read_text()
    driver, _ = answered(tmp_path)
    with driver:
        assert driver.pipeline is not None
        driver.pipeline.checkpoint(wait=True)
        found = inspect(driver.config)
        figures, scores = figures_of(driver.pipeline.state), scores_of(driver.pipeline.state)
    assert found["scores"] == scores
    assert {name: value and value._asdict() for name, value in figures.items()} == found["accuracy"]
    assert found["spend"]["target_share"] == 0.2
    numbers = {name: figure for name, figure in figures.items() if figure}
    known = {name: score for name, score in scores.items() if score is not None}
    known.setdefault("agreement", 0.5)  # of several annotators, whom this stream does not have
    text = metrics(figures=numbers, scores=known)
    assert {*figures, *scores} == {*numbers, *known}, "the stream is long enough for each"
    for name in [*figures, *scores]:
        assert f"`{name}`" in page, name
    for name in figures:
        assert f'stream_cl_figure_ratio{{figure="{name}",bound="low"}}' in text
    for name in set(scores) - {"log_loss", "window_log_loss"}:
        assert f'stream_cl_score_ratio{{score="{name}"}}' in text
    for span in ("start", "window"):
        assert f'stream_cl_log_loss_nats{{span="{span}"}}' in text


def test_classes_and_the_gain_are_shown_with_their_intervals() -> None:
    """A class that is never recognised must be seen on a screen, not only its share of accuracy."""
    recall = Estimate(0.25, 0.125, 0.5)
    classes = {
        "fraud": ClassFigure(0, 0.1, 40.0, recall, None),
        "(others)": ClassFigure(1, 0.1, 40.0, Estimate(0.5, 0.5, 0.5), None),
    }
    advice = Advice("unknown", 0.01, -0.5, 0.5)
    others = Estimate(0.75, 0.7, 0.8)
    text = metrics(classes=classes, other_classes=others, advice=advice)
    assert 'stream_cl_class_ratio{class="fraud",figure="recall",bound="high"} 0.5' in text
    assert 'class="fraud",figure="precision"' not in text, "it has no value"
    assert text.count('class="(others)",figure="recall",bound="value"} 0.75') == 1
    assert text.count('class="(others)"') == 3, "a class of that name is one of them"
    assert 'stream_cl_gain_ratio{bound="low"} -0.5' in text
    assert "stream_cl_gain_ratio{" not in metrics()


def test_without_an_answer_no_score_is_shown() -> None:
    """A fresh pipeline must not report a log loss of 0, the best there is."""
    text = metrics()
    assert "stream_cl_log_loss_nats{" not in text
    assert "stream_cl_score_ratio{" not in text
    assert "\nstream_cl_forgetting_ratio" not in text
