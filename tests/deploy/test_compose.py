"""deploy/docker-compose.yml starts what it says, by the tools that are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_cl.config.file import load

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "docker-compose.yml"
COMPOSE_GO = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(FILE.read_text())


def _checker(folder: Path) -> list[str]:
    """A program that checks a compose file: docker's own, or the library it is made of."""
    if shutil.which("docker"):
        command = ["docker", "compose", "version"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return ["docker", "compose", "--file", str(FILE), "config", "--quiet"]
    if shutil.which("go"):
        made = subprocess.run(
            ["go", "install", COMPOSE_GO],
            env=_environment(GOBIN=str(folder)),
            capture_output=True,
            check=False,
            timeout=240,
        )
        if made.returncode == 0:
            return [str(folder / "cmd"), str(FILE)]
    pytest.skip("neither `docker compose` nor Go with access to modules is here")


def _environment(**more: str) -> dict[str, str]:
    from stream_cl.config import environment

    return {**environment(), **more}


def test_the_compose_file_is_one(tmp_path: Path) -> None:
    """Else `docker compose up` ends with a message about our file."""
    done = subprocess.run(
        _checker(tmp_path), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_config_in_it_is_right(compose: Any) -> None:
    """Else the pipeline's container ends at once, again and again."""
    config = load(ROOT / "deploy" / "compose" / "stream_cl.yml", [], {})
    assert config.transport == "kafka://kafka:19092"
    listeners = compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert "INSIDE://kafka:19092" in listeners
    port = f"127.0.0.1:{config.http.port}:{config.http.port}"
    assert compose["services"]["pipeline"]["ports"] == [port]
    assert str(config.checkpoint_folder).startswith("/state/")


def test_nothing_listens_beyond_this_machine(compose: Any) -> None:
    """Neither Kafka nor the endpoints ask for a password here."""
    for service in compose["services"].values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
