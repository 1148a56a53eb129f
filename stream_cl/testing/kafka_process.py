"""Processes that do not outlive the one that started them, and the ports that they take."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Protocol

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import UserError
from stream_cl.testing.kafka_properties import HOST
from stream_cl.testing.kafka_source import Docker

STOP_TIMEOUT_S: Final = 15.0
FIRST_PORT: Final = 20_000
PORTS: Final = 10_000
"""Below the ports that outgoing connections get (32768 and up on Linux), so that none of
those has taken the port of a broker that is down for a moment."""

_Popen = subprocess.Popen[bytes]
_Job = tuple[Future[_Popen], Callable[[], _Popen]]
_number_of_container = itertools.count(1)
_next_port = itertools.count(os.getpid() * 97)

# Linux ends the program when the thread that started it does (PR_SET_PDEATHSIG, SIGKILL).
_LAUNCH: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on now, and that were not given out before."""
    found: list[int] = []
    for number in itertools.islice(_next_port, PORTS):
        port = FIRST_PORT + number % PORTS
        if port_is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise UserError(f"no {count} free ports from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}")


def port_is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as tried:
        # As Java does: else a port whose last connections are still closing seems taken.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(address: str, cluster: str = "", timeout_s: float = 5.0) -> bool:
    """Whether a broker answers at `host:port`, without TLS, to a Metadata request of version 2.

    A broker answers its first request when it has caught up and may lead partitions.

    Args:
        address: of the broker.
        cluster: the id that it must have; empty takes any.
        timeout_s: for the connection, and for each part of the answer.
    """
    host, _, port = address.rpartition(":")
    # Key, version, correlation id, no client id, no topics.
    request = struct.pack(">hhihi", 3, 2, 1, -1, 0)
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            stream = connection.makefile("rb")
            reply = stream.read(int.from_bytes(stream.read(4), "big"))
            return bool(reply) and cluster.encode() in reply
    except OSError:
        return False


class _Spawner:
    """The thread that starts all processes: it ends when this process does, and not before."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pid = 0

    def start(self, make: Callable[[], _Popen]) -> _Popen:
        """Call `make` in the thread."""
        with self._lock:
            if self._pid != os.getpid():  # a forked child has not inherited the thread
                self._pid = os.getpid()
                self._jobs = queue.SimpleQueue()
                threading.Thread(target=self._run, args=[self._jobs], daemon=True).start()
        future: Future[_Popen] = Future()
        self._jobs.put((future, make))
        return future.result()

    @staticmethod
    def _run(jobs: queue.SimpleQueue[_Job]) -> None:
        while True:
            future, make = jobs.get()
            try:
                future.set_result(make())
            except Exception as error:
                future.set_exception(error)


_spawner = _Spawner()


class Runs(Protocol):
    """What knows how a program is started."""

    def command(self, name: str, folder: Path, arguments: list[str]) -> list[str]:
        """The command line; `name` is that of a container, if it is one."""


class Process:
    """A program with its output in a file; `software` says how it is started.

    On Linux it is killed when this process ends, however that one ends; elsewhere unless this
    process is killed.

    Args:
        software: what runs it.
        name: of its container, if it is one.
        folder: everything that it reads or writes.
        arguments: for Java its options, the class, its arguments.
        output: appended to.
    """

    def __init__(
        self, software: Runs, name: str, folder: Path, arguments: list[str], output: Path
    ) -> None:
        # A name of its own: that of a container that was killed is free only after a while.
        name = f"{name}-{os.getpid()}-{next(_number_of_container)}"
        self._container = name if isinstance(software, Docker) else None
        command = software.command(name, folder, arguments)
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]
        self._output = output
        self._from = output.stat().st_size if output.exists() else 0
        with output.open("ab") as file:
            # A session of its own: Ctrl-C is for this process, which then stops it in order.
            self._process = _spawner.start(
                lambda: subprocess.Popen(
                    command,
                    cwd=folder,  # where Java writes a report if it crashes
                    stdin=subprocess.PIPE if self._container else subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        self._parent = os.getpid()
        self._paused = False
        atexit.register(self._at_exit)

    @property
    def pid(self) -> int:
        """Of the process, or of the client of the container."""
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> int:
        """The exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        status = self._process.wait(timeout_s)
        self._ended()
        return status

    def ask_to_stop(self) -> None:
        """SIGTERM; a broker hands over and closes its files."""
        self.resume()
        if self.runs():
            self._send(signal.SIGTERM)

    def stop(self) -> bool:
        """Ask, wait at most `STOP_TIMEOUT_S`, then kill. Returns whether asking was enough."""
        self.ask_to_stop()
        try:
            self.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """SIGKILL; nothing is written any more."""
        if self._container:
            self.resume()  # a container that is paused cannot be killed
        if self.runs():
            self._send(signal.SIGKILL)
            if self._process.stdin:
                self._process.stdin.close()  # one that was about to start ends by that
        self._process.wait()
        self._ended()

    def pause(self) -> None:
        """SIGSTOP: it does nothing, but its connections stay open."""
        self._send(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """SIGCONT."""
        if self._paused and self.runs():
            self._send(signal.SIGCONT)
        self._paused = False

    def last_lines(self, count: int = 12) -> str:
        """Of its output since it was started."""
        with self._output.open("rb") as file:
            file.seek(self._from)
            lines = file.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-count:]) or "it wrote nothing"

    def _send(self, number: signal.Signals) -> None:
        if self._container is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
            return
        # `docker run` hands no SIGKILL and no SIGSTOP on.
        how = {signal.SIGSTOP: ["pause"], signal.SIGCONT: ["unpause"]}
        command = how.get(number, ["kill", f"--signal={number.name}"])
        subprocess.run(["docker", *command, self._container], capture_output=True, check=False)

    def _ended(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        if os.getpid() == self._parent:  # not in a forked child
            self.kill()


def wait_until_ready(
    process: Process, address: str, cluster: str, what: str, timeout_s: float
) -> None:
    """Until the broker of this cluster answers.

    Raises:
        UserError: `what` died or did not answer in time; with the last lines of its output.
    """
    clock = SystemClock()
    until_s = clock.monotonic_s() + timeout_s
    while not answers(address, cluster):
        late = clock.monotonic_s() > until_s
        if late or not process.runs():
            problem = f"does not answer after {timeout_s:g} s" if late else "ended at its start"
            process.kill()
            raise UserError(f"{what} {problem}; it wrote last:\n{process.last_lines()}")
        clock.sleep(0.05)
