"""What a config says about Kafka: addresses, security, and what fits together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl import build
from stream_cl.config import Config, state_keys
from stream_cl.config.file import load
from stream_cl.config.kafka import Security
from stream_cl.config.rules import kafka_bootstrap
from stream_cl.core.errors import ConfigError
from stream_cl.transport.kafka_options import KafkaOptions, KafkaSecurity

PLAIN = "kafka.security={mechanism: PLAIN, username: ann}"


def read(folder: Path, text: str, *sets: str, **environ: str) -> Config:
    (folder / "c.yaml").write_text(text)
    return load(folder / "c.yaml", sets, environ)


def mistakes(*sets: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(None, sets, environ)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("address", "brokers"),
    [
        ("kafka://localhost:9092", ("localhost:9092",)),
        ("kafka://a.b-c.example:1,b_2:65535", ("a.b-c.example:1", "b_2:65535")),
        ("kafka://10.0.0.1:9092, 10.0.0.2:9093", ("10.0.0.1:9092", "10.0.0.2:9093")),
        ("kafka://[::1]:9092,[2001:db8::7]:9092", ("[::1]:9092", "[2001:db8::7]:9092")),
    ],
)
def test_brokers_are_read_from_the_address(address: str, brokers: tuple[str, ...]) -> None:
    """A user moves to Kafka by this line alone."""
    assert kafka_bootstrap(Config(transport=address).transport) == brokers


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("kafka://", "'' names no broker; give kafka://HOST:PORT[,HOST:PORT]"),
        ("kafka://a:1,", "'' names no broker; give kafka://HOST:PORT[,HOST:PORT]"),
        ("kafka://broker", "'broker' has no port; brokers mostly listen on 9092: broker:9092"),
        ("kafka://[::1]", "'[::1]' has no port; brokers mostly listen on 9092: [::1]:9092"),
        (
            "kafka://::1:9092",
            "'::1:9092' is ambiguous; put an IPv6 address in brackets: [::1]:9092",
        ),
        ("kafka://[::x]:9092", "'[::x]' is no IPv6 address; give one, or a name"),
        ("kafka://a:0", "'0' is no port; give a whole number from 1 to 65535"),
        ("kafka://a:65536", "'65536' is no port; give a whole number from 1 to 65535"),
        ("kafka://a:http", "'http' is no port; give a whole number from 1 to 65535"),
        ("kafka://a b:9092", "'a b:9092' names no broker; give kafka://HOST:PORT[,HOST:PORT]"),
        (
            "kafka://a:9092/topic",
            "'kafka://a:9092/topic' goes on after the port; give kafka://HOST:PORT[,HOST:PORT]",
        ),
        (
            "kafka://ann:hunter2@a:9092",
            "holds a user; give kafka://HOST:PORT, and the user in kafka.security",
        ),
        (
            "redpanda://ann:hunter2@a:9092",
            "what stands there is no log; give sqlite:///FILE, sqlite:////absolute/FILE or"
            " kafka://HOST:PORT",
        ),
    ],
)
def test_an_address_that_is_none_is_told_with_what_is_right(address: str, wrong: str) -> None:
    """Most people get this line wrong once; it must not end in a timeout."""
    assert mistakes(f"transport='{address}'") == [f"--set: transport: {wrong}"]


@given(st.text(max_size=30))
def test_any_address_is_taken_or_refused(text: str) -> None:
    """An address that slips through ends in a traceback of the client's."""
    try:
        brokers = kafka_bootstrap(f"kafka://{text}")
    except ValueError:
        return
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        assert host
        assert 1 <= int(port) <= 65_535


# --- what fits together ---

KAFKA = "transport=kafka://a:9092"
RELATIONS = {
    "delivery without Kafka": (
        ["delivery=at_least_once"],
        "delivery: at_least_once is for kafka://, and sqlite:///stream_cl.db always writes exactly"
        " once; leave `delivery` out",
    ),
    "more in sync than there are": (
        [KAFKA, "kafka.replication=2", "kafka.min_insync_replicas=3"],
        "kafka.min_insync_replicas: 3 copies are more than kafka.replication (2) makes; give at"
        " most 2",
    ),
    "a CA without TLS": (
        ["kafka.security.ca_file=ca.pem"],
        "kafka.security.ca_file: is for TLS only; give tls: true beside it",
    ),
    "no check of a name that nobody says": (
        ["kafka.security.check_host=false"],
        "kafka.security.check_host: is for TLS only; give tls: true beside it",
    ),
    "a certificate without its key": (
        ["kafka.security={tls: true, certificate_file: c}"],
        "kafka.security.certificate_file: needs its key; give key_file beside it",
    ),
    "a key without its certificate": (
        ["kafka.security={tls: true, key_file: c}"],
        "kafka.security.key_file: needs its certificate; give certificate_file",
    ),
    "a password of no key": (
        ["kafka.security.key_password=hunter2"],
        "kafka.security.key_password: opens a key; give key_file beside it",
    ),
    "a user without a mechanism": (
        ["kafka.security.username=ann"],
        "kafka.security.username: is not used: no mechanism is set; give mechanism, or leave it"
        " out",
    ),
    "a mechanism without a user": (
        ["kafka.security={mechanism: PLAIN, password_file: p}"],
        "kafka.security.mechanism: PLAIN needs username; give it beside it",
    ),
    "a mechanism without a password": (
        [PLAIN],
        "kafka.security.mechanism: PLAIN needs password; give it beside it, or password_file",
    ),
    "a token without its command": (
        ["kafka.security.mechanism=OAUTHBEARER"],
        "kafka.security.mechanism: OAUTHBEARER needs token_command; give it beside it",
    ),
    "a command that SCRAM has no use for": (
        ["kafka.security={mechanism: SCRAM-SHA-512, username: a, password: b, token_command: [c]}"],
        "kafka.security.token_command: is not used: mechanism SCRAM-SHA-512 does not take it;"
        " leave it out",
    ),
    "a password in two places": (
        ["kafka.security={mechanism: PLAIN, username: a, password: b, password_file: c}"],
        "kafka.security.password_file: stands beside password; leave one of them out",
    ),
    "a mechanism that there is not": (
        ["kafka.security.mechanism=SCRAM"],
        "kafka.security.mechanism: 'SCRAM' is not among them; there are PLAIN, SCRAM-SHA-256,"
        " SCRAM-SHA-512, OAUTHBEARER",
    ),
    "a wrong key of an inner section": (
        ["kafka.security.ca=x"],
        "kafka.security.ca: no such key; there are tls, ca_file, certificate_file, key_file,"
        " key_password, key_password_file, check_host, mechanism, username, password,"
        " password_file, token_command",
    ),
    "a wrong type in an inner section": (
        ["kafka.security.tls=1"],
        "kafka.security.tls: 1 is a whole number; give true or false",
    ),
    "an empty password": (
        ["kafka.security={mechanism: PLAIN, username: a}", "kafka.security.password="],
        "kafka.security.password: the secret is out of bounds; give text or null",
    ),
}


@pytest.mark.parametrize(("sets", "line"), RELATIONS.values(), ids=RELATIONS.keys())
def test_what_does_not_fit_together_is_one_line(sets: list[str], line: str) -> None:
    """Each of these would end in a refusal of the broker's, or be silently ignored."""
    assert mistakes(*sets) == [f"--set: {line}"]


def test_the_section_may_stay_when_the_log_is_a_file() -> None:
    """One line of the config moves a recorded stream to a laptop."""
    assert load(None, ["kafka.replication=3", "kafka.security={tls: true}"], {}).kafka.replication


def test_every_setting_reaches_the_transport(tmp_path: Path) -> None:
    """A setting that is read and dropped is the worst kind of wrong."""
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    text = """
transport: kafka://a:1,[::1]:2
delivery: at_least_once
kafka:
  replication: 3
  min_insync_replicas: 2
  transaction_timeout_ms: 5000
  security:
    tls: true
    ca_file: ca
    certificate_file: cert
    key_file: key
    key_password: open
    check_host: false
    mechanism: SCRAM-SHA-256
    username: ann
    password: hunter2
"""
    assert build.kafka_options(read(tmp_path, text)) == KafkaOptions(
        bootstrap=("a:1", "[::1]:2"),
        security=KafkaSecurity(
            tls=True,
            ca_file=tmp_path / "ca",
            certificate_file=tmp_path / "cert",
            key_file=tmp_path / "key",
            key_password="open",
            check_host=False,
            mechanism="SCRAM-SHA-256",
            username="ann",
            password="hunter2",
            folder=tmp_path,
        ),
        replication=3,
        min_insync=2,
        transaction_timeout_ms=5000,
        exactly_once=False,
    )
    text = (
        "transport: kafka://a:1\nkafka: {security: {mechanism: OAUTHBEARER, token_command: [a, b]}}"
    )
    assert build.kafka_options(read(tmp_path, text)).security.token_command == ("a", "b")


def test_a_key_of_security_is_overridden_by_the_environment(tmp_path: Path) -> None:
    environ = {"STREAM_CL__KAFKA__SECURITY__TLS": "true"}
    assert read(tmp_path, "kafka: {security: }\n", **environ).kafka.security == Security(tls=True)
    assert read(tmp_path, "kafka:\n  security:\n").kafka.security == Security()


def test_the_state_does_not_depend_on_how_the_log_is_reached() -> None:
    """Another password, client or cluster address must not ask for `--new-state`."""
    kept = state_keys(
        Config(transport="kafka://a:1", client="librdkafka", delivery="at_least_once")
    )
    assert kept == state_keys(Config())
