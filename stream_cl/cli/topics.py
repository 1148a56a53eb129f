"""`stream-cl topics plan|create|check`: the topics as the config wants them, and as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream_cl.cli.common import FAULT, ConfigPath, Sets, emit, read_config, say
from stream_cl.core.topics import TopicPlan, Topics

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.transport.kafka_admin import FoundTopic, KafkaAdmin

AT_LEAST: Final = "max.message.bytes"
"""The one setting that may be larger than planned."""
RETENTION: Final = "retention.ms"


class Action(Enum):
    """What is done."""

    PLAN = "plan"
    CREATE = "create"
    CHECK = "check"


@dataclass(slots=True)
class Line:
    """A topic as it is planned, and how it differs.

    replication: None leaves it to the broker. shown: False where this user may not see it.
    """

    plan: TopicPlan
    replication: int | None = None
    there: bool = False
    shown: bool = True
    differences: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        if not self.there:
            return "missing"
        return f"differs: {'; '.join(self.differences)}" if self.differences else "as planned"


def command(
    action: Annotated[
        Action,
        typer.Argument(help="plan: show; create: make what is missing; check: show, and leave with"
                       " 1 if anything is missing or differs."),
    ],
    config: ConfigPath,
    sets: Sets = None,
) -> None:  # fmt: skip
    """Show the topics that a config needs beside those that are there; make what is missing."""
    loaded = read_config(config, sets)
    lines = compare(loaded)
    missing = [line for line in lines if not line.there]
    if action is Action.CREATE and missing:
        _create(loaded, [line.plan for line in missing])
        lines = compare(loaded)
    emit(table(loaded, lines))
    wrong = [line for line in lines if not line.there or line.differences]
    if action is Action.CREATE:
        say(f"made {len(missing)} topics; {len(lines) - len(missing)} were there already")
        for line in wrong:
            say(f"left as it is: {line.plan.name} ({'; '.join(line.differences)})")
        if wrong:
            say(_how_to_mend(loaded))
    elif action is Action.CHECK and wrong:
        say(f"next: stream-cl topics create {config}" if missing else _how_to_mend(loaded))
        raise typer.Exit(FAULT)


def compare(config: Config) -> list[Line]:
    """Every topic that `config` needs, beside what is there.

    Raises:
        UserError: a file that the config names cannot be read.
        TransportError: the log cannot be read.
    """
    if not config.on_kafka:
        return _in_file(config.log_file, _plans(config))
    from stream_cl.build import kafka_options
    from stream_cl.core.clock import SystemClock
    from stream_cl.transport.kafka_admin import KafkaAdmin

    with closing(KafkaAdmin(kafka_options(config), SystemClock())) as admin:
        return compare_kafka(config, admin)


def _plans(config: Config) -> list[TopicPlan]:
    return Topics(config.topics.prefix).plan(config.topics.partitions, config.retention_ms)


def table(config: Config, lines: Sequence[Line]) -> str:
    """The comparison as text."""
    kafka = config.on_kafka
    head = ["topic", "partitions", *(["replication"] if kafka else []), "retention", "state"]
    rows = [head]
    for line in lines:
        copies = "the broker's" if line.replication is None else str(line.replication)
        rows.append(
            [
                line.plan.name,
                str(line.plan.partitions),
                *([copies] if kafka else []),
                shown_ms(line.plan.retention_ms),
                line.state,
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head) - 1)]
    text = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    if kafka:
        from stream_cl.transport.kafka_topics import wanted

        settings = wanted(None, config.kafka.min_insync_replicas)
        del settings[RETENTION]
        text.append(f"each with {', '.join(f'{k}={v}' for k, v in settings.items())}")
    return "\n".join(text)


def shown_ms(retention_ms: int | None) -> str:
    """How long records are kept, for a person."""
    if retention_ms is None:
        return "all"
    hours = retention_ms / 3_600_000
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"


def differences(
    plan: TopicPlan, found: FoundTopic, wanted: Mapping[str, str], replication: int | None
) -> list[str]:
    """What a topic of the cluster has otherwise than planned, one text each."""
    if found.partitions == 0:
        return ["not shown to this user; it needs Describe on it, or does not exist"]
    different = []
    if found.partitions != plan.partitions:
        different.append(f"{found.partitions} partitions, not {plan.partitions}")
    if replication is not None and found.replication != replication:
        different.append(f"{found.replication} copies, not {replication}")
    if not found.settings:
        return [*different, "its settings are not shown to this user (DescribeConfigs)"]
    for name, right in wanted.items():
        there = found.settings.get(name, "")
        enough = name == AT_LEAST and there.isdecimal() and int(there) >= int(right)
        if there != right and not enough:
            different.append(f"{name}={there}, not {right}")
    return different


def compare_kafka(config: Config, admin: KafkaAdmin) -> list[Line]:
    """Every topic that `config` needs, beside what is in the cluster.

    Raises:
        TransportError: the cluster did not answer.
    """
    from stream_cl.transport.kafka_topics import wanted

    plans, kafka = _plans(config), config.kafka
    found = admin.topics([plan.name for plan in plans])
    lines = []
    for plan in plans:
        line = Line(plan, kafka.replication)
        if plan.name in found:
            line.there = True
            line.shown = found[plan.name].partitions > 0
            line.differences = differences(
                plan,
                found[plan.name],
                wanted(plan.retention_ms, kafka.min_insync_replicas),
                kafka.replication,
            )
        lines.append(line)
    return lines


def _in_file(file: Path, plans: Sequence[TopicPlan]) -> list[Line]:
    from stream_cl.core.errors import TransportCorrupt
    from stream_cl.transport import sqlite_topics

    if not file.exists():
        return [Line(plan) for plan in plans]
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            found = sqlite_topics.load(connection)
    except sqlite3.Error as error:
        raise TransportCorrupt(
            f"{file}: its topics cannot be read ({error}); run `stream-cl doctor`"
        ) from None
    lines = []
    for plan in plans:
        line = Line(plan)
        if partitions := found.get(plan.name):
            line.there = True
            kept = partitions[0].retention_ms
            if len(partitions) != plan.partitions:
                line.differences.append(f"{len(partitions)} partitions, not {plan.partitions}")
            if kept != plan.retention_ms:
                line.differences.append(
                    f"keeps {shown_ms(kept)}, not {shown_ms(plan.retention_ms)}"
                )
        lines.append(line)
    return lines


def _create(config: Config, plans: Sequence[TopicPlan]) -> None:
    from stream_cl.build import open_transport
    from stream_cl.core.clock import SystemClock

    with closing(open_transport(config, SystemClock())) as log:
        for plan in plans:
            log.create_topic(plan.name, plan.partitions, plan.retention_ms)


def _how_to_mend(config: Config) -> str:
    if not config.on_kafka:
        return "`stream-cl run` sets retention; for other partitions take another topics.prefix"
    first = config.transport.removeprefix("kafka://").split(",")[0]
    return (
        f"to change settings: kafka-configs --bootstrap-server {first} --alter --entity-type topics"
        " --entity-name TOPIC --add-config NAME=VALUE; for other partitions take another"
        " topics.prefix; for other copies use kafka-reassign-partitions"
    )
