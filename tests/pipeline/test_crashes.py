"""The crash table of docs/architecture.md: dying at any fault point loses and doubles nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_cl.core.errors import (
    Fenced,
)
from stream_cl.core.faults import FAULT_POINTS
from tests.pipeline.streams import features, filled, label_of, outputs

# The first and a later passage; those that a run passes once only have one.
_ONCE = {"fenced", "opened", "closing"}
_MOMENTS = [(p, n) for p in FAULT_POINTS for n in ((1,) if p in _ONCE else (1, 4))]
_MOMENTS.remove(("replayed-step", 4))
_MOMENTS.remove(("replayed-step", 1))
_MOMENTS.remove(("checkpoint-half-written", 4))
_MOMENTS.remove(("checkpoint-renamed", 4))
_MOMENTS.remove(("checkpoint-copied", 4))


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[object]], str]:
    """Outputs and digest of a run that was never killed."""
    with filled(tmp_path_factory.mktemp("untouched")) as driver:
        driver.settle()
        return outputs(driver), driver.digest()


@pytest.mark.parametrize(("point", "nth"), _MOMENTS)
def test_killed_anywhere_the_run_ends_as_if_it_had_not_been(
    tmp_path: Path, point: str, nth: int, untouched: tuple[dict[str, list[object]], str]
) -> None:
    """Promise (b): outputs and digests are those of a run that was never killed."""
    with filled(tmp_path) as driver:
        driver.crash_at(point, nth)
        driver.settle()
        assert outputs(driver) == untouched[0]
        assert driver.digest() == untouched[1]


def test_killed_while_replaying_it_still_ends_the_same(
    tmp_path: Path, untouched: tuple[dict[str, list[object]], str]
) -> None:
    with filled(tmp_path) as driver:
        driver.crash_at("learned", 6)
        driver.crash_at("replayed-step", 2)
        driver.settle()
        assert outputs(driver) == untouched[0]
        assert driver.digest() == untouched[1]


def test_killed_again_and_again_it_still_ends_the_same(
    tmp_path: Path, untouched: tuple[dict[str, list[object]], str]
) -> None:
    """Every start gets one step further, then dies: a crash loop loses nothing."""
    with filled(tmp_path) as driver:
        # The first commit of a life is that of OPEN.
        for point, nth in (("committed", 2), ("step-scored", 1), ("commit-half-written", 2)) * 3:
            driver.crash_at(point, nth)
        driver.settle()
        assert outputs(driver) == untouched[0]
        assert driver.digest() == untouched[1]
        incarnations = [r.value["incarnation"] for r in driver.read("manifest")]
        assert incarnations == sorted(incarnations)
        assert driver.pipeline is not None
        assert driver.pipeline.incarnation == 10


def test_from_empty_the_manifest_gives_outputs_and_state_again(tmp_path: Path) -> None:
    """Promise (a): without any checkpoint the manifest alone rebuilds the state."""
    with filled(tmp_path) as driver:
        driver.crash_at("committed", 5)
        driver.settle()
        digest, published = driver.digest(), outputs(driver)
        assert driver.pipeline is not None
        driver.pipeline.abandon()
        for checkpoint in (tmp_path / "checkpoints").iterdir():
            checkpoint.unlink()
        found = driver.start()
        assert found.checkpoint_step is None
        assert found.replayed > 10
        assert driver.digest() == digest
        driver.settle()
        assert outputs(driver) == published


def test_every_event_is_predicted_exactly_once(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.crash_at("committed", 2)
        driver.crash_at("learning", 2)
        driver.settle()
        ids = [r.value["id"] for r in driver.read("predictions")]
        assert sorted(ids, key=int) == [str(i) for i in range(200)]


def test_a_torn_checkpoint_is_skipped_and_the_one_before_used(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.settle()
        assert driver.pipeline is not None
        driver.pipeline.close()
        digest = driver.digest()
        newest = max((tmp_path / "checkpoints").glob("*.safetensors"))
        data = bytearray(newest.read_bytes())
        data[len(data) // 2] ^= 1
        newest.write_bytes(data)
        found = driver.start()
        assert len(found.corrupt_checkpoints) == 1
        assert found.replayed > 0
        assert driver.digest() == digest


def test_an_old_process_that_wakes_up_commits_nothing(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.settle(expiry=False)
        old = driver.pipeline
        driver.start()
        driver.events(features(5))
        assert old is not None
        with pytest.raises(Fenced):
            old.step()
        driver.settle()
        assert len(driver.read("predictions")) == 205


def test_the_step_size_changes_no_draw(tmp_path: Path) -> None:
    """Which events are held out depends on seed and id alone, so it is the same at any step."""
    asked = []
    for size in (1, 7, 20):
        folder = tmp_path / str(size)
        with filled(folder, {"step": {"max_events": size}, "query": {"kind": "random"}}) as driver:
            driver.settle()
            held = [
                r.value["id"] for r in driver.read("predictions") if r.value["reason"] == "held_out"
            ]
            asked.append(held)
    assert asked[0] == asked[1] == asked[2] != []


def test_the_learner_learns_through_all_this(tmp_path: Path) -> None:
    """A guard against a pipeline that agrees with itself by learning nothing."""
    with filled(tmp_path, events=600) as driver:
        driver.crash_at("committed", 20)
        driver.settle()
        truth = [label_of(x) for x in features(600)]
        late = [r for r in driver.read("predictions") if int(r.value["id"]) >= 400]
        right = sum(r.value["label"] == truth[int(r.value["id"])] for r in late)
        assert right / len(late) > 0.8


def _json(value: object) -> bytes:
    import orjson

    return orjson.dumps(value)
