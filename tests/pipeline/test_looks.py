"""Looks at the held-out set: taken with checkpoints, off the steps' way, kept over a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_cl.checkpoint.folder import CheckpointFolder
from stream_cl.pipeline.details import HeldOutFigures
from stream_cl.pipeline.state import State
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, features, label_of

EVERY: dict[str, Any] = {
    **SMALL,
    "labels": {"join": "every", "held_out_fraction": 0.3},
    "checkpoint": {"every_steps": 1_000_000, "every_s": 86_400},
}


def taught(driver: TestDriver, seed: int, flipped: bool = False) -> None:
    """200 events with their labels, learned; `flipped` turns the classes round."""
    other = {"up": "down", "down": "up"}
    stream = features(200, seed)
    ids = driver.events(stream)
    truth = {id_: label_of(x) for id_, x in zip(ids, stream, strict=True)}
    driver.labels({id_: other[label] if flipped else label for id_, label in truth.items()})
    driver.settle()


def looked(driver: TestDriver) -> HeldOutFigures:
    """A checkpoint, and what its look gave."""
    assert driver.pipeline is not None
    driver.pipeline.checkpoint(wait=True)
    return driver.pipeline.status().held_out


def test_what_is_forgotten_shows_and_outlives_a_crash(tmp_path: Path) -> None:
    """The concept turns round: the old events of the held-out set are no longer recognised. After
    `kill -9` the best that ever was is still known."""
    with TestDriver(EVERY, tmp_path) as driver:
        taught(driver, 1)
        good = looked(driver)
        assert good.forgetting is None
        assert min(one.now for one in good.classes.values()) > 0.7
        assert set(good.classes) == {"up", "down"}
        driver.pipeline.abandon()  # type: ignore[union-attr]
        driver.start()
        assert driver.pipeline is not None
        assert driver.pipeline.status().held_out == good
        taught(driver, 2, flipped=True)
        assert driver.pipeline.status().held_out == good, "steps do not wait for a look"
        bad = looked(driver)
        now = driver.pipeline.status().figures["held_out_now"]
        state = driver.pipeline.state
        assert now == state.held_out.accuracy(lambda x: state.guard.predict(x)[0])
    assert bad.step == driver.pipeline.state.step
    assert bad.forgetting is not None
    assert bad.forgetting > 0.2
    assert bad.worst_case is not None
    assert bad.worst_case < 0.6
    for name, one in bad.classes.items():
        assert one.best == good.classes[name].best


def test_a_look_changes_nothing_that_matters(tmp_path: Path) -> None:
    """A run with many looks and one without any end in the same state, to the bit."""
    digests = []
    for looks in (False, True):
        with TestDriver(EVERY, tmp_path / str(looks)) as driver:
            for seed in range(3):
                taught(driver, seed)
                if looks:
                    looked(driver)
            digests.append(driver.digest())
            assert driver.pipeline is not None
            assert len(driver.pipeline.state.held_out) > 100
    assert digests[0] == digests[1]


def test_a_checkpoint_from_before_there_were_looks_is_read(tmp_path: Path) -> None:
    """An update must not cost the learned state."""
    with TestDriver(EVERY, tmp_path) as driver:
        taught(driver, 1)
        looked(driver)
        assert driver.pipeline is not None
        digest, step = driver.digest(), driver.pipeline.state.step
        driver.pipeline.abandon()
        folder = CheckpointFolder(tmp_path / "checkpoints")
        (newest, *_) = folder.newest_first()
        data = newest.read()
        del data["forgetting"]
        about = {k: v for k, v in newest.about.items() if k != "written_ms"}
        folder.write(newest.step, newest.incarnation, data, about)
        assert driver.start().checkpoint_step == step
        assert driver.digest() == digest
        assert driver.pipeline.status().held_out == HeldOutFigures()
        assert looked(driver).step == step


def test_a_learner_that_cannot_predict_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is only for people must not stop what a restart rests on."""
    with TestDriver(EVERY, tmp_path) as driver:
        taught(driver, 1)
        assert driver.pipeline is not None

        def refuses(x: np.ndarray) -> np.ndarray:
            raise RuntimeError("no")

        fresh = driver.pipeline._checkpointer._fresh

        def broken() -> State:
            state = fresh()
            monkeypatch.setattr(type(state.guard.learner), "predict", lambda self, x: refuses(x))
            return state

        driver.pipeline._checkpointer._fresh = broken
        found = looked(driver)
        monkeypatch.undo()
        assert found.step == driver.pipeline.state.step
        assert len(CheckpointFolder(tmp_path / "checkpoints").newest_first()) == 1
