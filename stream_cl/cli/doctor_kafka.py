"""What `stream-cl doctor` looks at when the log is Kafka: reach, versions, topics, rights.

Nothing is written, and no group, transaction or topic is disturbed: rights are read from what
brokers tell about topics, and for the rest found by requests that can have no effect.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from stream_cl.cli.doctor_checks import Finding
from stream_cl.core.errors import StreamClError, TransportError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.core.topics import Topics
    from stream_cl.transport.kafka_admin import FoundTopic, KafkaAdmin
    from stream_cl.transport.kafka_options import KafkaOptions

BROKER_S: Final = 5.0
"""Seconds for each broker of the cluster to answer at the address that it tells clients."""

_NEEDED: Final = {
    "events": ("READ",),
    "labels": ("READ",),
    "control": ("READ",),
    "manifest": ("READ", "WRITE"),
    "predictions": ("WRITE",),
    "label-requests": ("WRITE",),
    "dead-letters": ("WRITE",),
}
"""What `stream-cl run` does with each topic; to describe one follows from either."""


def examine(config: Config, path: Path) -> Iterator[Finding]:
    """Every check; one that finds the log out of reach stops."""
    from stream_cl.build import kafka_options
    from stream_cl.core.clock import SystemClock
    from stream_cl.transport.kafka_admin import KafkaAdmin

    clock = SystemClock()
    try:
        options = kafka_options(config)
        opened = KafkaAdmin(options, clock)
    except UserError as error:
        yield Finding("fault", str(error), f"edit {path}", stops=True)
        return
    except TransportError as error:
        next_ = f"correct transport or kafka.security in {path}, then: stream-cl doctor {path}"
        yield Finding("fault", str(error), next_, stops=True)
        return
    with closing(opened) as admin:
        yield _version(admin)
        yield from _in_the_clear(options)
        try:
            yield from _brokers(admin, options, clock)
            yield from _topics(config, admin, path)
            yield from _rights(config, admin, options)
        except StreamClError as error:
            yield Finding("fault", str(error), "see the broker's log", stops=True)


def _version(admin: KafkaAdmin) -> Finding:
    from stream_cl.transport.kafka_reach import OLDEST_BROKER

    found = ".".join(map(str, admin.reached.version))
    oldest = ".".join(map(str, OLDEST_BROKER))
    if admin.reached.version < OLDEST_BROKER:
        what = f"kafka: {admin.reached.broker} is Kafka {found}; {oldest} is needed"
        return Finding("fault", what, f"upgrade the brokers to {oldest} or newer", stops=True)
    return Finding("ok", f"kafka: {admin.reached.broker} answers, Kafka {found} or newer")


def _in_the_clear(options: KafkaOptions) -> Iterator[Finding]:
    security = options.security
    if security.mechanism in ("PLAIN", "OAUTHBEARER") and not security.tls:
        what = f"kafka.security: {security.mechanism} sends the secret unencrypted"
        yield Finding("warning", what, "tls: true in kafka.security, and a listener that has it")


def _brokers(admin: KafkaAdmin, options: KafkaOptions, clock: Clock) -> Iterator[Finding]:
    """Each broker at the address that it advertises: the one that clients are sent to."""
    from stream_cl.transport.kafka_reach import check_reachable

    addresses = admin.brokers()
    for address in addresses:
        try:
            check_reachable(replace(options, bootstrap=(address,)), clock, BROKER_S)
        except TransportError as error:
            what = f"kafka: clients are sent to {address}, and there: {error}"
            yield Finding("fault", what, "correct advertised.listeners of that broker", stops=True)
    copies = options.replication
    if copies is not None and copies > len(addresses):
        what = f"kafka.replication: {copies} copies need as many brokers; {len(addresses)} are up"
        yield Finding("fault", what, "bring brokers up, or set kafka.replication lower")


def _topics(config: Config, admin: KafkaAdmin, path: Path) -> Iterator[Finding]:
    """What is there beside what is planned."""
    from stream_cl.cli.topics import compare_kafka

    lines = compare_kafka(config, admin)
    missing = [line.plan.name for line in lines if not line.there]
    if missing:
        what = f"topics: {', '.join(missing)} are missing"
        yield Finding("warning", what, f"stream-cl topics create {path}", stops=True)
    sound = all(line.shown for line in lines)
    for line in lines:
        if line.there and line.differences and line.shown:
            sound = False
            fatal = any(
                word in text
                for text in line.differences
                for word in ("partitions", "message.timestamp.type", "cleanup.policy")
            )
            what = f"topics: {line.plan.name} differs: {'; '.join(line.differences)}"
            next_ = f"stream-cl topics check {path}"
            yield Finding("fault" if fatal else "warning", what, next_)
    if sound and not missing:
        yield Finding("ok", f"topics: all {len(lines)} are as planned, with append times")


def _rights(config: Config, admin: KafkaAdmin, options: KafkaOptions) -> Iterator[Finding]:
    """Whether `run` may do what it does; the command that grants what is missing."""
    from stream_cl.core.topics import Topics

    topics = Topics(config.topics.prefix)
    found = admin.topics([topics.named(name) for name in _NEEDED])
    name = f"{topics.prefix}stream-cl"
    grants: list[tuple[str, str, Sequence[str]]] = []
    for topic, lacking in _lacking(topics, found):
        grants.append((f"topic {topic}", f"--topic {topic}", lacking))
    if not admin.may_commit_as(name):
        grants.append((f"group {name}", f"--group {name}", ("READ",)))
    if options.exactly_once and not admin.may_write_as(name):
        option = f"--transactional-id {name}"
        grants.append((f"transactional id {name}", option, ("WRITE", "DESCRIBE")))
    for what, option, operations in grants:
        wanted = " ".join(f"--operation {one.title()}" for one in operations)
        yield Finding(
            "fault",
            f"rights: this user lacks {' and '.join(operations)} on {what}",
            f"kafka-acls --bootstrap-server {options.bootstrap[0]} --add --allow-principal"
            f" {_principal(options)} {wanted} {option}",
            stops=True,
        )
    if not grants:
        yield Finding("ok", "rights: topics, group and transactional id may be used")


def _lacking(topics: Topics, found: dict[str, FoundTopic]) -> Iterator[tuple[str, list[str]]]:
    for name, needed in _NEEDED.items():
        topic = found.get(topics.named(name))
        if topic is not None and topic.operations is not None:
            lacking = [one for one in needed if one not in topic.operations]
            if lacking:
                yield topic.name, lacking


def _principal(options: KafkaOptions) -> str:
    """How brokers call us, as far as it can be known from here."""
    security = options.security
    if security.username is not None:
        return f"User:{security.username}"
    if security.mechanism is not None:
        return "User:SUBJECT-OF-THE-TOKEN"
    return "User:NAME-IN-THE-CERTIFICATE" if security.certificate_file else "User:ANONYMOUS"
