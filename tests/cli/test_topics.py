"""`stream-cl topics`: what is planned beside what is there, on the embedded log and on Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stream_cl.cli.main import app
from stream_cl.cli.topics import differences, shown_ms
from stream_cl.core.topics import NAMES, TopicPlan
from stream_cl.transport.kafka_admin import FoundTopic
from stream_cl.transport.kafka_topics import wanted
from tests.secured import PASSWORD, USER, Secured, secured

__all__ = ["secured"]  # a fixture


def topics(action: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["topics", action, *map(str, arguments)])


def states(result: Result) -> dict[str, str]:
    """topic → what the table's last column says."""
    lines = result.stdout.splitlines()
    start = lines[0].index("state")
    return {line.split()[0]: line[start:] for line in lines[1:] if not line.startswith("each ")}


@pytest.fixture(params=["file", "kafka"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A config whose topics are not there, for either log."""
    path = tmp_path / "c.yaml"
    text = f"topics: {{prefix: {tmp_path.name}-, partitions: 2, retention_hours: 24}}\n"
    if request.param == "kafka":
        text += f"transport: kafka://{request.getfixturevalue('secured').broker.bootstrap}\n"
    path.write_text(text)
    return path


def test_topics_are_planned_made_and_checked(config: Path) -> None:
    """In production someone else makes the topics, with this command."""
    plan = topics("plan", config)
    assert plan.exit_code == 0
    assert len(states(plan)) == len(NAMES)
    assert set(states(plan).values()) == {"missing"}
    assert topics("check", config).exit_code == 1
    assert not (config.parent / "stream_cl.db").exists(), "to look makes nothing"

    made = topics("create", config)
    assert (made.exit_code, set(states(made).values())) == (0, {"as planned"})
    assert made.stderr == "made 7 topics; 0 were there already\n"
    assert topics("create", config).stderr == "made 0 topics; 7 were there already\n"

    check = topics("check", config)
    assert (check.exit_code, check.stderr) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in check.stdout.splitlines()[1:]}
    prefix = f"{config.parent.name}-"
    assert rows[f"{prefix}events"][0] == "2"
    assert rows[f"{prefix}manifest"][0] == rows[f"{prefix}control"][0] == "1"
    assert "24 h" in check.stdout
    assert " all " in next(line for line in check.stdout.splitlines() if "manifest" in line)


def test_what_differs_is_shown_and_left_as_it_is(config: Path) -> None:
    """A topic with other partitions or retention is the user's to mend; nothing is deleted."""
    topics("create", config)
    other = ("--set", "topics.partitions=3", "--set", "topics.retention_hours=48")
    prefix = f"{config.parent.name}-"
    for action, status in (("check", 1), ("create", 0)):
        result = topics(action, config, *other)
        assert result.exit_code == status
        found = states(result)
        assert found[f"{prefix}manifest"] == "as planned"
        assert "2 partitions, not 3; " in found[f"{prefix}events"]
        assert "partitions" not in found[f"{prefix}control"]
        assert "differs" in found[f"{prefix}control"]
    assert f"left as it is: {prefix}events" in result.stderr
    assert topics("check", config).exit_code == 0


def test_settings_that_would_break_a_pipeline_are_seen(secured: Secured, tmp_path: Path) -> None:
    """A compacted input, or one with the senders' times, cannot be replayed."""
    from kafka import KafkaAdminClient

    path, prefix = tmp_path / "c.yaml", f"{tmp_path.name}-"
    path.write_text(
        f"transport: kafka://{secured.broker.bootstrap}\ntopics: {{prefix: {prefix}}}\n"
        "kafka: {replication: 1, min_insync_replicas: 1}\n"
    )
    topics("create", path)
    assert topics("check", path).exit_code == 0
    admin = KafkaAdminClient(bootstrap_servers=[secured.broker.bootstrap])
    admin.delete_topics([f"{prefix}events"])
    settings = {"cleanup.policy": "compact", "max.message.bytes": "1000"}
    made = {f"{prefix}events": {"num_partitions": 1, "configs": settings}}
    admin.create_topics(made, wait_for_metadata=True)
    admin.close()
    state = states(topics("check", path))[f"{prefix}events"]
    for part in (
        "message.timestamp.type=CreateTime, not LogAppendTime",
        "cleanup.policy=compact, not delete",
        "retention.ms=604800000, not -1",
        "max.message.bytes=1000, not 2097152",
    ):
        assert part in state


def test_topics_that_are_hidden_are_not_taken_for_missing(secured: Secured, tmp_path: Path) -> None:
    """Brokers do not say whether a topic is there to those who may not know."""
    path = tmp_path / "c.yaml"
    path.write_text(
        f"transport: kafka://{secured.broker.address('SASL')}\n"
        f"kafka: {{security: {{mechanism: PLAIN, username: {USER}, password: {PASSWORD}}}}}\n"
    )
    result = topics("check", path)
    assert result.exit_code == 1
    assert all("not shown to this user" in state for state in states(result).values())
    assert PASSWORD not in result.output


PLAN = TopicPlan("t", 2, 1000)
SETTINGS = wanted(1000, 2)


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({}, []),
        ({"partitions": 3}, ["3 partitions, not 2"]),
        ({"replication": 1}, ["1 copies, not 3"]),
        ({"settings": {**SETTINGS, "max.message.bytes": "9999999"}}, []),
        ({"settings": {**SETTINGS, "min.insync.replicas": "1"}}, ["min.insync.replicas=1, not 2"]),
        ({"settings": {}}, ["its settings are not shown to this user (DescribeConfigs)"]),
        (
            {"partitions": 0, "settings": {}},
            ["not shown to this user; it needs Describe on it, or does not exist"],
        ),
    ],
)
def test_only_what_matters_is_a_difference(change: dict[str, Any], texts: list[str]) -> None:
    there = {"partitions": 2, "replication": 3, "settings": SETTINGS, **change}
    found = FoundTopic("t", operations=None, **there)
    assert differences(PLAN, found, SETTINGS, 3) == texts


def test_a_time_is_shown_in_hours_or_days() -> None:
    assert [shown_ms(ms) for ms in (None, 5_400_000, 86_400_000 * 7)] == ["all", "1.5 h", "7 days"]


def test_a_file_that_is_no_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "stream_cl.db").write_text("not a database, but long enough to look like one" * 20)
    (tmp_path / "c.yaml").write_text("")
    result = topics("plan", tmp_path / "c.yaml")
    assert result.exit_code == 1
    assert "its topics cannot be read (file is not a database)" in result.stderr
