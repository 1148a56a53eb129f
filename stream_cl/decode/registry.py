"""The writer's schema of a record, from a schema registry.

The API is Confluent's (Schema Registry API reference, `GET /schemas/ids/{id}` and
`GET /subjects/{subject}/versions/{version}`), which Apicurio, Karapace and Redpanda speak too.
A schema never changes under its id, so what a record means is a function of the log however
often it is asked for. Hence the line between two kinds of failure:

- The registry answers that it has no such id, or what it has is no Avro schema: `Rejected`,
  and the record is a dead letter.
- The registry does not answer, refuses us or answers something else: `TransportError`, and
  the step is not taken. An outage must not turn good events into dead letters.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import orjson

from stream_cl.core.clock import Clock
from stream_cl.core.errors import Rejected, TransportError
from stream_cl.core.limits import SCHEMA_BYTES, SCHEMA_REFERENCES
from stream_cl.core.origin import PASSING, Origin, UnreadableCertificates
from stream_cl.decode.fields import shown

ATTEMPTS: Final = 4
"""Times that the registry is asked before it counts as down."""
WAIT_S: Final = 0.25
"""Before the second attempt; twice as long before each further one."""
ID_MAX: Final = 2**31 - 1
"""Registries count in Java's int; larger ids are not asked for."""
_ANSWER_BYTES: Final = 2 * SCHEMA_BYTES + 100_000
"""A schema stands in its answer as a JSON string, so its quotes take two bytes."""
_NO_SCHEMA: Final = (40401, 40402, 40403)
"""Error codes for: no such subject, version, schema."""


class _Answer(NamedTuple):
    """A status of HTTP and the JSON object that came with it; empty where none did."""

    status: int
    document: dict[str, Any]


def unknown_schema(id_: int) -> Rejected:
    """What becomes of a record whose schema the registry does not have."""
    return Rejected("unknown_schema", f"the schema registry has no schema {id_}")


class SchemaRegistry:
    """Asks a registry; keeps nothing.

    Args:
        url: http or https, with a path if the registry has one; no credentials in it.
        clock: for waiting between attempts.
        authorization: gives the `Authorization` header, or None. Called for every request, so
            that a token may be renewed.
        ca_file: PEM certificates that the registry is trusted by; None takes the system's.
        timeout_s: seconds to connect, and for the registry to go on with an answer.

    Raises:
        TransportError: `ca_file` holds no certificates.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        authorization: Callable[[], str | None] = lambda: None,
        ca_file: Path | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("url must be http:// or https://, without a user")
        self.url = url.rstrip("/")
        self._clock = clock
        self._authorization = authorization
        try:
            self._origin = Origin(url, ca_file, timeout_s)
        except UnreadableCertificates as reason:
            raise self._fault(
                f"{ca_file} holds no certificates that can be read ({reason})", "name a PEM file"
            ) from None

    def texts(self, id_: int) -> tuple[str, ...]:
        """The texts of schema `id_` and of those that it refers to, itself last.

        Raises:
            Rejected: `unknown_schema` or `bad_schema`.
            TransportError: the registry does not say.
        """
        document = self._get(f"/schemas/ids/{id_}") if id_ <= ID_MAX else None
        if document is None:
            raise unknown_schema(id_)
        kind = document.get("schemaType") or "AVRO"
        if kind != "AVRO":
            raise Rejected("bad_schema", f"schema {id_} is {shown(kind)}, not Avro")
        texts: dict[tuple[str, int], str] = {}
        self._follow(document, id_, texts)
        return (*texts.values(), self._text(document, f"/schemas/ids/{id_}"))

    def _follow(
        self, document: Mapping[str, Any], id_: int, texts: dict[tuple[str, int], str]
    ) -> None:
        """Add what a schema refers to, deepest first, each once."""
        references = document.get("references") or []
        if type(references) is not list:
            raise Rejected("bad_schema", f"schema {id_} has references that are no list")
        for reference in references:
            one = reference if type(reference) is dict else {}
            subject, version = one.get("subject"), one.get("version")
            if type(subject) is not str or type(version) is not int or version < 1:
                raise Rejected("bad_schema", f"schema {id_} refers to no subject and version")
            if (subject, version) in texts:
                continue
            if len(texts) >= SCHEMA_REFERENCES:
                raise Rejected(
                    "bad_schema", f"schema {id_} refers to more than {SCHEMA_REFERENCES} others"
                )
            path = f"/subjects/{quote(subject, safe='')}/versions/{version}"
            found = self._get(path)
            if found is None:
                what = f"schema {id_} refers to {shown(subject)}, version {version}"
                raise Rejected("bad_schema", f"{what}, which the registry does not have")
            texts[subject, version] = ""  # found; what it refers to comes before it
            self._follow(found, id_, texts)
            del texts[subject, version]
            texts[subject, version] = self._text(found, path)

    def _text(self, document: Mapping[str, Any], path: str) -> str:
        text = document.get("schema")
        if type(text) is not str:
            raise self._fault(
                f"{path} answered 200 without a schema", "give the URL of a schema registry"
            )
        return text

    def _get(self, path: str) -> dict[str, Any] | None:
        """The JSON object at `path`; None where the registry says that it has none.

        Raises:
            TransportError: it does not say.
        """
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                answer = self._ask(path)
            except ssl.SSLCertVerificationError as error:
                raise self._fault(
                    f"its certificate is refused: {error.verify_message}",
                    "give format.ca_file, or a certificate that is valid for this host",
                ) from None
            except (OSError, HTTPException, UnicodeError) as error:
                if last:
                    raise self._fault(
                        f"no answer in {ATTEMPTS} attempts: {_reason(error)}",
                        "start it, or correct format.registry; nothing was lost",
                    ) from None
            else:
                if answer.status == 200:
                    return answer.document
                if answer.status == 404 and answer.document.get("error_code") in _NO_SCHEMA:
                    return None
                if last or answer.status not in PASSING:
                    raise self._refusal(path, answer.status)
            self._clock.sleep(WAIT_S * 2**attempt)
        raise AssertionError("unreachable")

    def _ask(self, path: str) -> _Answer:
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        authorization = self._authorization()
        if authorization is not None:
            if not authorization.isascii() or not authorization.isprintable():
                # http.client would say so too, and repeat the header.
                raise self._fault(
                    "the credentials cannot stand in an HTTP header", "give one line of ASCII"
                )
            headers["Authorization"] = authorization
        status, body = self._origin.ask("GET", path, headers, _ANSWER_BYTES)
        if len(body) > _ANSWER_BYTES and status == 200:
            raise Rejected("bad_schema", f"a schema of more than {_ANSWER_BYTES} bytes")
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        if type(document) is not dict:
            if status == 200:
                raise self._fault(
                    f"{path} answered 200 with something else than a JSON object",
                    "give the URL of a schema registry",
                )
            document = {}
        return _Answer(status, document)

    def _refusal(self, path: str, status: int) -> TransportError:
        if status in (401, 403):
            what = "refuses us" if self._authorization() else "asks who we are"
            keys = "format.username and password, or format.token"
            return self._fault(f"it {what} ({status})", f"give {keys} of one who may read schemas")
        if status == 404:
            right = "give the URL before /schemas/ids, such as …/apis/ccompat/v7"
            return self._fault(f"{path} is not there (404)", f"correct format.registry: {right}")
        if 300 <= status < 400:
            right = "give the URL that it redirects to in format.registry"
            return self._fault(f"it redirects ({status}), which is not followed", right)
        return self._fault(f"{path} answered {status}", "look into the registry's log")

    def _fault(self, what: str, right: str) -> TransportError:
        return TransportError(f"schema registry {self.url}: {what}; {right}")


def _reason(error: Exception) -> str:
    # Messages of http.client may repeat what was sent; its names say enough.
    return str(error) if isinstance(error, OSError) else type(error).__name__
