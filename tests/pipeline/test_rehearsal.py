"""A learner with a memory in the pipeline: recovered to the bit, bounded in time."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_cl.pipeline.guard import GuardedLearner
from stream_cl.pipeline.rehearsal import RehearsalPace
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, features, filled, label_of, outputs

REPLAY: dict[str, Any] = {
    "learner": {"kind": "replay_mlp", "hidden": 8},
    "memory": {"kind": "reservoir", "capacity": 20},
}
BALANCED = {**REPLAY, "memory": {"kind": "class_balanced", "capacity": 20}}


@pytest.mark.parametrize(("point", "nth"), [("committed", 6), ("learned", 5), ("learning", 7)])
def test_killed_with_a_memory_the_run_ends_as_if_it_had_not_been(
    tmp_path: Path, point: str, nth: int
) -> None:
    with filled(tmp_path / "untouched", REPLAY) as driver:
        driver.settle()
        expected, digest = outputs(driver), driver.digest()
    with filled(tmp_path / "killed", REPLAY) as driver:
        driver.crash_at(point, nth)
        driver.settle()
        assert outputs(driver) == expected
        assert driver.digest() == digest


@pytest.mark.parametrize("config", [REPLAY, BALANCED], ids=["reservoir", "class_balanced"])
def test_from_a_checkpoint_the_next_200_predictions_are_the_same_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    """Otherwise what is predicted depends on when the pipeline was last restarted."""
    going, restarted = tmp_path / "going", tmp_path / "restarted"
    bits: list[bytes] = []
    predict = GuardedLearner.predict

    def watched(self: GuardedLearner, x: Any) -> Any:
        found = predict(self, x)
        # A checkpoint's thread looks at the held-out set, with a learner of its own.
        if threading.current_thread() is threading.main_thread():
            bits.append(found[0].tobytes())
        return found

    monkeypatch.setattr(GuardedLearner, "predict", watched)
    with filled(going, config) as driver:
        driver.settle()
        assert driver.pipeline is not None
        driver.pipeline.checkpoint(wait=True)
        step, now_ms = driver.pipeline.state.step, driver.clock.now_ms()
        shutil.copytree(going, restarted)
        bits.clear()
        _go_on(driver, first=200)
        expected, bits_expected, digest = outputs(driver), bits.copy(), driver.digest()
    with TestDriver({**SMALL, **config}, restarted) as driver:
        driver.clock.advance(seconds=(now_ms - driver.clock.now_ms()) / 1000)
        found = driver.start()
        assert (found.checkpoint_step, found.replayed) == (step, 0)
        bits.clear()
        _go_on(driver, first=200)
        assert bits == bits_expected
        assert outputs(driver) == expected
        assert driver.digest() == digest
    assert len(expected["predictions"]) == 400


def _go_on(driver: TestDriver, first: int) -> None:
    """200 further events in steps of 20, half of them answered between the steps."""
    stream = features(200, seed=1)
    for start in range(0, 200, 20):
        part = {str(first + i): stream[i] for i in range(start, start + 20)}
        events = [{"id": id_, "time": 0, "features": x} for id_, x in part.items()]
        driver.pipe("events", [orjson.dumps(event) for event in events])
        driver.settle()
        driver.clock.advance(seconds=1)
        driver.labels({id_: label_of(x) for id_, x in list(part.items())[::2]})
    driver.settle()


def test_a_replay_rehearses_as_often_as_the_run_did(tmp_path: Path) -> None:
    """With a bound the counts differ from step to step; the manifest decides, not the clock."""
    bounded = REPLAY | {"learner": {**REPLAY["learner"], "compute_ms": 5.0}}
    with filled(tmp_path, bounded) as driver:
        driver.start()
        assert driver.pipeline is not None
        chosen = iter([4, 1, 3, 2] * 100)
        driver.pipeline._rehearsal.choose = lambda labels: next(chosen)  # type: ignore[method-assign]
        driver.settle()
        digest = driver.digest()
        driver.pipeline.abandon()
        written = [r.value["rehearsals"] for r in driver.read("manifest")[1:]]
        assert {1, 2, 3, 4} <= set(written)
        for checkpoint in (tmp_path / "checkpoints").iterdir():
            checkpoint.unlink()
        assert driver.start().replayed == len(written)
        assert driver.digest() == digest


class Rehearser:
    """As much of a learner as the pace looks at."""

    rehearsals = 8
    memory = None


def test_the_bound_holds_whatever_a_step_brings() -> None:
    """An operator who allows 10 ms must not find steps of a second."""
    pace = RehearsalPace(Rehearser(), compute_ms=10.0)  # type: ignore[arg-type]
    assert pace.choose(labels=5) == 8, "nothing is known yet"
    pace.took(labels=5, rehearsals=8, seconds=0.040)  # 1 ms per label and rehearsal
    assert pace.choose(labels=5) == 2
    assert pace.choose(labels=1) == 8
    assert pace.choose(labels=1000) == 1, "some learning there always is"


def test_without_a_bound_the_setting_holds() -> None:
    pace = RehearsalPace(Rehearser(), compute_ms=None)  # type: ignore[arg-type]
    pace.took(labels=5, rehearsals=8, seconds=100.0)
    assert pace.choose(labels=1000) == 8
