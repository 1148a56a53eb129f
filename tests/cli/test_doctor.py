"""`stream-cl doctor` on the embedded log: what it finds, and the next command for each fault."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream_cl.checkpoint.folder import CheckpointFolder
from stream_cl.cli.main import app
from stream_cl.core.clock import SystemClock
from stream_cl.transport.sqlite import SqliteTransport


def stream_cl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config whose pipeline has run over 50 events."""
    path = tmp_path / "c.yaml"
    path.write_text("checkpoint: {every_steps: 1}\n")
    data = tmp_path / "d.csv"
    data.write_text("x,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(50)))
    assert stream_cl("produce", path, "--data", data).exit_code == 0
    assert stream_cl("run", path, "--until-idle", "0.2").exit_code == 0
    return path


def test_a_pipeline_that_is_well_has_no_faults(config: Path) -> None:
    """A doctor that cries wolf is not asked a second time."""
    result = stream_cl("doctor", config)
    assert result.exit_code == 0
    assert "fault" not in result.stdout
    for part in ("locks work", "clock: not behind", "whole", "retention: everything"):
        assert part in result.stdout


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("")
    result = stream_cl("doctor", tmp_path / "c.yaml")
    assert result.exit_code == 0
    assert f"next: stream-cl run {tmp_path / 'c.yaml'}" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_a_damaged_log_is_a_fault(config: Path) -> None:
    log = config.parent / "stream_cl.db"
    for file in (log, config.parent / "stream_cl.db-wal"):
        file.write_bytes(b"not a database, but long enough to look like one" * 100)
    result = stream_cl("doctor", config)
    assert result.exit_code == 1
    assert "next: restore the log from a backup" in result.stdout


def test_a_log_that_is_held_is_a_fault(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_cl.cli.doctor_sqlite.WAIT_S", 0.1)
    holder = sqlite3.connect(config.parent / "stream_cl.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    result = stream_cl("doctor", config)
    holder.close()
    assert result.exit_code == 1
    assert f"next: fuser {config.parent / 'stream_cl.db'}" in result.stdout


def test_expired_input_is_found_for_the_newest_and_the_older_checkpoint(config: Path) -> None:
    """When the newest is damaged, the one before is used, and must find its input."""
    log = SqliteTransport(config.parent / "stream_cl.db", SystemClock())
    older = CheckpointFolder(config.parent / "checkpoints").newest_first()[-1]
    (needed,) = (offset for topic, _, offset in older.about["positions"] if topic == "events")
    log.truncate("events", 0, needed + 1)
    log.close()
    result = stream_cl("doctor", config)
    assert f"the checkpoint of step {older.step} can no longer be replayed" in result.stdout
    assert f"next: stream-cl drain {config}" in result.stdout


def test_a_port_that_is_taken_is_told(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        result = stream_cl("doctor", config, "--set", f"http.port={port}")
    assert f"http: 127.0.0.1:{port} cannot be taken" in result.stdout
    assert f"next: --set http.port={port + 1}" in result.stdout
