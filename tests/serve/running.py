"""`stream-cl run` as a process with its console, on either transport."""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from stream_cl.build import create_topics, open_transport
from stream_cl.config import environment
from stream_cl.config.file import load
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.testing.kafka_process import free_ports
from tests.cli.processes import Place, place, until

HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    '"><svg onload=window.hit=1>',
    "'; window.hit = 1; //",
    "{{7*7}} ${7*7}",
    "a\u202eb\u200ec",
    "</script><script>window.hit = 1</script>",
]


class Running:
    """The process, its log, and its address."""

    def __init__(self, at: Place, port: int) -> None:
        self.place = at
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self._config = load(at.config, [], environment())
        self._log = open_transport(self._config, SystemClock())
        self._topics = create_topics(self._config, self._log)
        self.begin()

    def begin(self) -> None:
        """Start the process, and wait until it takes steps."""
        self.process = self.place.start("run")
        until(lambda: self.status("/ready") == 200 or self._ended(), "the pipeline is ready")

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()[1]
        return False

    def status(self, path: str) -> int:
        """Of the answer to a GET; 0 while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def send(self, topic: str, values: Sequence[bytes | dict[str, Any]]) -> None:
        """Append records as another program would."""
        encoded = [v if isinstance(v, bytes) else orjson.dumps(v) for v in values]
        self._log.append([Outgoing(self._topics.named(topic), 0, [None] * len(encoded), encoded)])

    def events(self, ids: Sequence[str], **features: Any) -> None:
        now_ms = SystemClock().now_ms()
        one = {"time": now_ms, "features": {"a": 1.0, **features}}
        self.send("events", [{"id": id_, **one} for id_ in ids])

    def ends(self) -> dict[str, int]:
        """Topic → records that were ever written to it."""
        names = ("events", "labels", "control", "predictions", "label-requests", "dead-letters")
        bounds = self._log.bounds([self._topics.named(name) for name in names])
        return {at.topic: own.end for at, own in bounds.items()}

    def close(self) -> None:
        self._log.close()


@contextmanager
def running(folder: Path, bootstrap: str | None = None, **sections: Any) -> Iterator[Running]:
    """A pipeline with a console on SQLite, or on the broker at `bootstrap`."""
    port = free_ports(1)[0]
    settings: dict[str, Any] = {"budget": {"fraction": 0.5}, **sections}
    settings["http"] = {"port": port, **settings.get("http", {})}
    if bootstrap is not None:
        settings["transport"] = f"kafka://{bootstrap}"
        settings["topics"] = {"prefix": f"console-{uuid.uuid4().hex[:8]}-"}
    with place(folder, 10, **settings) as at:
        one = Running(at, port)
        try:
            yield one
        finally:
            one.close()


def asked(port: int, request: bytes, most: int = 2_000_000) -> bytes:
    """Whatever the server answers to these bytes, up to its end."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        answer = b""
        try:
            raw.sendall(request)
            while len(answer) < most and (part := raw.recv(65536)):
                answer += part
        except OSError:
            pass  # it has hung up on us
        return answer
