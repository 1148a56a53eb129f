"""What a recovery would read must still be in the log, for every checkpoint that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.checkpoint.folder import CheckpointFolder
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.pipeline.retention import expired
from stream_cl.testing.driver import TestDriver
from stream_cl.transport.sqlite import SqliteTransport

INPUTS = ["events", "labels"]


def log_of(path: Path, records: int = 20) -> SqliteTransport:
    log = SqliteTransport(path, SystemClock())
    for topic in (*INPUTS, "manifest"):
        log.create_topic(topic)
        log.append([Outgoing(topic, 0, [None] * records, [b"x"] * records)])
    return log


def write(folder: CheckpointFolder, step: int, events: int, labels: int, manifest: int) -> None:
    about: dict[str, Any] = {
        "manifest_offset": manifest,
        "positions": [["events", 0, events], ["labels", 0, labels], ["gone", 0, 3]],
    }
    folder.write(step, 1, {}, about)


def test_without_checkpoints_nothing_is_needed(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.db")
    assert expired(log, INPUTS, "manifest", CheckpointFolder(tmp_path / "c")) == ""
    log.close()


def test_what_retention_took_from_the_oldest_checkpoint_is_told(tmp_path: Path) -> None:
    """The newest may turn out damaged; then the one before must still be worth something."""
    log, folder = log_of(tmp_path / "log.db"), CheckpointFolder(tmp_path / "c")
    write(folder, 1, events=5, labels=7, manifest=2)
    write(folder, 2, events=15, labels=17, manifest=12)
    log.truncate("events", 0, 5)
    assert expired(log, INPUTS, "manifest", folder) == ""
    log.truncate("events", 0, 6)
    line = expired(log, INPUTS, "manifest", folder)
    assert line.startswith(
        "the checkpoint of step 1 can no longer be replayed: events[0] begins at offset 6, and it"
        " needs 5; lengthen topics.retention_hours"
    )
    write(folder, 3, events=20, labels=20, manifest=20)
    assert expired(log, INPUTS, "manifest", folder) == "", "that one is no longer kept"
    log.truncate("manifest", 0, 13)
    assert "manifest[0] begins at offset 13, and it needs 12" in expired(
        log, INPUTS, "manifest", folder
    )
    log.close()


@given(needed=st.tuples(*[st.integers(0, 20)] * 3), cut=st.tuples(*[st.integers(0, 20)] * 3))
@settings(max_examples=25, deadline=None)  # each makes a log on disk
def test_it_tells_exactly_when_something_is_gone(
    tmp_path_factory: Any, needed: tuple[int, int, int], cut: tuple[int, int, int]
) -> None:
    path = tmp_path_factory.mktemp("retention")
    log, folder = log_of(path / "log.db"), CheckpointFolder(path / "c")
    write(folder, 1, *needed)
    for topic, offset in zip((*INPUTS, "manifest"), cut, strict=True):
        log.truncate(topic, 0, offset)
    gone = any(start > position for start, position in zip(cut, needed, strict=True))
    assert bool(expired(log, INPUTS, "manifest", folder)) == gone
    log.close()


def test_a_pipeline_looks_at_its_start_and_at_every_checkpoint(tmp_path: Path) -> None:
    """Who shortens retention learns of it while a checkpoint can still be written."""
    with TestDriver({}, tmp_path) as driver:
        driver.events([{"x": 1.0}] * 3)
        driver.settle()
        assert driver.pipeline is not None
        driver.pipeline.checkpoint(wait=True)
        assert driver.pipeline.retention.expired == ""
        driver.events([{"x": 2.0}] * 3)
        driver.settle()
        driver.log.truncate("events", 0, 4)
        driver.pipeline.checkpoint(wait=True)
        assert "events[0] begins at offset 4, and it needs 3" in driver.pipeline.retention.expired
