"""The broker of the tests: it takes records, survives what is done to it, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaConnectionError

from stream_cl.core.errors import UserError
from stream_cl.testing import kafka_broker as module
from stream_cl.testing.kafka_broker import KafkaBroker, KafkaCluster
from stream_cl.testing.kafka_process import answers, free_ports
from stream_cl.testing.kafka_source import External, Software
from tests.testing.kafka_records import TOPIC, create, send, values

START: Final = [sys.executable, "-m", "stream_cl.testing.kafka_broker"]


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_shared_broker_answers(kafka_broker: KafkaBroker | External) -> None:
    """What every other test of Kafka stands on."""
    assert any(answers(address) for address in kafka_broker.bootstrap.split(","))


def test_killed_and_paused(kafka_cluster: Callable[..., KafkaCluster]) -> None:
    """Tests of faults are worth nothing if the broker loses data, or moves, by itself."""
    broker = kafka_cluster()
    create(broker.bootstrap)
    assert send(broker.bootstrap, b"before") == 0

    broker.kill()
    assert not broker.nodes[0].runs()
    assert not answers(broker.bootstrap)
    broker.restart()
    assert values(broker.bootstrap, 1) == [b"before"]
    assert send(broker.bootstrap, b"between") == 1

    broker.pause()
    assert not answers(broker.bootstrap, timeout_s=0.3)
    broker.resume()
    assert answers(broker.bootstrap)
    broker.restart()
    assert values(broker.bootstrap, 2) == [b"before", b"between"]

    pid, folder = broker.nodes[0].pid, broker.folder
    broker.close()
    assert is_gone(pid)
    assert not folder.exists()


def test_three_nodes_change_their_leader(kafka_cluster: Callable[..., KafkaCluster]) -> None:
    """Without it nothing shows that the pipeline outlives the loss of a broker."""
    cluster = kafka_cluster(nodes=3)
    create(cluster.bootstrap, copies=3)
    assert send(cluster.bootstrap, b"before") == 0
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)

    def leader() -> int:
        try:
            return int(admin.describe_topics([TOPIC])[0]["partitions"][0]["leader_id"])
        except KafkaConnectionError:
            return -1  # it has asked the one that is dead

    try:
        first = leader()
        cluster.nodes[first - 1].kill()
        wait_for(lambda: leader() not in {first, -1})
        assert send(cluster.bootstrap, b"after") == 1
    finally:
        admin.close()
    cluster.nodes[first - 1].restart()
    assert values(cluster.nodes[first - 1].bootstrap, 2) == [b"before", b"after"]


def test_a_port_that_was_taken_meanwhile(
    kafka_software: Software, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the choice of a port and its use another program may take it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = taken.getsockname()[1]
        given = iter([[wrong, *free_ports(1)], free_ports(2)])
        monkeypatch.setattr(module, "free_ports", lambda _: next(given))
        with KafkaBroker(software=kafka_software) as broker:
            assert broker.bootstrap != f"127.0.0.1:{wrong}"


def test_a_broker_that_dies_says_why(kafka_software: Software) -> None:
    """Else one searches for the log of a broker whose folder is deleted."""
    wrong = {"metric.reporters": "no.such.Reporter"}
    with (
        pytest.raises(UserError, match=r"ended at its start; (?s:.*)no\.such\.Reporter"),
        KafkaBroker(software=kafka_software, properties=wrong),
    ):
        pass


@pytest.mark.usefixtures("kafka_software")
def test_a_killed_test_run_leaves_no_broker(tmp_path: Path) -> None:
    """They would pile up, with 200 MB each, until the machine is full."""
    program = (
        "import threading; from stream_cl.testing.kafka_broker import KafkaBroker\n"
        "broker = KafkaBroker()\n"
        # The thread that starts it may end: only the process counts.
        "starter = threading.Thread(target=broker.start); starter.start(); starter.join()\n"
        "print(broker.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # it cannot delete its data
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    wait_for(lambda: is_gone(pid))


def test_in_the_foreground(kafka_software: Software, tmp_path: Path) -> None:
    """`make kafka`: the line for the config is true, Ctrl-C stops it, and the data stays."""
    (port,) = free_ports(1)
    command = [*START, f"--port={port}", f"--data={tmp_path}"]
    for count in (0, 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            lines = iter(server.stdout.readline, "")
            assert next(line for line in lines if ":/" in line) == (
                f"transport: kafka://127.0.0.1:{port}\n"
            )
            children = psutil.Process(server.pid).children(recursive=True)
            if count == 0:
                create(f"127.0.0.1:{port}")
                again = subprocess.run(command, capture_output=True, text=True, check=False)
                assert again.returncode == 2
                assert again.stderr.startswith(f"port {port} is taken: ")
            assert send(f"127.0.0.1:{port}", b"") == count
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0
        assert children
        assert all(is_gone(child.pid) for child in children)


def test_one_that_runs_already_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner would not like to see it killed."""
    monkeypatch.setenv("STREAM_CL_KAFKA", "127.0.0.1:9092")
    with pytest.raises(UserError, match="not ours to start or stop"):
        KafkaBroker()
    done = subprocess.run(START, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
