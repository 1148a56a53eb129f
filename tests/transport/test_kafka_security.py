"""TLS and SASL on a real broker: right secrets work, others end in one line."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.errors import StreamClError, TransportError, UserError
from stream_cl.transport.kafka_options import CONNECT_S, KafkaOptions, KafkaSecurity, Mechanism
from stream_cl.transport.kafka_reach import OLDEST_BROKER, check_reachable, explain
from stream_cl.transport.kafka_security import (
    expired_at,
    kafka_python_settings,
    librdkafka_settings,
)
from tests.secured import KEY_PASSWORD, PASSWORD, USER, Secured, make_certificates, secured, token

__all__ = ["secured"]  # a fixture

CA = {"tls": True, "ca_file": "authority.pem"}
OWN = {**CA, "certificate_file": "client.pem", "key_file": "client.key"}
LOCKED = {**OWN, "certificate_file": "client-locked.pem", "key_file": "client-locked.key"}
PLAIN: dict[str, Any] = {"mechanism": "PLAIN", "username": USER, "password": PASSWORD}
SCRAM: dict[str, Any] = {**PLAIN, "mechanism": "SCRAM-SHA-512"}


def bearer(lifetime_s: float = 86_400, **claims: Any) -> dict[str, Any]:
    now = time.time()
    text = token(iat=now - 1, exp=now + lifetime_s, **claims)
    return {"mechanism": "OAUTHBEARER", "token_command": ("echo", text)}


RIGHT: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("PLAINTEXT", {}),
    "TLS": ("TLS", CA),
    "TLS with another name, unchecked": ("ELSEWHERE", {**CA, "check_host": False}),
    "mutual TLS": ("MUTUAL", OWN),
    "mutual TLS with a locked key": (
        "MUTUAL",
        {**LOCKED, "key_password": KEY_PASSWORD},
    ),
    "PLAIN": ("SASL", PLAIN),
    "SCRAM": ("SASL", SCRAM),
    "OAUTHBEARER": ("SASL", bearer(sub=USER)),
    "PLAIN over TLS": ("SASLTLS", {**CA, **PLAIN}),
    "SCRAM over TLS": ("SASLTLS", {**CA, **SCRAM}),
    "OAUTHBEARER over TLS": ("SASLTLS", {**CA, **bearer(sub=USER)}),
}


@pytest.mark.parametrize(("listener", "security"), RIGHT.values(), ids=RIGHT.keys())
def test_right_secrets_work(secured: Secured, listener: str, security: dict[str, Any]) -> None:
    """A user with the right secrets must get in, on every kind of listener."""
    assert check_reachable(secured.options(listener, **security)).version >= OLDEST_BROKER


CERTIFICATE = "TLS: the broker's certificate"
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "authority unknown": ("TLS", {**CA, "ca_file": "other/authority.pem"}, f"{CERTIFICATE} is"
                          " signed by an authority that is not trusted; name its file as"),
    "authority missing": ("TLS", {"tls": True}, f"{CERTIFICATE} is signed by an authority"),
    "server expired": ("EXPIRED", CA, f"{CERTIFICATE} has expired; have it renewed"),
    "server of another name": ("ELSEWHERE", CA, f"{CERTIFICATE} does not name this address"),
    "client missing": ("MUTUAL", CA, "TLS: the broker asks for a certificate of ours"),
    "client expired": ("MUTUAL", {**OWN, "certificate_file": "client-expired.pem",
                       "key_file": "client-expired.key"},
                       "client-expired.pem has expired on 20"),
    "client of another authority": ("MUTUAL", {**OWN, "certificate_file": "other/client.pem",
                                    "key_file": "other/client.key"},
                                    "refuses our certificate .*other/client.pem; have it signed"),
    "plain text on TLS": ("TLS", {}, r"hung up on plain text .* want TLS \(tls: true\)"),
    "TLS on plain text": ("PLAINTEXT", CA, "does not speak TLS; give tls: false, or the port"),
    "nobody where a user is wanted": ("SASL", {}, "asks who we are; give mechanism"),
    "a user where none is wanted": ("PLAINTEXT", PLAIN, "leave kafka.security.mechanism out"),
    "PLAIN, wrong password": ("SASL", {**PLAIN, "password": "x"}, f"PLAIN: user '{USER}'.*passw"),
    "PLAIN, wrong user": ("SASL", {**PLAIN, "username": "bob"}, "PLAIN: user 'bob'.*password"),
    "SCRAM, wrong password": ("SASL", {**SCRAM, "password": "x"}, f"-512: user '{USER}'.*passw"),
    "SCRAM, wrong user": ("SASL", {**SCRAM, "username": "bob"}, "-512: user 'bob'.*password"),
    "SCRAM that is not enabled": ("SASL", {**SCRAM, "mechanism": "SCRAM-SHA-256"},
                                  "SCRAM-SHA-256(: user| is not enabled).*mechanism"),
    "token without a subject": ("SASL", bearer(nobody=1), "OAUTHBEARER: the token is refused"),
    "token that is none": ("SASL", {**bearer(), "token_command": ("echo", "abc")},
                           "OAUTHBEARER: the token is refused"),
    "token expired": ("SASL", bearer(-600, sub=USER), r"printed a token that expired [\d,]+ s ago"),
    "token command gone": ("SASL", {**bearer(), "token_command": ("/nowhere",)},
                           "token_command: /nowhere cannot be started"),
}  # fmt: skip


@pytest.mark.parametrize(("listener", "security", "line"), WRONG.values(), ids=WRONG.keys())
def test_wrong_secrets_end_in_one_line(
    secured: Secured, listener: str, security: dict[str, Any], line: str
) -> None:
    """The client alone would try again without an end, and say why in its log, many times."""
    began = time.monotonic()
    with pytest.raises(StreamClError, match=line) as caught:
        check_reachable(secured.options(listener, **security))
    assert time.monotonic() - began < CONNECT_S
    text = str(caught.value)
    assert "\n" not in text
    for secret in (PASSWORD, "eyJ"):
        assert secret not in text


def test_the_pipeline_connects_and_is_refused_the_same_way(secured: Secured) -> None:
    """The check is no use if the transport itself does not make it."""
    from stream_cl.core.clock import SystemClock
    from stream_cl.transport.kafka_python import KafkaPython

    KafkaPython(secured.options("SASLTLS", **CA, **SCRAM), SystemClock()).close()
    with pytest.raises(TransportError, match="password"):
        KafkaPython(secured.options("SASLTLS", **CA, **{**SCRAM, "password": "x"}), SystemClock())


# --- without a broker ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificates")
    make_certificates(path)
    (path / "text").write_text("no certificate\n")
    return path


@pytest.mark.parametrize(
    ("security", "line"),
    [
        ({"ca_file": "text"}, r"ca_file: .*text holds no certificate .*; name a PEM file"),
        ({"ca_file": "gone"}, r"ca_file: .*gone holds no certificate \(No such file"),
        ({"key_file": "broker.key"}, r"broker.key is not the key of .*client.pem"),
        (LOCKED, r"client-locked.key is encrypted; give key_password"),
        (
            {**LOCKED, "key_password": "hunter2"},
            r"key_password: .*client-locked.key cannot be opened with it",
        ),
        ({"certificate_file": "text"}, r"certificate_file: .*text with .* cannot be used"),
    ],
)
@pytest.mark.parametrize("settings", [kafka_python_settings, librdkafka_settings])
def test_what_is_wrong_with_files_is_found_without_a_broker(
    folder: Path, security: dict[str, Any], line: str, settings: Any
) -> None:
    """OpenSSL's own words name no file, and it would ask for a key's password at the terminal."""
    given: dict[str, Any] = {**OWN, **security}
    files = {k: folder / v for k, v in given.items() if k.endswith("_file")}
    with pytest.raises(UserError, match=line) as caught:
        settings(KafkaSecurity(**{**given, **files}))
    assert "hunter2" not in str(caught.value)


def test_both_clients_are_told_the_same(folder: Path) -> None:
    """Who changes `client` changes nothing else."""
    security = KafkaSecurity(
        tls=True,
        ca_file=folder / "authority.pem",
        certificate_file=folder / "client-locked.pem",
        key_file=folder / "client-locked.key",
        key_password=KEY_PASSWORD,
        mechanism="SCRAM-SHA-512",
        username=USER,
        password=PASSWORD,
    )
    python = kafka_python_settings(security)
    assert isinstance(python.pop("ssl_context"), ssl.SSLContext)
    assert python == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": USER,
        "sasl_plain_password": PASSWORD,
    }
    rdkafka = librdkafka_settings(security)
    assert rdkafka == {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": str(folder / "authority.pem"),
        "ssl.certificate.location": str(folder / "client-locked.pem"),
        "ssl.key.location": str(folder / "client-locked.key"),
        "ssl.key.password": KEY_PASSWORD,
        "ssl.endpoint.identification.algorithm": "https",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    }
    for told in (python, rdkafka):
        # Clients print their settings where somebody logs at the level debug.
        assert PASSWORD not in repr(told)
        assert KEY_PASSWORD not in f"{told}"


@pytest.mark.parametrize(
    ("tls", "mechanism", "protocol"),
    [
        (False, None, "PLAINTEXT"),
        (True, None, "SSL"),
        (False, "PLAIN", "SASL_PLAINTEXT"),
        (True, "PLAIN", "SASL_SSL"),
    ],
)
def test_the_protocol_follows(tls: bool, mechanism: Mechanism | None, protocol: str) -> None:
    security = KafkaSecurity(tls=tls, mechanism=mechanism, username=USER, password=PASSWORD)
    assert kafka_python_settings(security)["security_protocol"] == protocol
    assert librdkafka_settings(security)["security.protocol"] == protocol.lower()


def test_an_expired_certificate_is_known_by_its_dates(folder: Path) -> None:
    assert expired_at(folder / "client.pem", time.time()) == ""
    assert expired_at(folder / "client-expired.pem", time.time()).endswith("+00:00")
    assert expired_at(folder / "client.pem", time.time() + 20 * 86_400)
    assert expired_at(folder / "text", time.time()) == ""
    assert expired_at(folder / "gone", time.time()) == ""


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1:{closed}", "nothing listens there; start the broker, or correct the port"),
        ("no-such-host.invalid:9092", "the name no-such-host.invalid cannot be resolved"),
        ("127.0.0.1:{silent}", "no answer in time; .* speaks plain text"),
    ],
)
def test_a_broker_out_of_reach_is_told_in_time(address: str, line: str) -> None:
    with socket.socket() as silent, socket.socket() as closed:
        for one in (silent, closed):
            one.bind(("127.0.0.1", 0))
        silent.listen()
        ports = {"silent": silent.getsockname()[1], "closed": closed.getsockname()[1]}
        options = KafkaOptions((address.format(**ports),))
        began = time.monotonic()
        with pytest.raises(TransportError, match=line):
            check_reachable(options, timeout_s=1.0)
        assert time.monotonic() - began < 5


def test_one_broker_of_several_is_enough_and_the_bound_is_for_all(secured: Secured) -> None:
    """A config names three brokers so that one may be down."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        gone = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        found = check_reachable(KafkaOptions((gone, secured.broker.bootstrap)), timeout_s=2.0)
        assert found.broker == secured.broker.bootstrap
        with pytest.raises(TransportError, match="none of 3 brokers lets us in; the first: "):
            check_reachable(KafkaOptions((gone, gone, gone)), timeout_s=1.5)
        assert time.monotonic() - began < 8


@given(st.text(max_size=50))
@settings(deadline=None)  # the first one imports the client
def test_whatever_a_client_raises_becomes_one_line(text: str) -> None:
    """An unknown failure must not end in a traceback, or in a page."""
    options = KafkaOptions(("a:1",), KafkaSecurity(mechanism="PLAIN", username=USER, password="x"))
    errors = [OSError(text), ssl.SSLError(1, text), RuntimeError(ValueError(text))]
    for error in errors:
        line = explain(error, options)
        assert line
        assert "\n" not in line
