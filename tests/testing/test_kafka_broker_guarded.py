"""Listeners that ask who comes: what the tests of security stand on must itself refuse."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from typing import Final

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import TopicAuthorizationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

from stream_cl.testing.certificates import Authority
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.kafka_properties import Listener, Tls
from stream_cl.testing.kafka_source import Software
from tests.testing.kafka_records import TOPIC, create, send


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def proxy() -> Iterator[socket.socket]:
    """What stands where clients are sent; here it takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        yield listening


SECRET: Final = "it's ;a= secret"


@pytest.fixture(scope="module")
def guarded(
    kafka_software: Software, authority: Authority, proxy: socket.socket
) -> Iterator[KafkaBroker]:
    """A broker that only alice may use."""
    server = authority.issue("broker")
    tls = Tls(server.certificate, server.key, authority.certificate)
    mutual = Tls(server.certificate, server.key, authority.certificate, client_auth=True)
    listeners = [
        Listener("MUTUAL", mutual),
        Listener("PASSWORD", tls, ("PLAIN", "SCRAM-SHA-512", "OAUTHBEARER")),
        Listener("OPEN", sasl=("SCRAM-SHA-256",)),
        Listener("PROXIED", advertised=(f"127.0.0.1:{proxy.getsockname()[1]}",)),
    ]
    with KafkaBroker(
        software=kafka_software,
        listeners=listeners,
        users={"alice": SECRET, "bob": "other"},
        authorizer=True,
        super_users=["User:alice"],
    ) as broker:
        create(broker.bootstrap)
        yield broker


@pytest.mark.parametrize(
    ("listener", "mechanism", "protocol"),
    [
        ("PASSWORD", "PLAIN", "SASL_SSL"),
        ("PASSWORD", "SCRAM-SHA-512", "SASL_SSL"),
        ("OPEN", "SCRAM-SHA-256", "SASL_PLAINTEXT"),
    ],
)
def test_passwords_and_lists(
    guarded: KafkaBroker, authority: Authority, listener: str, mechanism: str, protocol: str
) -> None:
    """What the tests of security check their client against must itself refuse and allow."""
    settings = {"security_protocol": protocol, "sasl_mechanism": mechanism,
                "ssl_cafile": str(authority.certificate)}  # fmt: skip
    alice = {"sasl_plain_username": "alice", "sasl_plain_password": SECRET}
    assert send(guarded.address(listener), b"", **settings, **alice) >= 0
    bob = {"sasl_plain_username": "bob", "sasl_plain_password": "other"}
    with pytest.raises(TopicAuthorizationFailedError):
        send(guarded.address(listener), b"", **settings, **bob)


class BobsToken(AbstractTokenProvider):
    """A token that nobody has signed (RFC 7515, appendix A.5)."""

    def token(self) -> str:
        now = int(time.time())
        parts = {"alg": "none"}, {"sub": "bob", "iat": now, "exp": now + 60}
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
        return ".".join(part.decode().rstrip("=") for part in encoded) + "."


def test_a_token_is_a_name(guarded: KafkaBroker, authority: Authority) -> None:
    """Without a server of tokens, the tests of OAuth must still know who came in."""
    with pytest.raises(TopicAuthorizationFailedError):
        send(
            guarded.address("PASSWORD"), b"", security_protocol="SASL_SSL",
            sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=BobsToken(),
            ssl_cafile=str(authority.certificate),
        )  # fmt: skip


def test_a_certificate_is_a_name(guarded: KafkaBroker, authority: Authority) -> None:
    """Mutual TLS lets in who shows a certificate, as its subject: here one that may do nothing."""
    client = authority.issue("client")
    with pytest.raises(TopicAuthorizationFailedError):
        send(
            guarded.address("MUTUAL"), b"", security_protocol="SSL",
            ssl_cafile=str(authority.certificate), ssl_certfile=str(client.certificate),
            ssl_keyfile=str(client.key),
        )  # fmt: skip


def test_clients_are_sent_to_the_proxy(guarded: KafkaBroker, proxy: socket.socket) -> None:
    """Else faults in the path would touch the first connection only."""
    consumer = KafkaConsumer(bootstrap_servers=guarded.address("PROXIED"), group_id=None)
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        consumer.seek(TopicPartition(TOPIC, 0), 0)
        consumer.poll(500)
        proxy.accept()[0].close()
    finally:
        consumer.close()
