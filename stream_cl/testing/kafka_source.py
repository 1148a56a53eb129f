"""Where a Kafka broker for tests and development comes from.

In this order:

1. `STREAM_CL_KAFKA=host:port`: one that runs already; it is used, never started or stopped.
2. `KAFKA_HOME`: an unpacked distribution of Apache Kafka 4 and a Java of at least 17.
3. Docker: where an engine answers and has, or can get, the image. On Linux only, since the
   container shares the ports of the machine.
4. Maven: the jars that `deploy/kafka/pom.xml` names, fetched once into `var/` of the
   repository, and a Java of at least 17.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream_cl.core.errors import UserError

ROOT: Final = Path(__file__).resolve().parents[2]
POM: Final = ROOT / "deploy" / "kafka" / "pom.xml"
FETCH_TIMEOUT_S: Final = 600.0
DOCKER_TIMEOUT_S: Final = 20.0

_IN_CONTAINER: Final = """
exec 3<&0
java -cp '/opt/kafka/libs/*' "$@" < /dev/null & program=$!
trap 'kill -TERM $program' TERM
(cat <&3 > /dev/null; kill -KILL $program) &
wait $program; status=$?
while kill -0 $program 2> /dev/null; do wait $program; status=$?; done
exit $status
"""
"""The first process of a container gets no signal that it does not ask for, so the shell hands
SIGTERM on; a signal also ends its `wait`, hence the loop."""


class NoKafka(UserError):
    """No broker can be had on this machine; the message says how to get one."""


@dataclass(frozen=True)
class External:
    """A broker that runs already; `bootstrap` is host:port, or several with commas between."""

    bootstrap: str


@dataclass(frozen=True)
class Jars:
    """A folder with the jars of Kafka, and the program that runs them."""

    libs: Path
    java: str
    fetched: bool = False
    """Whether this project has filled the folder."""
    options: tuple[str, ...] = ()
    """Of Java, for every program."""

    def command(self, name: str, folder: Path, arguments: list[str]) -> list[str]:
        """What starts a Java program out of the jars; `arguments` are options, class, the rest."""
        return [self.java, *self.options, "-cp", f"{self.libs}/*", *arguments]


@dataclass(frozen=True)
class Docker:
    """The image that Apache Kafka publishes."""

    image: str

    def command(self, name: str, folder: Path, arguments: list[str]) -> list[str]:
        """The same inside a container called `name`, which sees `folder` where it is here.

        The container ends when its standard input does: with the process that started it,
        however that one ends.
        """
        return [
            *("docker", "run", "--rm", "--interactive", "--network=host", f"--name={name}"),
            *(f"--user={os.getuid()}:{os.getgid()}", f"--volume={folder}:{folder}"),
            *(self.image, "sh", "-c", _IN_CONTAINER, "sh", *arguments),
        ]


Software = Jars | Docker


def find_kafka(environ: Mapping[str, str]) -> External | Software:
    """The first source that is there; jars are fetched if need be, which takes seconds.

    Args:
        environ: the environment, see `stream_cl.config.environment`.

    Raises:
        NoKafka: none is there.
        UserError: `KAFKA_HOME` holds no Kafka, or `STREAM_CL_KAFKA` is no address.
    """
    if at := environ.get("STREAM_CL_KAFKA"):
        if not re.fullmatch(r"[^,]+:\d+(,[^,]+:\d+)*", at):
            raise UserError(f"STREAM_CL_KAFKA={at}: write host:port, with commas between several")
        return External(at)
    java = _java(environ)
    if home := environ.get("KAFKA_HOME"):
        libs = Path(home).resolve() / "libs"
        if not list(libs.glob("kafka_2*.jar")):
            raise UserError(f"KAFKA_HOME={home}: no libs/kafka_2.13-*.jar in it; unpack Kafka 4")
        if java is None:
            raise UserError(
                f"KAFKA_HOME={home} needs Java 17 or newer: install it or set JAVA_HOME"
            )
        return Jars(libs, java)
    if POM.exists() and _docker_has(image := f"apache/kafka:{_version()}"):
        return Docker(image)
    if POM.exists() and java is not None and (maven := shutil.which("mvn")):
        return Jars(_fetched(maven), java, fetched=True)
    raise NoKafka(
        "no Kafka broker: install a JRE (17 or newer) and Maven, or Docker, or set KAFKA_HOME to "
        "an unpacked Apache Kafka 4, or STREAM_CL_KAFKA=host:port to one that runs"
    )


def _java(environ: Mapping[str, str]) -> str | None:
    if home := environ.get("JAVA_HOME"):
        return shutil.which("java", path=f"{home}/bin")
    return shutil.which("java")


def _version() -> str:
    """The version of Kafka that the pom names, so that Docker and Maven run the same."""
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.*?)</version>",
                      POM.read_text())  # fmt: skip
    assert found, f"{POM} names no version of kafka_2.13"
    return found.group(1)


def _docker_has(image: str) -> bool:
    """Whether an engine answers and has the image, after a pull if it had not."""
    if shutil.which("docker") is None:
        return False
    try:
        if not _succeeds(["docker", "info"], DOCKER_TIMEOUT_S):
            return False
        if _succeeds(["docker", "image", "inspect", image], DOCKER_TIMEOUT_S):
            return True
        return _succeeds(["docker", "pull", "--quiet", image], FETCH_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False


def _succeeds(command: list[str], timeout_s: float) -> bool:
    done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
    return done.returncode == 0


def _fetched(maven: str) -> Path:
    """The folder of the jars, filled by Maven if it is not there; one process does it."""
    name = f"kafka-jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    folder = ROOT / "var" / name
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
            done = subprocess.run(
                [*command, f"-DoutputDirectory={half}", "-DincludeScope=runtime"],
                capture_output=True,
                text=True,
                timeout=FETCH_TIMEOUT_S,
                check=False,
            )
            if done.returncode != 0:
                lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
                said = next((line for line in lines if "ERROR" in line), lines[-1])
                raise NoKafka(f"Maven could not fetch the jars of {POM}: {said}")
            half.rename(folder)
    return folder
