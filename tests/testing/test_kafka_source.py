"""Where a broker comes from: the order of the sources, and what is said where there is none."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from stream_cl.testing import kafka_archive, kafka_fixture, kafka_source
from stream_cl.testing.kafka_process import Process
from stream_cl.testing.kafka_source import Docker, External, Jars, NoKafka, find_kafka

SH: Final = "#!/bin/sh\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, which are the only ones that are found beside those of Unix."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "cat", "sleep", "mkdir", "touch"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(kafka_source, "ROOT", tmp_path)
    return folder


def program(folder: Path, name: str, text: str = "exit 0") -> str:
    file = folder / name
    file.write_text(SH + text + "\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What looks like an unpacked distribution."""
    libs = tmp_path / "kafka" / "libs"
    libs.mkdir(parents=True)
    (libs / "kafka_2.13-4.3.1.jar").touch()
    return libs.parent


MAVEN: Final = """
echo ran >> "$0.calls"
for word in "$@"; do
    case "$word" in -DoutputDirectory=*) mkdir -p "${word#*=}"; touch "${word#*=}/a.jar";; esac
done"""


def test_the_order_of_the_sources(programs: Path, home: Path) -> None:
    """A user who names a broker or a distribution must get that one, whatever else is there."""
    with pytest.raises(NoKafka, match="STREAM_CL_KAFKA=host:port"):
        find_kafka({})
    program(programs, "mvn", MAVEN)
    with pytest.raises(NoKafka, match="JRE"):
        find_kafka({})

    java = program(programs, "java")
    jars = find_kafka({})
    assert isinstance(jars, Jars)
    assert jars.fetched
    assert (jars.libs / "a.jar").exists()

    program(programs, "docker", "exit 1")
    assert find_kafka({}) == jars, "no engine answers"
    program(programs, "docker")
    assert find_kafka({}) == Docker("apache/kafka:4.3.1")
    environ = {"KAFKA_HOME": str(home)}
    assert find_kafka(environ) == Jars(home / "libs", java)
    assert find_kafka({**environ, "STREAM_CL_KAFKA": "there:9092"}) == External("there:9092")
    with pytest.raises(Exception, match="write host:port"):
        find_kafka({"STREAM_CL_KAFKA": "there"})


@pytest.mark.usefixtures("programs")
def test_a_wrong_kafka_home_is_said(home: Path, tmp_path: Path) -> None:
    """Else the tests would quietly run another Kafka than the one that was named."""
    with pytest.raises(Exception, match="no libs/kafka_2") as caught:
        find_kafka({"KAFKA_HOME": str(tmp_path)})
    assert not isinstance(caught.value, NoKafka)
    with pytest.raises(Exception, match="needs Java 17"):
        find_kafka({"KAFKA_HOME": str(home)})


def test_java_home_comes_first(programs: Path, home: Path, tmp_path: Path) -> None:
    """Who has several Javas chooses by JAVA_HOME."""
    program(programs, "java")
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    java = program(tmp_path / "jdk" / "bin", "java")
    environ = {"KAFKA_HOME": str(home), "JAVA_HOME": str(tmp_path / "jdk")}
    assert find_kafka(environ) == Jars(home / "libs", java)


def test_jars_are_fetched_once(programs: Path) -> None:
    """Two test runs that start together would break each other's folder."""
    program(programs, "java")
    maven = program(programs, "mvn", "sleep 0.2" + MAVEN)
    threads = [threading.Thread(target=find_kafka, args=[{}]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Path(f"{maven}.calls").read_text() == "ran\n"


def test_what_maven_says_is_told(programs: Path) -> None:
    """Without a network the reason of a skip must say so; a second try must be possible."""
    program(programs, "java")
    program(programs, "mvn", MAVEN + "\necho '[ERROR] no route to host'; exit 1")
    with pytest.raises(NoKafka, match="no route to host"):
        find_kafka({})
    program(programs, "mvn", MAVEN)
    assert isinstance(find_kafka({}), Jars)


@pytest.mark.usefixtures("programs")
def test_without_a_broker_tests_are_skipped_or_fail() -> None:
    """A machine of CI where Kafka cannot be had must not be green."""
    with pytest.raises(pytest.skip.Exception, match="install a JRE"):
        kafka_fixture.source_or_skip({})
    with pytest.raises(pytest.fail.Exception, match="install a JRE"):
        kafka_fixture.source_or_skip({"STREAM_CL_REQUIRE": "data,kafka"})


@pytest.fixture
def container(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A container of a fake engine, which runs the same shell here; its Java writes what it was
    given, and lives until a signal."""
    program(programs, "docker", 'while [ "$1" != sh ]; do shift; done; exec "$@"')
    program(
        programs, "java",
        'trap "echo asked; exit 7" TERM; echo $$ > pid; echo "java $*"\n'
        "while true; do sleep 0.02; done",
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    process = Process(Docker("image"), "name", tmp_path, ["-Xmx1m", "a b"], tmp_path / "out")
    while not (tmp_path / "pid").exists() or "java" not in process.last_lines():
        assert process.runs(), process.last_lines()
    yield process
    process.kill()


def test_a_container_is_given_its_arguments_and_signals(container: Process) -> None:
    """Else a broker in Docker would not start, or would lose what it had not yet written."""
    assert container.last_lines() == "java -cp /opt/kafka/libs/* -Xmx1m a b"
    os.kill(container.pid, signal.SIGTERM)  # as `docker kill --signal=SIGTERM` does
    assert container.wait(5) == 7
    assert "asked" in container.last_lines()


def test_a_container_ends_with_who_started_it(container: Process, tmp_path: Path) -> None:
    """A killed test run must not leave a broker in Docker that nobody stops."""
    java = int((tmp_path / "pid").read_text())
    container.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(java, 0)


def test_a_java_that_cannot_keep_classes_runs_without(programs: Path, tmp_path: Path) -> None:
    """The archive only saves time; where it cannot be made, brokers must start as before."""
    jars = Jars(tmp_path / "jars", program(programs, "java"), fetched=True)
    runs = []

    def fails(given: Jars) -> None:
        runs.append(given)
        raise kafka_source.UserError("Unrecognized VM option")

    assert kafka_archive.with_archive(jars, fails) == jars
    assert kafka_archive.with_archive(jars, fails) == jars
    assert len(runs) == 1, "it is tried once"
