"""A real Label Studio, started once for all tests of this folder.

`STREAM_CL_LABEL_STUDIO` names its program, as `make test-label-studio` does, or
`STREAM_CL_LABEL_STUDIO_URL` one that runs, with the token below; without either the tests are
skipped, or fail where `STREAM_CL_REQUIRE` names `label_studio`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_cl.testing.kafka_process import free_ports

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PATIENCE_S = 300.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "label_studio: run by `make test-label-studio`")


def until(condition: Callable[[], Any], what: str, patience_s: float = 60.0) -> Any:
    last_s = time.monotonic() + patience_s
    while time.monotonic() < last_s:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {patience_s:g} s")


class Studio:
    """The process, and what people do in it.

    api: for a person with the legacy token. folder: where its data are.
    """

    def __init__(self, program: str, folder: Path, url: str | None = None) -> None:
        self._program, self._folder, self.port = program, folder, free_ports(1)[0]
        self.ours = url is None
        self.url = url or f"http://127.0.0.1:{self.port}"
        self.api = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Token {TOKEN}"}, timeout=60
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "LABEL_STUDIO_BASE_DATA_DIR": str(self._folder),
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "SSRF_PROTECTION_ENABLED": "false",  # else it calls no webhook on loopback
            "COLLECT_ANALYTICS": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
        }
        arguments = [
            "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(self.port),
            "--username", "a@example.org", "--password", "not-a-secret-1", "--user-token", TOKEN,
        ]  # fmt: skip
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self._program, *arguments], env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        log.close()
        until(self._healthy, "Label Studio starts", PATIENCE_S)

    def _healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def ask(self, method: str, path: str, **how: Any) -> Any:
        answer = self.api.request(method, path, **how)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def tasks(self, project: int) -> dict[str, dict[str, Any]]:
        """Request → task."""
        fields = {"project": project, "fields": "all", "page_size": 1000}
        found = self.ask("GET", "/api/tasks", params=fields)["tasks"]
        named = {task["data"]["request"]: task for task in found}
        assert len(named) == len(found), "a request stands there twice"
        return named

    def annotate(self, task: int, label: str | None) -> int:
        """As the annotation page does it; None skips. The annotation's number."""
        result = [] if label is None else [choice(label)]
        body = {"result": result, "was_cancelled": label is None}
        return int(self.ask("POST", f"/api/tasks/{task}/annotations", json=body)["id"])

    def correct(self, annotation: int, label: str) -> None:
        body = {"result": [choice(label)]}
        self.ask("PATCH", f"/api/annotations/{annotation}", json=body)


def choice(label: str) -> dict[str, Any]:
    return {
        "from_name": "label",
        "to_name": "event",
        "type": "choices",
        "value": {"choices": [label]},
    }


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    program = os.environ.get("STREAM_CL_LABEL_STUDIO", "")
    running = os.environ.get("STREAM_CL_LABEL_STUDIO_URL")
    if not program and not running:
        message = "no Label Studio: `make test-label-studio` installs one and runs this"
        if "label_studio" in os.environ.get("STREAM_CL_REQUIRE", "").split(","):
            pytest.fail(message)
        pytest.skip(message)
    made = Studio(program, tmp_path_factory.mktemp("label-studio"), running)
    try:
        if made.ours:
            made.start()
        yield made
    finally:
        made.stop()
        made.api.close()
