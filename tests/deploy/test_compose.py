"""deploy/docker-compose.yml starts what it says, by the tools that are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_cl.config.file import load
from stream_cl.observe.alerts import RUNBOOKS

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


def test_what_is_mounted_is_there(compose: Any) -> None:
    """Docker makes an empty folder of a path that is missing, and Grafana starts without a word."""
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            source, target, *_ = mount.split(":")
            if source.startswith("."):
                assert (FILE.parent / source).exists(), mount
            else:
                assert source in compose["volumes"], mount
            assert target.startswith("/")


def test_prometheus_and_the_pipeline_have_one_token(compose: Any) -> None:
    """Else every scrape is refused, and the dashboards are empty."""
    (job,) = yaml.safe_load((FILE.parent / "prometheus" / "prometheus.yml").read_text())[
        "scrape_configs"
    ]
    config = load(ROOT / "deploy" / "compose" / "stream_cl.yml", [], {})
    (secret,) = compose["secrets"]
    assert config.http.token_file == f"/run/secrets/{secret}"
    assert job["authorization"]["credentials_file"] == config.http.token_file
    assert job["static_configs"] == [{"targets": [f"pipeline:{config.http.port}"]}]
    for name in ("pipeline", "prometheus"):
        assert compose["services"][name]["secrets"] == [secret]


def test_grafana_finds_what_it_is_given(compose: Any) -> None:
    """Provisioning, dashboards and runbooks lie where its files and our links say."""
    grafana = compose["services"]["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    folder = FILE.parent / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "stream_cl.yml").read_text())["providers"]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "$PROMETHEUS_URL"
    assert grafana["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    public = mounts["../docs/runbooks.md"].removeprefix("/usr/share/grafana")
    (port,) = grafana["ports"]
    assert f"http://{port.removesuffix(':3000')}{public}" == RUNBOOKS


def test_nothing_listens_beyond_this_machine(compose: Any) -> None:
    """Neither Kafka nor the endpoints ask for a password here."""
    for service in compose["services"].values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
