"""Apache Kafka on loopback, for tests and for development.

    with KafkaBroker() as broker:
        KafkaProducer(bootstrap_servers=broker.bootstrap)
        broker.kill()
        broker.restart()

or, in a terminal, one that stays: `make kafka`. Where the software comes from is told in
`kafka_source`. A broker is ready after two to four seconds, takes some 200 MB, and ends with
the process that started it, however that one ends (on Linux; elsewhere unless it is killed).
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from stream_cl.config import environment
from stream_cl.core.errors import UserError
from stream_cl.testing.kafka_archive import with_archive
from stream_cl.testing.kafka_node import KafkaNode
from stream_cl.testing.kafka_process import free_ports, port_is_free
from stream_cl.testing.kafka_properties import INNER, Listener, Place, Settings
from stream_cl.testing.kafka_source import External, Jars, Software, find_kafka

FORMAT_TIMEOUT_S: Final = 60.0
ATTEMPTS: Final = 4
"""How often other ports are tried, where one was taken between its choice and the start."""


class KafkaCluster:
    """Kafka with one or more nodes, each a broker and a controller.

    Args:
        nodes: 1, or 3 for tests where a leader changes.
        listeners: addresses beside the one without TLS and password.
        users: name → password, for PLAIN and SCRAM.
        authorizer: whether access control lists are checked. Who comes without a name is a
            super user, so that lists can be made over `bootstrap`; the others may do nothing
            without a list.
        super_users: more of them: `User:admin`.
        properties: more of server.properties, over those of `kafka_properties`.
        data: a folder that stays; without it one that is deleted by `close`.
        port: of the first node; without it one that is free.
        heap_mb: memory of Java per node, in MiB; the process takes some 120 MiB more.
        quick_start: compile in one tier: ready a second sooner, slower under lasting load.
        software: where Kafka comes from; found if not given.

    Raises:
        NoKafka: there is no Kafka on this machine.
        UserError: only one that runs already is (`STREAM_CL_KAFKA`).
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        listeners: Sequence[Listener] = (),
        users: Mapping[str, str] | None = None,
        authorizer: bool = False,
        super_users: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        data: Path | None = None,
        port: int | None = None,
        heap_mb: int = 256,
        quick_start: bool = True,
        software: Software | None = None,
    ) -> None:
        found = software or find_kafka(environment())
        if isinstance(found, External):
            raise UserError(
                f"STREAM_CL_KAFKA={found.bootstrap} runs already and is not ours to start or stop:"
                " unset it for a broker of one's own"
            )
        self._settings = Settings(
            tuple(listeners), users or {}, authorizer, tuple(super_users), properties or {}
        )
        self._own: tempfile.TemporaryDirectory[str] | None = None
        if data is None:
            self._own = tempfile.TemporaryDirectory(prefix="stream-cl-kafka-")
            data = Path(self._own.name)
        self.folder = data.resolve()
        self._port = port
        if isinstance(found, Jars) and found.fetched:
            found = with_archive(found, _run_once)
        self._software: Software = found
        self._options = [
            *(f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:-UsePerfData"),
            *(["-XX:TieredStopAtLevel=1"] if quick_start else []),
        ]
        self.nodes = self._placed(nodes)
        self._started = False

    @property
    def bootstrap(self) -> str:
        """`host:port` of every node, with commas between: the listener without password."""
        return self.address()

    def address(self, listener: str = INNER) -> str:
        """The same for another listener; its own ports, whatever it advertises."""
        return ",".join(node.address(listener) for node in self.nodes)

    def start(self) -> None:
        """Start all nodes that do not run, and wait until they answer.

        Raises:
            UserError: one of them died, with its last lines; or the port is taken.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start()
                return
            except UserError:
                self.kill()
                if self._started or attempt == ATTEMPTS or self._ports_are_free():
                    raise
                self.nodes = self._placed(len(self.nodes))

    def stop(self) -> bool:
        """Stop all in order; the data stays.

        Returns:
            False if one took too long and was killed.
        """
        for node in self.nodes:
            node.ask_to_stop()
        in_time = [node.stop() for node in self.nodes]
        return all(in_time)

    def kill(self) -> None:
        """SIGKILL to all."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """Stop those that run, then start all with the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP to all: they hang, their connections stay open."""
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        """SIGCONT to all."""
        for node in self.nodes:
            node.resume()

    def close(self) -> None:
        """Kill all, and delete the data unless its folder was given."""
        self.kill()
        if self._own:
            self._own.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _placed(self, count: int) -> list[KafkaNode]:
        names = [INNER, "CONTROLLER", *(one.name for one in self._settings.listeners)]
        nodes = []
        for number in range(count):
            ports = dict(zip(names, free_ports(len(names)), strict=True))
            if self._port is not None and number == 0:
                ports[INNER] = self._port
            place = Place(number, self.folder / f"node-{number + 1}", ports)
            nodes.append(KafkaNode(place, self._software, self._options))
        return nodes

    def _start(self) -> None:
        if not self._started:
            self._prepare()
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_until_ready()
        self._started = True

    def _prepare(self) -> None:
        if self._port is not None and not port_is_free(self._port):
            raise UserError(f"port {self._port} is taken: stop what listens there or name another")
        places = [node.place for node in self.nodes]
        for node in self.nodes:
            node.write_files(self._settings, places)
        formats = [node.format(self._settings) for node in self.nodes]
        running = [process for process in formats if process]
        try:
            for process in running:
                if process.wait(FORMAT_TIMEOUT_S) != 0:
                    raise UserError(f"the storage was not formatted:\n{process.last_lines()}")
        except subprocess.TimeoutExpired:
            raise UserError(f"no storage was formatted within {FORMAT_TIMEOUT_S:g} s") from None
        finally:
            for process in running:
                process.kill()

    def _ports_are_free(self) -> bool:
        chosen = {port for node in self.nodes for port in node.place.ports.values()}
        return all(port_is_free(port) for port in chosen - {self._port})


class KafkaBroker(KafkaCluster):
    """A cluster of one node."""

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self.nodes[0].pid


def _run_once(software: Software) -> None:
    with KafkaBroker(software=software) as broker:
        if not broker.stop():
            raise UserError("the broker did not stop in time")


def main(arguments: Sequence[str] | None = None) -> int:
    """A broker in the foreground until Ctrl-C; its data stays.

    Returns:
        The exit status: 0 after Ctrl-C or SIGTERM, 1 if the broker died, 2 for a mistake.
    """
    parser = argparse.ArgumentParser(prog="kafka_broker", description=main.__doc__)
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, default=Path("var/kafka"))
    given = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        broker = KafkaBroker(data=given.data, port=given.port, heap_mb=512, quick_start=False)
        broker.start()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Kafka runs, with its data in {given.data}; Ctrl-C stops it. In the config:\n")
    print(f"transport: kafka://{broker.bootstrap}", flush=True)
    while not stopped.wait(1.0):
        if not broker.nodes[0].runs():
            print(f"the broker ended:\n{broker.nodes[0].last_lines()}", file=sys.stderr)
            return 1
    broker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
