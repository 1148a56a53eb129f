"""`stream-cl doctor` on Kafka: each fault is found, with the next command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)
from typer.testing import CliRunner, Result

from stream_cl.cli.main import app
from stream_cl.core.clock import SystemClock
from stream_cl.transport.kafka_admin import KafkaAdmin
from tests.secured import PASSWORD, USER, Secured, secured

__all__ = ["secured"]  # a fixture


def doctor(path: Path, *sets: str) -> Result:
    return CliRunner().invoke(app, ["doctor", str(path), *(f"--set={one}" for one in sets)])


def findings(result: Result) -> dict[str, list[str]]:
    """verdict → what was found; under `next` the commands."""
    found: dict[str, list[str]] = {"ok": [], "warning": [], "fault": [], "next": []}
    for line in result.stdout.splitlines():
        verdict, _, text = line.strip().partition(" ")
        found[verdict.rstrip(":")].append(text.strip())
    return found


@pytest.fixture
def config(secured: Secured, tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"transport: kafka://{secured.broker.bootstrap}\ntopics: {{prefix: {tmp_path.name}-}}\n"
    )
    return path


@pytest.fixture
def as_user(secured: Secured) -> tuple[str, str]:
    """Over the listener where users are asked who they are."""
    security = f"{{mechanism: SCRAM-SHA-512, username: {USER}, password: {PASSWORD}}}"
    return f"transport=kafka://{secured.broker.address('SASL')}", f"kafka.security={security}"


@pytest.fixture
def admin(secured: Secured) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=[secured.broker.bootstrap])
    yield client
    client.close()


def invoke(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def test_before_the_first_run_the_topics_are_asked_for(config: Path) -> None:
    result = doctor(config)
    assert result.exit_code == 0
    assert findings(result)["next"] == [f"stream-cl topics create {config}"]
    invoke("topics", "create", config)
    assert findings(doctor(config))["next"] == [f"stream-cl run {config}"]


def test_a_pipeline_that_is_well_has_no_faults(config: Path) -> None:
    """A doctor that cries wolf is not asked a second time."""
    data = config.parent / "d.csv"
    data.write_text("x,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(50)))
    invoke("produce", config, "--data", data)
    invoke("run", config, "--until-idle", "0.5")
    result = doctor(config)
    found = findings(result)
    assert (result.exit_code, found["fault"], found["warning"]) == (0, [], [])
    for part in (
        "kafka: 127.0.0.1",
        "topics: all 7",
        "rights: topics, group",
        "clock: not behind",
        "checkpoints: 1 whole",
        "manifest: step",
        "retention: everything",
    ):
        assert any(text.startswith(part) for text in found["ok"]), part


def test_a_broker_out_of_reach_or_that_refuses_is_one_fault(
    config: Path, as_user: tuple[str, str]
) -> None:
    for sets, line in (
        (("transport=kafka://127.0.0.1:1",), "nothing listens there"),
        (as_user[:1], "the broker asks who we are"),
        ((*as_user, "kafka.security.password=x"), "password"),
        ((*as_user, "kafka.security={tls: true, ca_file: gone}"), "gone cannot be read"),
    ):
        result = doctor(config, *sets)
        assert result.exit_code == 1
        (fault,) = findings(result)["fault"]
        assert line in fault
        assert str(config) in findings(result)["next"][-1]


def test_every_right_that_is_missing_is_named_with_its_command(
    config: Path, as_user: tuple[str, str], admin: KafkaAdminClient
) -> None:
    """The one who grants rights is often another one: they get the commands."""
    invoke("topics", "create", config)
    prefix = f"{config.parent.name}-"
    result = doctor(config, *as_user)
    assert result.exit_code == 1
    commands = [text for text in findings(result)["next"] if text.startswith("kafka-acls")]
    assert len(commands) == 9, "7 topics, a group and a transactional id"
    assert all(f"--allow-principal User:{USER} " in command for command in commands)
    assert any("--operation Read --operation Write --topic" in command for command in commands)
    for command in commands:
        grant(admin, command)
    found = findings(doctor(config, *as_user))
    assert not found["fault"]
    assert "rights: topics, group and transactional id may be used" in found["ok"]
    assert any("SCRAM" in text for text in found["warning"]) is False
    assert [text for text in found["warning"] if f"{prefix}events" in text], (
        "settings are not shown without DescribeConfigs"
    )


def grant(admin: KafkaAdminClient, command: str) -> None:
    """What `kafka-acls` would do."""
    (kind, name), = re.findall(r"--(topic|group|transactional-id) (\S+)$", command)  # fmt: skip
    resource = ResourcePattern(ResourceType[kind.upper().replace("-", "_")], name)
    for operation in re.findall(r"--operation (\S+)", command):
        rule = ACL(
            principal=f"User:{USER}",
            host="*",
            operation=ACLOperation[operation.upper()],
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=resource,
        )
        assert not admin.create_acls([rule])["failed"]


def test_looking_at_rights_disturbs_nobody(secured: Secured, tmp_path: Path) -> None:
    """A doctor that fences the pipeline would be a fault of its own."""
    from kafka import KafkaProducer

    topic = tmp_path.name
    looking = KafkaAdmin(secured.options("PLAINTEXT"), SystemClock())
    looking._admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(
        bootstrap_servers=[secured.broker.bootstrap], transactional_id=f"{topic}-writer"
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"1").get(10)
    assert looking.may_write_as(f"{topic}-writer")
    assert looking.may_commit_as(f"{topic}-group")
    producer.commit_transaction()
    producer.close()
    assert topic in looking.topics([topic])
    looking.close()


def test_topics_that_cannot_be_replayed_are_a_fault(config: Path, admin: KafkaAdminClient) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    invoke("topics", "create", config)
    name = f"{config.parent.name}-labels"
    for setting, fatal in (("retention.ms", False), ("message.timestamp.type", True)):
        value = {"retention.ms": "60000", "message.timestamp.type": "CreateTime"}[setting]
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {setting: value})])
        result = doctor(config)
        told = findings(result)["fault" if fatal else "warning"]
        assert any(f"{setting}={value}" in text for text in told), result.output
        assert f"stream-cl topics check {config}" in findings(result)["next"]


def test_a_password_in_the_clear_is_warned_of(config: Path, as_user: tuple[str, str]) -> None:
    found = findings(doctor(config, as_user[0], as_user[1].replace("SCRAM-SHA-512", "PLAIN")))
    assert any("PLAIN sends the secret unencrypted" in text for text in found["warning"])


def test_copies_that_there_are_no_brokers_for_are_a_fault(config: Path) -> None:
    found = findings(doctor(config, "kafka.replication=3"))
    assert any("3 copies need as many brokers; 1 are up" in text for text in found["fault"])
