"""The commands as processes, as a user runs them, and what they leave in the log."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from typer.testing import CliRunner, Result

from stream_cl.cli.main import app
from stream_cl.core.clock import SystemClock
from stream_cl.transport.follow import Follower
from stream_cl.transport.sqlite import SqliteTransport

PROGRAM = [sys.executable, "-m", "stream_cl.cli.main"]
PATIENCE_S = 180.0
"""Longer than anything here takes; a machine that runs other things is slow."""


def environment() -> dict[str, str]:
    """Ours, without a fixed hash seed: a user has none."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something true, and return it."""
    last_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < last_s:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {PATIENCE_S:g} s")


class Place:
    """A folder with a config, a stream of two classes, and the processes started in it."""

    def __init__(self, folder: Path, rows: int, config: str) -> None:
        self.folder = folder
        self.config = folder / "c.yaml"
        self.config.write_text(config)
        self.data = folder / "stream.csv"
        draw = random.Random(1)
        with self.data.open("w") as out:
            out.write("a,b,label\n")
            for _ in range(rows):
                a, b = draw.gauss(0, 1), draw.gauss(0, 1)
                out.write(f"{a:.3f},{b:.3f},{'up' if a > b else 'down'}\n")
        self.truth = {
            str(row): line.rpartition(",")[2]
            for row, line in enumerate(self.data.read_text().splitlines()[1:])
        }
        self._started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A command on the config, as a process, to its end."""
        return subprocess.run(
            self._line(arguments),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def ok(self, *arguments: object) -> str:
        """The same, which must leave with 0; its stdout."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def here(self, *arguments: object) -> Result:
        """A command in this process: quicker, for what a test prepares and looks at.

        Not for river's learners, with which a command would start this process again.
        """
        name, *rest = map(str, arguments)
        return CliRunner().invoke(app, [name, str(self.config), *rest])

    def quick(self, *arguments: object) -> str:
        """The same, which must leave with 0; its stdout."""
        done = self.here(*arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """A command that goes on while the test does."""
        process = subprocess.Popen(
            self._line(arguments),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def _line(self, arguments: tuple[object, ...]) -> list[str]:
        name, *rest = map(str, arguments)
        return [*PROGRAM, name, str(self.config), *rest]

    def count(self, topic: str) -> int:
        """Records of a topic as it is now; 0 while there is no log or topic."""
        file = self.folder / "log.db"
        if not file.exists():
            return 0
        log = SqliteTransport(file, SystemClock())
        try:
            bounds = log.bounds([topic]) if topic in log.topics() else {}
            return sum(end - start for start, end in bounds.values())
        finally:
            log.close()

    def values(self, topic: str) -> list[dict[str, Any]]:
        """Every value of a topic as it is now; [] while there is no log or topic."""
        file = self.folder / "log.db"
        if not file.exists():
            return []
        log = SqliteTransport(file, SystemClock())
        try:
            if topic not in log.topics():
                return []
            follower, found = Follower(log, [topic]), []
            while chunks := follower.poll():
                found += [json.loads(value or b"") for chunk in chunks for value in chunk.values]
            return found
        finally:
            log.close()

    def consumed(self, topic: str) -> list[dict[str, Any]]:
        """The values as `consume` prints them."""
        lines = self.quick("consume", "--topic", topic).splitlines()
        return [json.loads(line)["value"] for line in lines]

    def inspected(self) -> dict[str, Any]:
        """What `inspect --json` says."""
        found: dict[str, Any] = json.loads(self.quick("inspect", "--json"))
        return found

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@contextmanager
def place(folder: Path, rows: int = 300, **sections: Any) -> Iterator[Place]:
    """A `Place`; every process that is left is killed at the end."""
    config = {"transport": "sqlite:///log.db", **sections}
    made = Place(folder, rows, json.dumps(config))
    try:
        yield made
    finally:
        made.end()


def alive(mark: str) -> list[str]:
    """Command lines of processes, other than ours, that name `mark`."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        zombie = process.info["status"] == psutil.STATUS_ZOMBIE
        if mark in line and process.info["pid"] != os.getpid() and not zombie:
            found.append(line)
    return found
