"""Certificates for tests of TLS, made on the spot.

    authority = Authority(folder)
    server = authority.issue("broker")
    Listener("TLS", Tls(server.certificate, server.key, authority.certificate))

Needs `cryptography`, which is among the development dependencies only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from stream_cl.core.clock import SystemClock

_VALID: Final = timedelta(days=2)


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key (PKCS #8), each in a PEM file."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own, signed by itself, is what others are told to trust.

    Args:
        folder: where files go; a second authority needs another.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str = "tests") -> None:
        self._folder = folder
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / "authority.pem"
        signed = (
            self._begun(self._name, self._key, expired=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate.write_bytes(signed.public_bytes(Encoding.PEM))

    def issue(
        self,
        name: str,
        hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
        *,
        expired: bool = False,
        password: str = "",
    ) -> Issued:
        """Make a certificate for a server or a client.

        Args:
            name: its common name, and that of its files.
            hosts: names and addresses that it is valid for.
            expired: whether its time ended a day ago.
            password: encrypts the key.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        signed = (
            self._begun(_named(name), key, expired)
            .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        issued.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return issued

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, expired: bool
    ) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
        start = now - (2 * _VALID if expired else timedelta(hours=1))
        end = now - timedelta(days=1) if expired else now + _VALID
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
