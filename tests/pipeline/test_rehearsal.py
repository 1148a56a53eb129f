"""A learner with a memory in the pipeline: recovered to the bit, bounded in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_cl.pipeline.rehearsal import RehearsalPace
from tests.pipeline.streams import filled, outputs

REPLAY = {
    "learner": {"kind": "replay_mlp", "hidden": 8},
    "memory": {"kind": "reservoir", "capacity": 20},
}


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
