"""The processes of the demo: each the same command that a user would type, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import orjson

from stream_cl.core.errors import StreamClError

_LAST_LINES: Final = 8
_STOP_S: Final = 5.0
_SIGNALS: Final[tuple[int, ...]] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildDied(StreamClError):
    """A process of the demo ended although nobody ended it."""


@contextmanager
def end_asked() -> Iterator[Callable[[], bool]]:
    """A function that says whether SIGINT, SIGTERM or SIGHUP came.

    However often they come, the demo ends only once its processes are gone. A signal that
    was ignored at the start (nohup) stays so.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    before: dict[int, Any] = {}
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Children:
    """The running commands by name. Each is a process group of its own, so that a Ctrl-C in
    the terminal reaches the demo alone, and what a command starts ends with it.

    Args:
        folder: where their stderr is kept, one file a name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill_all()

    def start(self, name: str, *arguments: object) -> int:
        """Start `stream-cl` with these arguments; returns the process id."""
        from stream_cl.config import ENVIRONMENT_PREFIX, environment

        # A user's own settings, such as the address of their log, are not for the demo.
        environ = {k: v for k, v in environment().items() if not k.startswith(ENVIRONMENT_PREFIX)}
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_cl.cli.main", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                start_new_session=True,
            )
        self._running[name] = process
        return process.pid

    def kill(self, name: str) -> int:
        """`kill -9` the whole group and wait for it; returns the process id."""
        process = self._running.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return process.pid

    def kill_all(self) -> None:
        """`kill -9` whatever still runs."""
        for name in list(self._running):
            self.kill(name)

    def stop(self, name: str) -> None:
        """Ask it to end, as an operator would, and see that it does.

        Raises:
            ChildDied: it ended with another status than 0, or not in time.
        """
        process = self._running[name]
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill(name)
            raise ChildDied(f"the {name} did not end within {_STOP_S:g} s of SIGTERM") from None
        self._ended(name)

    def ended(self, name: str) -> bool:
        """Whether a command that ends by itself has done so.

        Raises:
            ChildDied: with another status than 0.
        """
        if name in self._running and self._running[name].poll() is not None:
            self._ended(name)
        return name not in self._running

    def check(self, *names: str) -> None:
        """See that these, of those that were started, still run.

        Raises:
            ChildDied: one does not.
        """
        for name in names:
            process = self._running.get(name)
            if process is not None and process.poll() is not None:
                raise ChildDied(self._obituary(name, process.returncode))

    def said(self, name: str) -> list[dict[str, Any]]:
        """What it logged so far, for a command that logs JSON."""
        found = []
        for line in self.log(name).read_bytes().splitlines():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                continue  # half written, or not a line of the log
        return [entry for entry in found if isinstance(entry, dict)]

    def log(self, name: str) -> Path:
        """The file with its stderr."""
        return self._folder / f"{name}.log"

    def _ended(self, name: str) -> None:
        status = self._running.pop(name).returncode
        if status:
            raise ChildDied(self._obituary(name, status))

    def _obituary(self, name: str, status: int) -> str:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        lines = self.log(name).read_text(errors="replace").splitlines()[-_LAST_LINES:]
        last = "".join(f"\n  {line}" for line in lines) or " nothing"
        return f"the {name} ended by itself, with {how}; the last that it said:{last}"
