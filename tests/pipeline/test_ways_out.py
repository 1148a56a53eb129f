"""A start that cannot be right is refused, in one line that names ways out which work."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_cl.core.errors import (
    BrokenFence,
    InputChanged,
    RecoveryError,
    ReplayMismatch,
    StateIncompatible,
)
from stream_cl.core.records import Outgoing
from stream_cl.pipeline import manifest
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import features, filled


def test_a_record_of_an_older_incarnation_behind_open_stops_the_start(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.settle()
        last = manifest.decode(_json(driver.read("manifest")[-1].value), 0)
        driver.start()
        assert isinstance(last, manifest.Step)
        late = Outgoing(driver.topics.manifest, 0, [None], [last.encode()])
        driver.log.append([late])
        with pytest.raises(BrokenFence, match="duplicates.*--new-state"):
            driver.start()
        driver.start(new_state=True)
        driver.settle()
        assert driver.start().replayed >= 0, "the way out that the message names must be one"


def test_expired_input_refuses_to_start_and_says_which(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.crash_at("committed", 5)
        for checkpoint in (tmp_path / "checkpoints").iterdir():
            checkpoint.unlink()
        driver.log.truncate("events", 0, 30)
        with pytest.raises(InputChanged, match=r"events\[0\].*--new-state"):
            driver.start()
        assert driver.start(new_state=True).replayed == 0
        driver.settle()
        ids = [r.value["id"] for r in driver.read("predictions")]
        assert len(ids) == len(set(ids)) == 200, "giving up the state must not predict twice"
        assert driver.start().incarnation > 2
        driver.settle()


def test_unread_input_that_expired_is_skipped_only_by_giving_up_the_state(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.crash_at("committed", 3)
        driver.log.truncate("events", 0, 150)
        with pytest.raises(RecoveryError):
            driver.start()
        driver.start(new_state=True)
        driver.settle()
        ids = [int(r.value["id"]) for r in driver.read("predictions")]
        assert len(ids) == len(set(ids))
        assert max(ids) == 199


def test_a_log_whose_manifest_lost_its_beginning_needs_a_new_state(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.crash_at("committed", 8)
        for checkpoint in (tmp_path / "checkpoints").iterdir():
            checkpoint.unlink()
        driver.log.truncate("manifest", 0, 2)
        with pytest.raises(RecoveryError, match="none is whole.*--new-state"):
            driver.start()
        driver.start(new_state=True)
        driver.settle()
        assert driver.start().replayed > 0
        ids = [r.value["id"] for r in driver.read("predictions")]
        assert len(ids) == len(set(ids)) == 200


def test_a_start_that_is_refused_does_not_stop_the_pipeline_that_runs(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.start()
        healthy = driver.pipeline
        assert healthy is not None
        healthy.step()
        driver.reconfigure(seed=5)
        with pytest.raises(StateIncompatible):
            driver.start()
        assert healthy.step(), "it must not have been fenced"


def test_changed_input_refuses_to_start(tmp_path: Path) -> None:
    """Another log under the same manifest: the slices' digests differ."""
    with filled(tmp_path / "a") as driver:
        driver.crash_at("committed", 5)
        manifest_values = [_json(r.value) for r in driver.read("manifest")]
    with TestDriver(driver.config.model_dump(), tmp_path / "b") as other:
        other.events(features(200, seed=9))
        other.log.append([Outgoing("manifest", 0, [None] * len(manifest_values), manifest_values)])
        with pytest.raises(InputChanged, match="not those of the manifest"):
            other.start()


def test_a_replay_that_goes_another_way_stops(tmp_path: Path) -> None:
    """A manifest that says other outputs than this program gives must not be gone on with."""
    with filled(tmp_path / "a") as driver:
        driver.crash_at("committed", 5)
        entries = [manifest.decode(_json(r.value), r.offset) for r in driver.read("manifest")]
        changed = entries[3]
        assert isinstance(changed, manifest.Step)
        discrete, numeric = changed.outputs_digest.split("-")
        changed.outputs_digest = f"{discrete[::-1]}-{numeric}"
        values = [entry.encode() for entry in entries]
    with filled(tmp_path / "b") as other:
        other.log.append([Outgoing("manifest", 0, [None] * len(values), values)])
        with pytest.raises(ReplayMismatch, match=r"other outputs.*--new-state"):
            other.start()


def test_a_manifest_without_its_checkpoint_folder_is_replayed_or_refused(tmp_path: Path) -> None:
    """A checkpoint of another log is not mistaken for this one's."""
    with filled(tmp_path / "a") as driver:
        driver.settle()
    with filled(tmp_path / "b") as other:
        (tmp_path / "a" / "checkpoints").rename(tmp_path / "b" / "checkpoints")
        with pytest.raises(RecoveryError, match="another log"):
            other.start()


def test_a_changed_config_waits_for_a_checkpoint_at_the_tail(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.crash_at("committed", 5)
        before = driver.config.model_dump()
        driver.reconfigure(budget={"kind": "fraction", "fraction": 0.5})
        with pytest.raises(StateIncompatible, match=r"budget\.fraction.*drain"):
            driver.start()
        driver.reconfigure(**before)
        driver.start()
        assert driver.pipeline is not None
        driver.pipeline.close()  # what `drain` does
        driver.reconfigure(budget={"kind": "fraction", "fraction": 0.5})
        assert driver.start().replayed == 0
        driver.settle()


def test_a_change_of_the_states_shape_is_refused_in_one_line(tmp_path: Path) -> None:
    with filled(tmp_path) as driver:
        driver.settle()
        assert driver.pipeline is not None
        driver.pipeline.close()
        driver.reconfigure(learner={"kind": "prototype"})
        with pytest.raises(StateIncompatible, match=r"learner\.kind.*--new-state"):
            driver.start()
        driver.start(new_state=True)
        driver.events(features(30))
        driver.settle()
        assert driver.read("predictions")[-1].value["model"].startswith("prototype/")


def _json(value: object) -> bytes:
    import orjson

    return orjson.dumps(value)


def test_without_any_manifest_a_new_state_goes_on_behind_the_committed_offsets(
    tmp_path: Path,
) -> None:
    """Whoever lost the manifest must not have every event predicted twice."""
    with filled(tmp_path) as driver:
        driver.settle()
        manifest_end = len(driver.read("manifest"))
        driver.log.truncate("manifest", 0, manifest_end)
        driver.start(new_state=True)
        driver.settle()
        ids = [r.value["id"] for r in driver.read("predictions")]
        assert len(ids) == len(set(ids)) == 200
