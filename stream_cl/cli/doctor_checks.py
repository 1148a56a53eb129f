"""What `stream-cl doctor` looks at whatever the log is."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from stream_cl.core.errors import StreamClError

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
_NEWEST: Final = 20
"""Records before the end among which the newest is looked for: the last offsets of a topic may
hold nothing that can be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `next_` is a command or an act, empty when all is well.

    stops: the log cannot be opened, so that nothing more can be looked at.
    """

    verdict: Verdict
    what: str
    next_: str = ""
    stops: bool = False


def disk(what: str, folder: Path) -> Iterator[Finding]:
    """Whether there is room."""
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


def port(host: str, port: int) -> Finding:
    """Whether the HTTP endpoints can be served."""
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


def clock(log: Transport, topics: Topics, now_ms: int) -> Finding:
    """Whether the log's append times are not ahead of this machine's clock."""
    newest = 0
    for at, bounds in log.bounds([topics.events, topics.labels, topics.manifest]).items():
        if bounds.end > bounds.start:
            first = max(bounds.start, bounds.end - _NEWEST)
            chunk = log.read(at.topic, at.partition, first, _NEWEST)
            newest = max([newest, *chunk.timestamps_ms])
    ahead_ms = newest - now_ms
    if ahead_ms > _CLOCK_MS:
        what = f"clock: the newest record is from {ahead_ms / 1000:,.0f} s in the future"
        return Finding("fault", what, "timedatectl status   # then set the clock right")
    return Finding("ok", "clock: not behind the newest record")


def state(config: Config, log: Transport, topics: Topics, path: Path) -> Iterator[Finding]:
    """Checkpoints, the manifest, and whether the inputs that a replay needs are there."""
    from stream_cl.checkpoint.folder import CheckpointFolder
    from stream_cl.pipeline.retention import expired
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
    inputs = [topics.events, topics.labels, topics.control]
    gone = _expired(log, story.to_replay, inputs)
    older = "" if gone else expired(log, inputs, topics.manifest, folder)
    if gone:
        yield Finding(
            "fault",
            f"retention: {gone}, which the last checkpoint needs",
            f"restore the log, or stream-cl run {path} --new-state",
        )
    elif older:
        yield Finding("warning", f"retention: {older}", f"stream-cl drain {path}")
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
