"""A broker that trusts nobody, and certificates for it, made when the first test asks.

One for the whole session: the modules that use it import the fixture `secured`.
"""

from __future__ import annotations

import atexit
import base64
import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stream_cl.testing.certificates import Authority
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.kafka_properties import Listener, Tls
from stream_cl.testing.kafka_source import Software
from stream_cl.transport.kafka_options import KafkaOptions, KafkaSecurity

USER, PASSWORD = "ann", "hunter2"
KEY_PASSWORD = "open sesame"


def make_certificates(folder: Path) -> None:
    """All that the tests use: authorities in `authority.pem` and `other/authority.pem`, servers,
    and clients; each NAME.pem and NAME.key."""
    trusted, other = Authority(folder), Authority(folder / "other", "other")
    trusted.issue("broker")
    trusted.issue("broker-expired", expired=True)
    trusted.issue("broker-elsewhere", ("elsewhere.example",))
    trusted.issue("client")
    trusted.issue("client-expired", expired=True)
    trusted.issue("client-locked", password=KEY_PASSWORD)
    other.issue("client")


def token(**claims: Any) -> str:
    """An unsecured JSON web token (RFC 7519 §6.1)."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts), ""])


@dataclass(frozen=True)
class Secured:
    """The broker and the folder of its certificates."""

    broker: KafkaBroker
    folder: Path

    def options(self, listener: str, **security: Any) -> KafkaOptions:
        """How to reach a listener; names of files are those in the folder."""
        files = {k: self.folder / v for k, v in security.items() if k.endswith("_file")}
        address = self.broker.address(listener)
        return KafkaOptions((address,), KafkaSecurity(**{**security, **files}))


@functools.cache
def _started(software: Software) -> Secured:
    kept = tempfile.TemporaryDirectory(prefix="stream-cl-secured-")
    folder = Path(kept.name)
    make_certificates(folder)

    def tls(name: str, client_auth: bool = False) -> Tls:
        authority = folder / "authority.pem"
        return Tls(folder / f"{name}.pem", folder / f"{name}.key", authority, client_auth)

    mechanisms = ("PLAIN", "SCRAM-SHA-512", "OAUTHBEARER")
    broker = KafkaBroker(
        software=software,
        listeners=[
            Listener("TLS", tls("broker")),
            Listener("MUTUAL", tls("broker", client_auth=True)),
            Listener("EXPIRED", tls("broker-expired")),
            Listener("ELSEWHERE", tls("broker-elsewhere")),
            Listener("SASL", sasl=mechanisms),
            Listener("SASLTLS", tls("broker"), mechanisms),
        ],
        users={USER: PASSWORD},
        authorizer=True,
    )
    broker.start()
    atexit.register(kept.cleanup)
    atexit.register(broker.close)
    return Secured(broker, folder)


@pytest.fixture(scope="session")
def secured(kafka_software: Software) -> Secured:
    """One broker for all who ask; it ends with the tests."""
    return _started(kafka_software)
