"""From `KafkaSecurity` to what each client calls it.

What can be found without a broker is found here: a file that holds no certificate, a key that
belongs to another one, a wrong password of a key.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stream_cl.core.clock import Clock
from stream_cl.core.errors import UserError
from stream_cl.transport.kafka_options import KafkaSecurity
from stream_cl.transport.kafka_token import TokenCommand

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
_TIME: Final = rb"(?:\x17\r|\x18\x0f)(\d{12,14}Z)"
"""An ASN.1 time: tag and length, then digits."""
_VALIDITY: Final = re.compile(_TIME * 2)


class Secret(str):
    """Text that is not shown where a dictionary with it is printed: clients log their settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


def kafka_python_settings(security: KafkaSecurity, clock: Clock | None = None) -> dict[str, Any]:
    """Keyword arguments of any client of kafka-python.

    Raises:
        UserError: a certificate or key cannot be used.
    """
    settings: dict[str, Any] = {"security_protocol": _protocol(security)}
    if security.tls:
        settings["ssl_context"] = tls_context(security)
    if security.mechanism is None:
        return settings
    settings["sasl_mechanism"] = security.mechanism
    if security.mechanism == "OAUTHBEARER":
        from kafka.net.sasl.oauth import AbstractTokenProvider

        # As a virtual subclass, so that the class does not depend on this client.
        AbstractTokenProvider.register(TokenCommand)
        settings["sasl_oauth_token_provider"] = _tokens(security, clock)
    else:
        settings["sasl_plain_username"] = security.username
        settings["sasl_plain_password"] = Secret(security.password or "")
    return settings


def librdkafka_settings(security: KafkaSecurity, clock: Clock | None = None) -> dict[str, Any]:
    """Configuration of any client of confluent-kafka.

    Raises:
        UserError: a certificate or key cannot be used.
    """
    settings: dict[str, Any] = {"security.protocol": _protocol(security).lower()}
    if security.tls:
        # Not used by this client, which opens the files itself; but its own messages name no file.
        tls_context(security)
        files = {
            "ssl.ca.location": security.ca_file,
            "ssl.certificate.location": security.certificate_file,
            "ssl.key.location": security.key_file,
        }
        settings |= {name: str(path) for name, path in files.items() if path is not None}
        if security.key_password is not None:
            settings["ssl.key.password"] = Secret(security.key_password)
        check = "https" if security.check_host else "none"
        settings["ssl.endpoint.identification.algorithm"] = check
    if security.mechanism is None:
        return settings
    settings["sasl.mechanism"] = security.mechanism
    if security.mechanism == "OAUTHBEARER":
        settings["oauth_cb"] = _oauth_callback(_tokens(security, clock))
    else:
        settings["sasl.username"] = security.username
        settings["sasl.password"] = Secret(security.password or "")
    return settings


def tls_context(security: KafkaSecurity) -> ssl.SSLContext:
    """How brokers' certificates are checked, and what we show of ourselves.

    Raises:
        UserError: a certificate or key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = security.check_host
    if security.ca_file is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(security.ca_file)
        except (OSError, ValueError) as error:
            raise UserError(
                f"kafka.security.ca_file: {security.ca_file} holds no certificate"
                f" ({_reason(error)}); name a PEM file"
            ) from None
    if security.certificate_file is not None:
        _load_own(context, security)
    return context


def _load_own(context: ssl.SSLContext, security: KafkaSecurity) -> None:
    asked = False

    def password() -> str:
        # Without one OpenSSL would ask at the terminal, and wait.
        nonlocal asked
        asked = True
        return security.key_password or ""

    certificate = security.certificate_file
    assert certificate is not None
    key = security.key_file or certificate
    try:
        context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:
        reason = _reason(error)
        if "KEY_VALUES_MISMATCH" in reason:
            what = f"key_file: {key} is not the key of {certificate}; name the one that belongs"
        elif asked and not security.key_password:
            what = f"key_file: {key} is encrypted; give key_password, or key_password_file"
        elif asked:
            what = f"key_password: {key} cannot be opened with it; give the right one"
        else:
            what = (
                f"certificate_file: {certificate} with {key} cannot be used; name PEM files, a"
                " certificate and its key"
            )
        raise UserError(f"kafka.security.{what}") from None


def expired_at(certificate: Path, now_s: float) -> str:
    """When the first certificate of a PEM file ended, as RFC 3339; empty if it has not, or is none.

    The dates are the two times that stand side by side in it (RFC 5280 §4.1.2.5).
    """
    try:
        der = ssl.PEM_cert_to_DER_cert(_PEM.findall(certificate.read_text())[0])
        ends = _VALIDITY.findall(der)[0][1].decode()
    except (OSError, ValueError, IndexError):
        return ""
    form = "%y%m%d%H%M%SZ" if len(ends) == 13 else "%Y%m%d%H%M%SZ"
    ended = datetime.strptime(ends, form).replace(tzinfo=UTC)
    return ended.isoformat() if ended.timestamp() <= now_s else ""


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)


def _protocol(security: KafkaSecurity) -> str:
    if security.mechanism is None:
        return "SSL" if security.tls else "PLAINTEXT"
    return "SASL_SSL" if security.tls else "SASL_PLAINTEXT"


def _tokens(security: KafkaSecurity, clock: Clock | None) -> TokenCommand:
    return TokenCommand(security.token_command, security.folder, clock)


def _oauth_callback(tokens: TokenCommand) -> Callable[[str], tuple[str, float]]:
    def callback(_config: str) -> tuple[str, float]:
        token, until_ms = tokens.token_until()
        return Secret(token), until_ms / 1000

    return callback
