"""What a test broker is configured with: its listeners, its users, its server.properties.

Everything is sized for a laptop: one copy of each internal topic per node, few partitions,
small buffers, no delay before a group's first assignment. `message.timestamp.type` and all
else that our own code must set stays as Kafka has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream_cl.core.errors import UserError

HOST: Final = "127.0.0.1"
INNER: Final = "PLAINTEXT"
"""The listener that is always there, without TLS or password: brokers talk over it."""

_SPECIAL: Final = re.compile(r'[^ -~]|[,\[\]"\\]')


@dataclass(frozen=True)
class Tls:
    """The certificate of a listener, in PEM files.

    Args:
        certificate: the server's certificate, with those between it and its authority.
        key: its private key: PKCS #8, without a password.
        authority: the certificate that clients' certificates are checked against.
        client_auth: whether a client must show one (mutual TLS).
    """

    certificate: Path
    key: Path
    authority: Path | None = None
    client_auth: bool = False


@dataclass(frozen=True)
class Listener:
    """One more address of every broker.

    Args:
        name: capital letters; see `KafkaCluster.address`.
        tls: encrypted if given.
        sasl: mechanisms: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER` (with
            unsecured tokens, as in RFC 7515 appendix A.5); none: no password is asked.
        advertised: `host:port` per node that clients are sent to, where it is not the
            listener's own: that of a proxy before it.
    """

    name: str
    tls: Tls | None = None
    sasl: tuple[str, ...] = ()
    advertised: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        """Kafka's word for it."""
        if self.sasl:
            return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        return "SSL" if self.tls else "PLAINTEXT"


@dataclass(frozen=True)
class Place:
    """One node: its number, from 0, its folder and its ports."""

    number: int
    folder: Path
    ports: Mapping[str, int]
    """By listener; `CONTROLLER` is the one where controllers talk."""


@dataclass(frozen=True)
class Settings:
    """What all nodes of a cluster share."""

    listeners: tuple[Listener, ...]
    users: Mapping[str, str]
    authorizer: bool
    super_users: tuple[str, ...]
    properties: Mapping[str, str]


def server_properties(settings: Settings, place: Place, places: list[Place]) -> dict[str, str]:
    """The server.properties of the node at `place`, one of `places`."""
    count = len(places)
    named = [Listener(INNER), *settings.listeners]
    told = {one.name: f"{HOST}:{place.ports[one.name]}" for one in named} | {
        one.name: one.advertised[place.number] for one in settings.listeners if one.advertised
    }
    found = {
        "process.roles": "broker,controller",
        "node.id": str(place.number + 1),
        "controller.quorum.voters": ",".join(
            f"{one.number + 1}@{HOST}:{one.ports['CONTROLLER']}" for one in places
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": INNER,
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in place.ports.items()),
        "advertised.listeners": ",".join(f"{name}://{at}" for name, at in told.items()),
        "listener.security.protocol.map": ",".join(
            ["CONTROLLER:PLAINTEXT", *(f"{one.name}:{one.protocol}" for one in named)]
        ),
        "log.dirs": str(place.folder / "log"),
        **_sizes(count),
    }
    for listener in settings.listeners:
        found |= _security(listener, settings.users, place.folder)
    if settings.authorizer:
        found["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        found["super.users"] = ";".join(["User:ANONYMOUS", *settings.super_users])
    return found | dict(settings.properties)


def _sizes(nodes: int) -> dict[str, str]:
    copies, in_sync = str(min(nodes, 3)), str(min(nodes, 2))
    return {
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "3",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "100",
        # Transactions past their timeout are looked for every second, not every ten.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # A node that was killed is given up, and may come back, after three seconds, not nine.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(4 << 20),
        "log.index.size.max.bytes": str(1 << 20),
    }


def _security(listener: Listener, users: Mapping[str, str], folder: Path) -> dict[str, str]:
    prefix = f"listener.name.{listener.name.lower()}."
    found: dict[str, str] = {}
    if tls := listener.tls:
        found[f"{prefix}ssl.keystore.type"] = "PEM"
        found[f"{prefix}ssl.keystore.location"] = str(key_file(folder, listener))
        if tls.authority:
            found[f"{prefix}ssl.truststore.type"] = "PEM"
            found[f"{prefix}ssl.truststore.location"] = str(authority_file(folder, listener))
        found[f"{prefix}ssl.client.auth"] = "required" if tls.client_auth else "none"
    if listener.sasl:
        found[f"{prefix}sasl.enabled.mechanisms"] = ",".join(listener.sasl)
    for mechanism in listener.sasl:
        found[f"{prefix}{mechanism.lower()}.sasl.jaas.config"] = _login(mechanism, users)
    return found


def _login(mechanism: str, users: Mapping[str, str]) -> str:
    modules = "org.apache.kafka.common.security"
    if mechanism == "PLAIN":
        given = "".join(f" user_{name}={_quoted(secret)}" for name, secret in users.items())
        return f"{modules}.plain.PlainLoginModule required{given};"
    if mechanism.startswith("SCRAM-"):
        return f"{modules}.scram.ScramLoginModule required;"
    assert mechanism == "OAUTHBEARER", f"{mechanism} is no mechanism that the test broker knows"
    return (
        f"{modules}.oauthbearer.OAuthBearerLoginModule required "
        'unsecuredLoginStringClaim_sub="broker";'
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def scram_arguments(settings: Settings) -> list[str]:
    """What `kafka-storage format` is told, so that the users exist from the start.

    Raises:
        UserError: a name or secret has a sign that the tool's own syntax takes apart.
    """
    mechanisms = {name for one in settings.listeners for name in one.sasl if name[:5] == "SCRAM"}
    if mechanisms and any(_SPECIAL.search(f"{n}{secret}") for n, secret in settings.users.items()):
        raise UserError('for SCRAM, take names and secrets of plain ASCII without , [ ] " and \\')
    return [
        argument
        for mechanism in sorted(mechanisms)
        for name, secret in settings.users.items()
        for argument in ("--add-scram", f'{mechanism}=[name="{name}",password="{secret}"]')
    ]


def key_file(folder: Path, listener: Listener) -> Path:
    """Where the node finds the listener's key and certificate."""
    return folder / f"{listener.name.lower()}-key.pem"


def authority_file(folder: Path, listener: Listener) -> Path:
    """Where the node finds what it checks clients' certificates against."""
    return folder / f"{listener.name.lower()}-authority.pem"


def as_text(properties: Mapping[str, str]) -> str:
    """As a file that java.util.Properties reads."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    plain = value.replace("\\", "\\\\").replace("\n", "\\n")
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in plain)
