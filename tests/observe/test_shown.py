"""What an operator sees of a pipeline that runs: each figure moves when what it names happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_cl import __version__, build
from stream_cl.cli.shown import StepHistograms, shown
from stream_cl.observe.exposition import Metrics
from stream_cl.pipeline.runner import Pipeline
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, features, label_of


class Watched:
    """A pipeline that is driven by hand, and its metrics."""

    def __init__(self, driver: TestDriver) -> None:
        self.driver = driver
        self.metrics = Metrics()
        self.pipeline: Pipeline = build.pipeline(
            driver.config, driver.log, driver.clock, watch=StepHistograms(self.metrics)
        )
        driver.pipeline = self.pipeline

    def values(self) -> dict[tuple[str, ...], float]:
        """Metric without its prefix, and values of its labels → number."""
        now_s = self.driver.clock.monotonic_s()
        found = shown(self.pipeline.status(), True, self.driver.config, now_s)
        return {
            (s.name.removeprefix("stream_cl_"), *s.labels.values()): s.value
            for family in text_string_to_metric_families(self.metrics.exposition(found).decode())
            for s in family.samples
        }


@contextmanager
def watched(folder: Path, **sections: Any) -> Iterator[Watched]:
    with TestDriver({**SMALL, **sections}, folder) as driver:
        yield Watched(driver)


def test_how_long_everything_took(tmp_path: Path) -> None:
    """Late events, slow answers and slow stages are three different faults."""
    with watched(tmp_path) as one:
        driver = one.driver
        one.pipeline.start()
        ids = driver.events(features(30))
        driver.clock.advance(seconds=2)
        driver.events(features(10, seed=1))
        driver.clock.advance(seconds=1)
        driver.settle()
        asked = [r.value["id"] for r in driver.read("label-requests")]
        driver.clock.advance(seconds=40)
        truth = dict(zip(ids, features(30), strict=True))
        driver.labels({id_: label_of(truth[id_]) for id_ in asked if id_ in truth})
        driver.settle()
        found = one.values()
    assert found["prediction_seconds_count",] == 40
    assert found["prediction_seconds_bucket", "1.0"] == 10
    assert found["prediction_seconds_bucket", "5.0"] == 40
    assert found["prediction_seconds_sum",] == pytest.approx(30 * 3 + 10 * 1)
    answered = found["answer_seconds_count",]
    assert answered == found["answered_total",] > 0
    # A question is as old as the newest record of its step in the log, and so is its answer.
    assert found["answer_seconds_bucket", "60.0"] == answered
    assert found["answer_seconds_bucket", "15.0"] == 0
    steps = found["step",]
    assert {found["step_seconds_count", s] for s in ("take", "score", "commit", "learn")} == {steps}
    assert found["step_whole_seconds_count",] == found["behind_seconds_count",] == steps
    assert found["events_total",] == found["predictions_total",] == 40


def test_how_far_behind_it_is(tmp_path: Path) -> None:
    """In records by topic, and in seconds; a queue of labels is not a queue of events."""
    with watched(tmp_path) as one:
        driver = one.driver
        one.pipeline.start()
        driver.settle()
        assert one.values()["lag_seconds",] == 0
        driver.clock.advance(seconds=100)
        one.pipeline.step()  # an idle pipeline looks all the time
        driver.events(features(50))
        driver.labels({"unknown": "up"})
        driver.clock.advance(seconds=7)
        found = one.values()
        assert found["lag_records", "events"] == 50
        assert found["lag_records", "labels"] == 1
        assert found["lag_seconds",] == pytest.approx(7)
        one.pipeline.step()
        driver.clock.advance(seconds=3)
        found = one.values()
        assert found["lag_records", "events"] == 30
        assert found["lag_seconds",] == pytest.approx(10)
        driver.settle()
        found = one.values()
    assert found["lag_seconds",] == found["lag_records", "events"] == 0


def test_what_recovery_did_and_what_it_rests_on(tmp_path: Path) -> None:
    """Whoever is woken at night asks first: since when, how much was replayed, how old is it."""
    with TestDriver(SMALL, tmp_path) as driver:
        driver.events(features(100))
        driver.start()
        assert driver.pipeline is not None
        for _ in range(3):
            driver.pipeline.step()
        driver.pipeline.checkpoint(wait=True)
        saved_s = driver.clock.now_ms() / 1000
        driver.pipeline.step()
        driver.pipeline.abandon()
        driver.clock.advance(seconds=60)
        one = Watched(driver)
        one.pipeline.start()
        found = one.values()
        size = max(p.stat().st_size for p in (tmp_path / "checkpoints").glob("*.safetensors"))
        assert found["checkpoint_bytes",] == size
        one.pipeline.checkpoint(wait=True)
        after = one.values()
    assert found["incarnation",] == 2
    assert found["recovery_replayed_steps",] == 1
    assert found["recovery_differing_steps",] == found["recovery_corrupt_checkpoints",] == 0
    assert found["recovery_seconds",] >= 0
    assert found["checkpoint_steps_behind",] == 1
    assert found["checkpoint_timestamp_seconds",] == saved_s
    assert ("checkpoint_seconds", "copy") not in found, "another process wrote it"
    assert found["checkpoints_total",] == 0
    assert found["retention_expired",] == 0
    assert after["checkpoints_total",] == 1
    assert after["checkpoint_steps_behind",] == 0
    assert after["checkpoint_timestamp_seconds",] == saved_s + 60
    assert {("checkpoint_seconds", "copy"), ("checkpoint_seconds", "write")} <= set(after)
    kinds = (__version__, "softmax", "uncertainty", "fraction", "sqlite")
    assert after["build_info", *kinds] == 1


def test_a_drift_shows_while_it_is_asked_about(tmp_path: Path) -> None:
    """An operator must see why more is asked now."""
    query = {"kind": "burst_on_drift", "of": {"kind": "uncertainty"}, "events": 500}
    with watched(tmp_path, query=query) as one:
        one.pipeline.start()
        assert one.values()["drift_burst_events",] == 0
        strategy: Any = one.pipeline.state.query
        strategy._watch = replace(strategy._watch, left=500)
        assert one.values()["drift_burst_events",] == 500


def test_figures_of_long_ago_say_so(tmp_path: Path) -> None:
    """During a step that hangs the last figures stand, and must not look like those of now."""
    with watched(tmp_path) as one:
        one.pipeline.start()
        status = one.pipeline.status()
        one.driver.clock.advance(seconds=90)
        found = shown(status, True, one.driver.config, one.driver.clock.monotonic_s())
        assert found.series["status_age_seconds"] == {(): pytest.approx(90)}
