"""One broker of a cluster: its files, its process."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path
from typing import Final

from stream_cl.testing.kafka_process import Process, wait_until_ready
from stream_cl.testing.kafka_properties import (
    HOST,
    INNER,
    Place,
    Settings,
    as_text,
    authority_file,
    key_file,
    scram_arguments,
    server_properties,
)
from stream_cl.testing.kafka_source import Software

START_TIMEOUT_S: Final = 90.0

LOGGING: Final = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n%throwable
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
"""


class KafkaNode:
    """One broker of a cluster, which is a controller too. Made by `KafkaCluster`."""

    def __init__(self, place: Place, software: Software, options: list[str]) -> None:
        self.place = place
        self._software = software
        self._options = options
        self._process: Process | None = None

    @property
    def id(self) -> int:
        """Kafka's `node.id`: 1 and up."""
        return self.place.number + 1

    @property
    def bootstrap(self) -> str:
        """host:port of the listener without TLS or password."""
        return self.address()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process, "the broker was not started"
        return self._process.pid

    def address(self, listener: str = INNER) -> str:
        """host:port of a listener."""
        return f"{HOST}:{self.place.ports[listener]}"

    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.runs()

    def start(self) -> None:
        """Start and wait until it answers. Nothing happens if it runs."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start without waiting."""
        if not self.runs():
            self._process = self._java("kafka.Kafka", [str(self._properties)])

    def wait_until_ready(self) -> None:
        """Raises `UserError` with the last lines of its output if it dies instead."""
        assert self._process, "the broker was not started"
        wait_until_ready(
            self._process, self.bootstrap, self._cluster(), f"broker {self.id}", START_TIMEOUT_S
        )

    def ask_to_stop(self) -> None:
        """SIGTERM without waiting."""
        if self._process:
            self._process.ask_to_stop()

    def stop(self) -> bool:
        """Stop in order: leadership is handed over and files are closed.

        Returns:
            False if it took too long and was killed.
        """
        return self._process is None or self._process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Stop it if it runs, then start it with the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        assert self._process, "the broker was not started"
        self._process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process, "the broker was not started"
        self._process.resume()

    def last_lines(self, count: int = 12) -> str:
        """Of what it wrote since its start."""
        assert self._process, "the broker was not started"
        return self._process.last_lines(count)

    def write_files(self, settings: Settings, places: list[Place]) -> None:
        """Write what it reads at its start, certificates among it."""
        folder = self.place.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log4j2.properties").write_text(LOGGING)
        for listener in settings.listeners:
            if tls := listener.tls:
                file = key_file(folder, listener)
                file.touch(mode=0o600)
                file.write_text(tls.key.read_text() + tls.certificate.read_text())
                if tls.authority:
                    shutil.copyfile(tls.authority, authority_file(folder, listener))
        self._properties.touch(mode=0o600)
        self._properties.write_text(as_text(server_properties(settings, self.place, places)))

    def format(self, settings: Settings) -> Process | None:
        """Begin to format its storage; None if that was done before."""
        if self._formatted.exists():
            return None
        # Any 16 bytes; those of another cluster on this machine must be others.
        digest = hashlib.sha256(bytes(self.place.folder.parent)).digest()[:16]
        cluster = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        arguments = ["format", f"--cluster-id={cluster}", f"--config={self._properties}"]
        return self._java("kafka.tools.StorageTool", [*arguments, *scram_arguments(settings)])

    @property
    def _properties(self) -> Path:
        return self.place.folder / "server.properties"

    @property
    def _formatted(self) -> Path:
        return self.place.folder / "log" / "meta.properties"

    def _cluster(self) -> str:
        """The id that its storage was formatted with."""
        lines = self._formatted.read_text().splitlines()
        return next(line for line in lines if line.startswith("cluster.id=")).partition("=")[2]

    def _java(self, program: str, arguments: list[str]) -> Process:
        folder = self.place.folder
        logging = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
        return Process(
            self._software,
            f"stream-cl-kafka-{self.place.ports[INNER]}",
            folder,
            [*self._options, logging, program, *arguments],
            folder / "output.txt",
        )
