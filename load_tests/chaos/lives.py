"""The lives of a pipeline: how each one begins, what it says, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from load_tests.chaos import victim

_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload(["load_tests.chaos.warm"])

PATIENCE_S: Final = 120.0
"""How long a life may say nothing that is waited for: more than all bounds that the transport
has on waiting for a broker, together."""


class Broken(Exception):
    """Something happened that must never happen; says what."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a life ended.

    how: killed, fenced, fault, or done. said: with which words, as `TransportError …`, or the
    step and the digest.
    """

    how: str
    said: str


class Life:
    """A running `load_tests.chaos.victim`.

    Args:
        folder: of the config and the checkpoints; what it writes to stderr is added to
            FOLDER/stderr.txt.
        arguments: further ones of the victim.
        heard: told of every `step K EVENTS`: the events.
    """

    def __init__(
        self, folder: Path, *arguments: str, heard: Callable[[int], None] = lambda _: None
    ) -> None:
        self.step = 0
        self.replayed: int | None = None
        self.incarnation = 0
        self.began_s = time.monotonic()
        self.started_s: float | None = None
        self._heard = heard
        self._last = ""
        self._over = False
        self._buffer = b""
        self._lines: list[str] = []
        reads, writes = _FORKS.Pipe(duplex=False)
        self._errors = folder / "stderr.txt"
        self._process = _FORKS.Process(
            target=_live, args=([str(folder), *arguments], writes, self._errors)
        )
        self._process.start()
        writes.close()
        self._said: Connection = reads

    def until(self, word: str, times: int = 1, within_s: float = PATIENCE_S) -> bool:
        """Wait until it has said `word` so often; False when it ended before.

        Raises:
            Broken: neither happened in time.
        """
        if self.listen(word, times, within_s):
            return True
        if not self._over:
            raise self._hung(f"it did not say {word!r} within {within_s:.0f} s")
        return False

    def listen(self, word: str, times: int, within_s: float) -> bool:
        """The same, but False when the time is over too."""
        deadline_s = time.monotonic() + within_s
        while times > 0:
            line = self._line(deadline_s)
            if line is None:
                return False
            times -= line.partition(" ")[0] == word
        return True

    @property
    def is_over(self) -> bool:
        """Whether it has ended, as far as was listened."""
        return self._over

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self._process.is_alive() and self._process.pid is not None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self._process.pid, number)

    def end(self, within_s: float = PATIENCE_S) -> Ending:
        """Wait for its end.

        Raises:
            Broken: it does not end in time, or with a status or words that no life has.
        """
        self.until("", within_s=within_s)
        self._said.close()
        self._process.join(PATIENCE_S)
        status = self._process.exitcode
        if status is None:
            raise self._hung("it closed its output and did not end")
        self._process.close()
        how, _, said = self._last.partition(" ")
        if status == -signal.SIGKILL:
            return Ending("killed", "")
        expected = {"done": 0, "fault": 1, "fenced": victim.FENCED_STATUS}
        if expected.get(how) != status:
            raise Broken(
                f"incarnation {self.incarnation} ended with status {status} after {self._last!r};"
                f" it wrote last: {self._last_errors()}"
            )
        return Ending(how, said)

    def kill(self) -> None:
        """SIGKILL, whatever state it is in."""
        if self._process_is_open():
            with suppress(ProcessLookupError):
                self._process.kill()

    def _process_is_open(self) -> bool:
        try:
            return self._process.is_alive()
        except ValueError:
            return False  # closed by `end`

    def _hung(self, what: str) -> Broken:
        """Has the threads' traces written, and gives up."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGUSR1)
        time.sleep(1.0)
        traces = self._last_errors(60)
        self.kill()
        return Broken(f"incarnation {self.incarnation}: {what}; its threads were at:\n{traces}")

    def _last_errors(self, count: int = 20) -> str:
        lines = self._errors.read_text(errors="replace").splitlines()
        return "\n".join(lines[-count:])

    def _line(self, deadline_s: float) -> str | None:
        """What it says next; None when it has ended or the time is over."""
        while not self._lines:
            left_s = max(0.0, deadline_s - time.monotonic())
            if self._over or not select.select([self._said], [], [], left_s)[0]:
                return None
            data = os.read(self._said.fileno(), 65_536)
            self._over = not data
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._lines += [line.decode(errors="replace") for line in lines]
        line = self._lines.pop(0)
        self._note(line)
        return line

    def _note(self, line: str) -> None:
        word, *rest = line.split()
        if word == "started":
            self.step, self.replayed, self.incarnation = (int(number) for number in rest)
            self.started_s = time.monotonic() - self.began_s
        elif word == "step":
            self.step = int(rest[0])
            self._heard(int(rest[1]))
        self._last = line


def _live(arguments: list[str], says: Connection, errors: Path) -> None:
    os.dup2(says.fileno(), sys.stdout.fileno())
    says.close()
    with errors.open("a") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    victim.main(arguments)
