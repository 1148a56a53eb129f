"""What a Kafka client must be told, as plain values; the config becomes this in build."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

CONNECT_S: Final = 15.0
"""Seconds after which a broker that cannot be reached, or refuses us, ends in an error."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How to reach a broker that does not trust everybody.

    tls: whether the connection is encrypted. ca_file: certificates that brokers are trusted
    by, the system's when None. certificate_file, key_file, key_password: our own (mutual TLS).
    check_host: whether the certificate must name the host that was asked for.
    mechanism: SASL; username and password for PLAIN and SCRAM, token_command for OAUTHBEARER:
    a program and its arguments that prints a token to stdout, run in `folder`.
    """

    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    check_host: bool = True
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token_command: tuple[str, ...] = ()
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """A cluster and how to use it.

    bootstrap: `host:port` of brokers to ask first. replication: copies of each partition of
    topics that are created, None for the broker's default. min_insync: copies that a write
    waits for, None for the broker's default. transaction_timeout_ms: after which the broker
    aborts what a writer has left open. exactly_once: False writes without transactions.
    """

    bootstrap: tuple[str, ...]
    security: KafkaSecurity = KafkaSecurity()
    client_id: str = "stream-cl"
    replication: int | None = None
    min_insync: int | None = None
    transaction_timeout_ms: int = 30_000
    exactly_once: bool = True
