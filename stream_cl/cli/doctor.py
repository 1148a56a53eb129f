"""`stream-cl doctor`: what is wrong around a pipeline, and the next command for each fault."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import typer

from stream_cl.cli.common import FAULT, ConfigPath, Sets, emit, read_config
from stream_cl.core.errors import StreamClError, TransportError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_cl.checkpoint.folder import CheckpointFolder
    from stream_cl.config import Config
    from stream_cl.core.protocols import Transport
    from stream_cl.core.topics import Topics
    from stream_cl.pipeline.manifest import Step

Verdict = Literal["ok", "warning", "fault"]

_FREE_FAULT_BYTES: Final = 200_000_000
_FREE_WARNING_BYTES: Final = 2_000_000_000
_CLOCK_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `next_` is a command or an act, empty when all is well."""

    verdict: Verdict
    what: str
    next_: str = ""


def command(config: ConfigPath, sets: Sets = None) -> None:
    """Check disk, locks, clock, port, checkpoints and retention; says what to do next.

    Nothing is changed, and a running pipeline is not disturbed. Exit status 1 with a fault.
    """
    loaded = read_config(config, sets)
    worst = 0
    for finding in examine(loaded, config):
        emit(f"{finding.verdict:8} {finding.what}")
        if finding.next_:
            emit(f"         next: {finding.next_}")
        worst = max(worst, finding.verdict == "fault")
    if worst:
        raise typer.Exit(FAULT)


def examine(config: Config, path: Path) -> Iterator[Finding]:
    """Every check, in the order in which faults should be mended."""
    from stream_cl import build
    from stream_cl.core.clock import SystemClock
    from stream_cl.core.topics import Topics

    yield from _disk("log", config.log_file.parent)
    yield from _disk("checkpoints", config.checkpoint_folder)
    yield _port(config.http.host, config.http.port)
    if not config.log_file.exists():
        yield Finding("warning", f"{config.log_file} is not there yet", f"stream-cl run {path}")
        return
    yield _locks(config.log_file)
    clock = SystemClock()
    try:
        log = build.open_transport(config, clock, create=False)
    except (TransportError, UserError) as error:
        yield Finding("fault", str(error), "restore the log from a backup")
        return
    try:
        topics = Topics(config.topics.prefix)
        missing = [n for n in (topics.events, topics.manifest) if n not in log.topics()]
        if missing:
            what = f"topics {', '.join(missing)} are missing"
            yield Finding("warning", what, f"stream-cl run {path}")
            return
        yield _clock(log, topics, clock.now_ms())
        yield from _state(config, log, topics, path)
    finally:
        log.close()


def _disk(what: str, folder: Path) -> Iterator[Finding]:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    shown = f"{what}: {free / 1e9:,.1f} GB free in {folder}"
    if free < _FREE_FAULT_BYTES:
        yield Finding("fault", shown, "make room, or set topics.retention_hours")
    elif free < _FREE_WARNING_BYTES:
        yield Finding("warning", shown, "set topics.retention_hours, or make room soon")
    else:
        yield Finding("ok", shown)


def _port(host: str, port: int) -> Finding:
    if port == 0:
        return Finding("ok", "http.port is 0: nothing is served")
    with closing(socket.socket()) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(
                "warning",
                f"http: {host}:{port} cannot be taken ({error.strerror}); by this pipeline itself "
                "if it runs",
                f"--set http.port={port + 1}, or stop what listens there",
            )
    return Finding("ok", f"http: {host}:{port} is free")


def _locks(file: Path) -> Finding:
    """Whether one connection's lock keeps another one out, as SQLite needs it."""
    with (
        closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as one,
        closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as two,
    ):
        try:
            one.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return Finding(
                "fault",
                f"{file}: not writable within 5 s ({error})",
                f"fuser {file}   # which process holds it",
            )
        except sqlite3.DatabaseError as error:
            return Finding("fault", f"{file}: {error}", "restore the log from a backup")
        try:
            two.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            one.execute("ROLLBACK")
            return Finding("ok", f"locks work on {file} (SQLite {sqlite3.sqlite_version})")
    return Finding(
        "fault",
        f"{file}: two processes could write at once; its file system has no locks (NFS?)",
        "move the log to a local disk",
    )


def _clock(log: Transport, topics: Topics, now_ms: int) -> Finding:
    newest = 0
    for at, bounds in log.bounds([topics.events, topics.labels, topics.manifest]).items():
        if bounds.end > bounds.start:
            chunk = log.read(at.topic, at.partition, bounds.end - 1, 1)
            newest = max(newest, chunk.timestamps_ms[-1])
    ahead_ms = newest - now_ms
    if ahead_ms > _CLOCK_MS:
        what = f"clock: the newest record is from {ahead_ms / 1000:,.0f} s in the future"
        return Finding("fault", what, "timedatectl status   # then set the clock right")
    return Finding("ok", "clock: not behind the newest record")


def _state(config: Config, log: Transport, topics: Topics, path: Path) -> Iterator[Finding]:
    """Checkpoints, the manifest, and whether the inputs that a replay needs are there."""
    from stream_cl.checkpoint.folder import CheckpointFolder
    from stream_cl.pipeline.story import read_story

    if not config.checkpoint_folder.exists():
        yield Finding("warning", "no checkpoint was written yet", f"stream-cl run {path}")
        return
    folder = CheckpointFolder(config.checkpoint_folder)
    yield from _checkpoints(folder)
    try:
        story = read_story(log, topics.manifest, folder)
    except StreamClError as error:
        yield Finding("fault", str(error), f"stream-cl run {path} --new-state")
        return
    steps = len(story.to_replay)
    found = f"manifest: step {story.last_step}, {steps} steps behind the last checkpoint"
    yield (
        Finding("ok", found)
        if steps <= 3 * config.checkpoint.every_steps
        else Finding("warning", found, f"stream-cl drain {path}")
    )
    gone = _expired(log, story.to_replay, [topics.events, topics.labels, topics.control])
    if gone:
        yield Finding(
            "fault",
            f"retention: {gone}, which the last checkpoint needs",
            f"restore the log, or stream-cl run {path} --new-state",
        )
    else:
        yield Finding("ok", "retention: everything that a replay needs is there")


def _checkpoints(folder: CheckpointFolder) -> Iterator[Finding]:
    whole = 0
    for checkpoint in folder.newest_first():
        try:
            checkpoint.read()
            whole += 1
        except StreamClError as error:
            yield Finding("warning", str(error), f"rm {checkpoint.path}")
    if whole:
        yield Finding("ok", f"checkpoints: {whole} whole")
    else:
        yield Finding("warning", "checkpoints: none; a start replays the whole manifest")


def _expired(log: Transport, steps: list[Step], topics: list[str]) -> str:
    for at, bounds in log.bounds(topics).items():
        for step in steps:
            for taken in step.slices:
                if taken.at == at and taken.start < bounds.start:
                    return f"{at.topic}[{at.partition}] begins at {bounds.start}, not {taken.start}"
    return ""
