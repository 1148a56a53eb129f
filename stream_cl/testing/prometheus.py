"""A real Prometheus for tests, on a free port of loopback.

Prometheus and promtool are those on the PATH: on Debian and Ubuntu `apt-get install prometheus`.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlencode

import yaml

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import UserError
from stream_cl.testing.kafka_process import Process, free_ports
from stream_cl.testing.kafka_properties import HOST

READY_TIMEOUT_S: Final = 60.0
ANSWER_TIMEOUT_S: Final = 30.0


class NoPrometheus(UserError):
    """This machine has none."""


@dataclass(frozen=True)
class Programs:
    """Where the two programs are."""

    prometheus: str
    promtool: str

    def command(self, name: str, folder: Path, arguments: list[str]) -> list[str]:
        """What starts the server."""
        return [self.prometheus, *arguments]

    def check(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run promtool to its end."""
        return subprocess.run(
            [self.promtool, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


class Sample(NamedTuple):
    """One value of one series; `labels` has the name as `__name__`, if it has one."""

    labels: Mapping[str, str]
    value: float


def find_prometheus() -> Programs:
    """The programs on the PATH.

    Raises:
        NoPrometheus: one is missing.
    """
    found = {name: shutil.which(name) for name in ("prometheus", "promtool")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise NoPrometheus(
            f"no {' and no '.join(missing)} on the PATH: install Prometheus "
            "(Debian: apt-get install prometheus)"
        )
    return Programs(str(found["prometheus"]), str(found["promtool"]))


class Prometheus:
    """A server that scrapes, evaluates rules and answers queries until it is closed.

    Args:
        programs: from `find_prometheus`.
        folder: its data, its config and its output go here.
        targets: job → addresses (`host:port`) to scrape.
        rules: files of rules.
        interval_s: from scrape to scrape, and from evaluation to evaluation.

    Raises:
        UserError: it does not start; with the last lines of its output.
    """

    def __init__(
        self,
        programs: Programs,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        rules: Sequence[Path] = (),
        interval_s: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "prometheus.yml"
        every = f"{interval_s}s"
        config.write_text(
            yaml.safe_dump(
                {
                    "global": {
                        "scrape_interval": every,
                        "scrape_timeout": every,
                        "evaluation_interval": every,
                    },
                    "rule_files": [str(path.resolve()) for path in rules],
                    "scrape_configs": [
                        {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                        for job, addresses in targets.items()
                    ],
                }
            )
        )
        (port,) = free_ports(1)
        self.address = f"{HOST}:{port}"
        self._clock = SystemClock()
        self._process = Process(
            programs,
            "prometheus",
            folder,
            [
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.address}",
                "--log.level=warn",
            ],
            folder / "output.txt",
        )
        self._wait()

    def query(self, expression: str) -> list[Sample]:
        """The instant vector, or scalar, that an expression is now.

        Raises:
            ValueError: it is refused; with what Prometheus says.
        """
        data = self._get("query", query=expression)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    def query_range(self, expression: str, from_s: float, to_s: float, step_s: float) -> list[Any]:
        """`[{"metric": labels, "values": [[time, value], …]}, …]` of a stretch of time.

        Raises:
            ValueError: it is refused; with what Prometheus says.
        """
        found: list[Any] = self._get(
            "query_range", query=expression, start=from_s, end=to_s, step=step_s
        )["result"]
        return found

    def targets(self) -> dict[str, str]:
        """Address of every target → its last scrape's fault, empty where there was none."""
        found = self._get("targets", state="active")["activeTargets"]
        return {one["labels"]["instance"]: one["lastError"] for one in found}

    def rules(self) -> list[dict[str, Any]]:
        """Every rule: name, state, health, lastError, alerts, as the API has them."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def close(self) -> None:
        """End it; its folder stays."""
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _get(self, what: str, **parameters: object) -> Any:
        status, body = self._answer(f"/api/v1/{what}?{urlencode(parameters)}")
        text = body.decode(errors="replace")
        answer = json.loads(text) if text.startswith("{") else {"error": text[:200]}
        if answer.get("status") != "success":
            raise ValueError(f"{what} {parameters}: {status}: {answer.get('error')}")
        return answer["data"]

    def _answer(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.address, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _wait(self) -> None:
        until_s = self._clock.monotonic_s() + READY_TIMEOUT_S
        while not self._ready():
            late = self._clock.monotonic_s() > until_s
            if late or not self._process.runs():
                what = f"is not ready after {READY_TIMEOUT_S:g} s" if late else "ended"
                self._process.kill()
                raise UserError(f"Prometheus {what}; it wrote last:\n{self._process.last_lines()}")
            self._clock.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return self._answer("/-/ready")[0] == http.client.OK
        except OSError:
            return False
