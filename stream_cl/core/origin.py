"""An HTTP server that is asked, one connection for each request.

http.client alone is used: no proxy out of the environment, no redirect that takes credentials
elsewhere, no answer larger than what the caller can take.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same may be asked again."""


class UnreadableCertificates(Exception):
    """The file of trusted certificates cannot be used; the text says why."""


class Origin:
    """A server by its URL.

    Args:
        url: http or https, with a path if it has one; no credentials in it.
        ca_file: PEM certificates that it is trusted by; None takes the system's.
        timeout_s: seconds to connect, and for it to go on with an answer.

    Raises:
        UnreadableCertificates: `ca_file` holds none.
    """

    def __init__(self, url: str, ca_file: Path | None, timeout_s: float) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca_file)
            except (OSError, ssl.SSLError) as error:
                reason = getattr(error, "strerror", None) or type(error).__name__
                raise UnreadableCertificates(reason) from None

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        most: int,
        body: bytes | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the answer at `path` below the URL's own; one byte more than `most`
        says that there is more.

        Raises:
            OSError, http.client.HTTPException: it does not answer; ssl.SSLCertVerificationError
                is one of the former.
        """
        connection: HTTPConnection
        if self._tls is None:
            connection = HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        else:
            connection = HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._tls
            )
        try:
            connection.request(method, self._path + path, body, {**headers, "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read(most + 1)
        finally:
            connection.close()
