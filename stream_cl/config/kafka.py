"""The section `kafka` of the config, and what it becomes for the transport.

Secrets are `SecretStr`: given in the file, by the environment
(`STREAM_CL__KAFKA__SECURITY__PASSWORD`), or in a file of their own (`password_file`), and never
shown anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from stream_cl.config.rules import Relation, as_tuple, check_path, kafka_bootstrap
from stream_cl.config.secrets import Secret, secret, unreadable
from stream_cl.config.section import Section

if TYPE_CHECKING:
    from stream_cl.config import Config

FilePath = Annotated[str, AfterValidator(check_path)]


def _empty_section(value: Any) -> Any:
    """A section without keys, which YAML reads as null, has its defaults."""
    return {} if value is None else value


class Security(Section):
    """How to reach brokers that do not trust everybody. Files are relative to this file's folder;
    a secret may also stand in the environment, as in STREAM_CL__KAFKA__SECURITY__PASSWORD."""

    tls: bool = Field(False, description="Whether the connection is encrypted.")
    ca_file: FilePath | None = Field(
        None,
        description="Certificates (PEM) that brokers are trusted by; null takes the system's.",
    )
    certificate_file: FilePath | None = Field(
        None, description="Our own certificate (PEM), where brokers ask for one (mutual TLS)."
    )
    key_file: FilePath | None = Field(None, description="The private key (PEM) that belongs to it.")
    key_password: Secret | None = Field(None, description="What the key is encrypted with.")
    key_password_file: FilePath | None = Field(
        None, description="A file that holds it and nothing else."
    )
    check_host: bool = Field(
        True, description="Whether a broker's certificate must name the host that it is asked at."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        None, description="SASL: how we say who we are; null does not say it."
    )
    username: str | None = Field(None, min_length=1, description="For PLAIN and SCRAM.")
    password: Secret | None = Field(None, description="For PLAIN and SCRAM.")
    password_file: FilePath | None = Field(
        None, description="A file that holds the password and nothing else."
    )
    token_command: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        (),
        description="For OAUTHBEARER: a program and its arguments that prints a token; it runs in "
        "this file's folder, again when the token expires.",
    )


class Kafka(Section):
    """The Kafka cluster; used with kafka:// only."""

    replication: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Copies of each partition of topics that are created; null leaves it to the "
        "broker.",
    )
    min_insync_replicas: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Copies that must have a record before it counts as written; null leaves it "
        "to the broker.",
    )
    transaction_timeout_ms: int = Field(
        30_000,
        ge=1_000,
        le=900_000,
        description="Milliseconds after which brokers give up a transaction whose writer is gone; "
        "readers wait so long for what comes behind it.",
    )
    security: Annotated[Security, BeforeValidator(_empty_section)] = Security()


def broken_kafka_relations(config: Config) -> list[Relation]:
    """Every pair of values about Kafka that cannot stand together."""
    kafka = config.kafka
    broken: list[Relation] = []
    if config.delivery != "exactly_once" and not config.on_kafka:
        broken.append(
            (
                ("delivery", "transport"),
                f"{config.delivery} is for kafka://, and {config.transport} always writes exactly"
                " once; leave `delivery` out",
            )
        )
    copies, least = kafka.replication, kafka.min_insync_replicas
    if copies is not None and least is not None and least > copies:
        broken.append(
            (
                ("kafka.min_insync_replicas", "kafka.replication"),
                f"{least} copies are more than kafka.replication ({copies}) makes; give at most"
                f" {copies}",
            )
        )
    return broken + _tls(kafka.security) + _sasl(kafka.security)


def _tls(security: Security) -> list[Relation]:
    broken: list[Relation] = []
    given = [
        ("ca_file", security.ca_file is not None),
        ("certificate_file", security.certificate_file is not None),
        ("key_file", security.key_file is not None),
        ("check_host", not security.check_host),
    ]
    for name, is_given in given:
        if is_given and not security.tls:
            broken.append(_relation(name, "tls", "is for TLS only; give tls: true beside it"))
    certificate, key = security.certificate_file, security.key_file
    password = _one_of(security, "key_password")
    if certificate and not key:
        broken.append(
            _relation("certificate_file", "key_file", "needs its key; give key_file beside it")
        )
    if key and not certificate:
        broken.append(
            _relation(
                "key_file", "certificate_file", "needs its certificate; give certificate_file"
            )
        )
    if password and not key:
        broken.append(_relation(password, "key_file", "opens a key; give key_file beside it"))
    return broken + _twice(security, "key_password")


def _sasl(security: Security) -> list[Relation]:
    """What each mechanism needs, and what it has no use for."""
    mechanism = security.mechanism
    password = _one_of(security, "password")
    names = [("username", security.username is not None), (password, bool(password))]
    command = [("token_command", bool(security.token_command))]
    if mechanism is None:
        needed, useless = [], [*names, *command]
    elif mechanism == "OAUTHBEARER":
        needed, useless = command, names
    else:
        needed, useless = names, command
    broken = [
        _relation("mechanism", name or "password", f"{mechanism} needs {name or 'password'}; "
                  f"give it beside it{'' if name else ', or password_file'}")
        for name, is_given in needed
        if not is_given
    ]  # fmt: skip
    for name, is_given in useless:
        if is_given:
            why = f"mechanism {mechanism} does not take it" if mechanism else "no mechanism is set"
            right = "leave it out" if mechanism else "give mechanism, or leave it out"
            broken.append(_relation(name, "mechanism", f"is not used: {why}; {right}"))
    return broken + _twice(security, "password")


def _relation(name: str, other: str, text: str) -> Relation:
    return (f"kafka.security.{name}", f"kafka.security.{other}"), text


def _one_of(security: Security, name: str) -> str:
    """Which of `name` and `name_file` is given; empty if none is."""
    found = [key for key in (name, f"{name}_file") if getattr(security, key) is not None]
    return found[0] if found else ""


def _twice(security: Security, name: str) -> list[Relation]:
    if getattr(security, name) is None or getattr(security, f"{name}_file") is None:
        return []
    return [_relation(f"{name}_file", name, f"stands beside {name}; leave one of them out")]


def option_values(config: Config) -> dict[str, Any]:
    """What is said about the cluster besides its security, by the names that the transport uses."""
    kafka = config.kafka
    return {
        "bootstrap": kafka_bootstrap(config.transport),
        "replication": kafka.replication,
        "min_insync": kafka.min_insync_replicas,
        "transaction_timeout_ms": kafka.transaction_timeout_ms,
        "exactly_once": config.delivery == "exactly_once",
    }


def security_values(config: Config) -> dict[str, Any]:
    """The plain values of `kafka.security`, by the names that the transport uses; files with
    secrets are read here, paths start at the config's folder.

    Raises:
        UserError: a file that is named is not there, or holds no secret.
    """
    given, folder = config.kafka.security, config.folder
    values: dict[str, Any] = {
        name: getattr(given, name)
        for name in ("tls", "check_host", "mechanism", "username", "token_command")
    }
    for name in ("ca_file", "certificate_file", "key_file"):
        values[name] = _file(given, name, folder)
    for name in ("key_password", "password"):
        values[name] = _secret(given, name, folder)
    return {**values, "folder": folder}


def _file(given: Security, name: str, folder: Path) -> Path | None:
    path: str | None = getattr(given, name)
    if path is None:
        return None
    try:
        with (folder / path).open("rb"):
            return folder / path
    except (OSError, ValueError) as error:
        raise unreadable(f"kafka.security.{name}", folder / path, error) from None


def _secret(given: Security, name: str, folder: Path) -> str | None:
    key = f"{name}_file"
    inline: SecretStr | None = getattr(given, name)
    path = None if inline is not None else _file(given, key, folder)
    return secret(inline, f"kafka.security.{key}", path)
