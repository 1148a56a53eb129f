"""`stream-cl doctor`: what is wrong around a pipeline, and the next command for each fault.

What it looks at is in `doctor_checks`, and in `doctor_sqlite` or `doctor_kafka` for each log.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stream_cl.cli.common import FAULT, ConfigPath, Sets, emit, read_config
from stream_cl.cli.doctor_checks import Finding, clock, disk, port, state
from stream_cl.core.errors import TransportError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_cl.config import Config


def command(config: ConfigPath, sets: Sets = None) -> None:
    """Check disk, log, rights, clock, port, checkpoints and retention; says what to do next.

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
    from stream_cl.cli import doctor_kafka, doctor_sqlite

    yield from disk("checkpoints", config.checkpoint_folder)
    yield port(config.http.host, config.http.port)
    kind = doctor_kafka if config.on_kafka else doctor_sqlite
    usable = True
    for finding in kind.examine(config, path):
        yield finding
        usable = usable and not finding.stops
    if usable:
        yield from _log(config, path)


def _log(config: Config, path: Path) -> Iterator[Finding]:
    """What can be seen only in the log itself."""
    from stream_cl import build
    from stream_cl.core.clock import SystemClock
    from stream_cl.core.topics import Topics

    now = SystemClock()
    try:
        log = build.open_transport(config, now, create=False)
    except (TransportError, UserError) as error:
        mend = "see above" if config.on_kafka else "restore the log from a backup"
        yield Finding("fault", str(error), mend)
        return
    try:
        topics = Topics(config.topics.prefix)
        there = log.topics()
        missing = [n for n in (topics.events, topics.manifest) if n not in there]
        if missing:
            what = f"topics {', '.join(missing)} are missing"
            yield Finding("warning", what, f"stream-cl topics create {path}")
            return
        yield clock(log, topics, now.now_ms())
        yield from state(config, log, topics, path)
    except TransportError as error:
        yield Finding("fault", str(error), "see above" if config.on_kafka else "try again")
    finally:
        log.close()
