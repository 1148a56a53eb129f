"""The schema registry's client, against a server that answers what the test wants.

Where one of these fails, an outage of the registry turns good events into dead letters, a bad
answer stops the stream for ever, or a password stands in a log.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import orjson
import pytest

from stream_cl.core.errors import Rejected, TransportError
from stream_cl.core.limits import SCHEMA_BYTES, SCHEMA_REFERENCES
from stream_cl.decode.registry import ATTEMPTS, ID_MAX, SchemaRegistry
from stream_cl.testing.clock import FakeClock

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
UNKNOWN: Answer = (404, {"error_code": 40403, "message": "Schema not found"})


class Server:
    """Answers each GET by a function of its path; remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.authorization.append(self.headers["Authorization"])
                answer = server.answers.get(self.path, UNKNOWN)
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                status, body, headers = (*answer, {})[:3]
                raw = body if isinstance(body, bytes) else orjson.dumps(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                return None

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=[0.01], daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


def client(server: Server, path: str = "", **settings: Any) -> SchemaRegistry:
    return SchemaRegistry(server.url + path, FakeClock(), **settings)


def ok(schema: str = '"string"', **more: Any) -> Answer:
    return 200, {"schema": schema, **more}


def test_a_schema_by_its_id(server: Server) -> None:
    """The URL may have a path, with a slash behind it or not."""
    server.answers["/apis/ccompat/v7/schemas/ids/5"] = ok()
    for path in ("/apis/ccompat/v7", "/apis/ccompat/v7/"):
        assert client(server, path).texts(5) == ('"string"',)


def test_schemas_that_are_referred_to_come_first(server: Server) -> None:
    """Each once, whoever refers to it, and a circle ends."""

    def to(*subjects: str) -> list[dict[str, Any]]:
        return [{"name": s, "subject": s, "version": 2} for s in subjects]

    server.answers |= {
        "/schemas/ids/5": ok("top", references=to("a/b", "c"), schemaType="AVRO"),
        "/subjects/a%2Fb/versions/2": ok("ab", references=to("d")),
        "/subjects/c/versions/2": ok("c", references=to("d", "c")),
        "/subjects/d/versions/2": ok("d", references=None),
    }
    assert client(server).texts(5) == ("d", "ab", "c", "top")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"schema": "{}", "schemaType": "PROTOBUF"}, "not Avro"),
        ({"schema": "{}", "schemaType": 7}, "not Avro"),
        ({"schema": "{}", "references": {"a": 1}}, "no list"),
        ({"schema": "{}", "references": [7]}, "no subject"),
        ({"schema": "{}", "references": [{"subject": "a", "version": -1}]}, "no subject"),
        ({"schema": "{}", "references": [{"subject": "a", "version": 1}]}, "does not have"),
        ({"schema": "x" * (3 * SCHEMA_BYTES)}, "more than"),
    ],
)
def test_a_schema_that_is_of_no_use(server: Server, document: Any, reason: str) -> None:
    """It never becomes another, so its records are dead letters, and the stream goes on."""
    server.answers["/schemas/ids/5"] = 200, document
    with pytest.raises(Rejected, match=reason) as caught:
        client(server).texts(5)
    assert caught.value.code == "bad_schema"


def test_references_are_bounded(server: Server) -> None:
    for i in range(SCHEMA_REFERENCES + 2):
        reference = {"name": "n", "subject": f"s{i + 1}", "version": 1}
        server.answers[f"/subjects/s{i}/versions/1"] = ok("x", references=[reference])
    first = {"name": "n", "subject": "s0", "version": 1}
    server.answers["/schemas/ids/5"] = ok("x", references=[first])
    with pytest.raises(Rejected, match="more than"):
        client(server).texts(5)


def test_an_id_that_is_not_there(server: Server) -> None:
    with pytest.raises(Rejected) as caught:
        client(server).texts(5)
    assert caught.value.code == "unknown_schema"
    with pytest.raises(Rejected):
        client(server).texts(ID_MAX + 1)
    assert server.asked == ["/schemas/ids/5"], "registries refuse larger ids in ways of their own"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, b"<html>not here"), "format.registry"),
        ((404, {"error_code": [40403]}), "format.registry"),
        ((401, {"error_code": 40101}), "asks who we are"),
        ((403, b""), "asks who we are"),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "redirects"),
        ((400, {}), "answered 400"),
        ((500, {}), "answered 500"),
        ((200, b"<html>hello"), "not|else than a JSON object"),
        ((200, [1]), "else than a JSON object"),
        ((200, {"id": 5}), "without a schema"),
    ],
)
def test_an_answer_that_says_nothing_of_the_id(server: Server, answer: Answer, says: str) -> None:
    """A wrong URL, a refusal or a fault of the registry must not cost a single event."""
    server.answers["/schemas/ids/5"] = answer
    with pytest.raises(TransportError, match=says) as caught:
        client(server).texts(5)
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_that_passes_is_waited_for(server: Server) -> None:
    clock = FakeClock()
    began_s = clock.monotonic_s()
    server.answers["/schemas/ids/5"] = [(503, b""), (429, {}), ok()]
    assert SchemaRegistry(server.url, clock).texts(5) == ('"string"',)
    assert 0 < clock.monotonic_s() - began_s < 5


def test_a_registry_that_is_not_there() -> None:
    """It is asked a few times, then the message says where it was looked for."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TransportError, match=f"{url}: no answer in {ATTEMPTS} attempts"):
            SchemaRegistry(url, FakeClock()).texts(5)


def test_a_registry_that_says_nothing_is_not_waited_for_forever() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TransportError, match="timed out"):
            SchemaRegistry(url, FakeClock(), timeout_s=0.1).texts(5)


def test_credentials_are_sent_and_never_shown(server: Server) -> None:
    """Errors are printed, logged and shown to others."""
    secret = "open sesame"
    basic = "Basic " + base64.b64encode(f"ali:{secret}".encode()).decode()
    server.answers["/schemas/ids/5"] = ok()
    client(server, authorization=lambda: basic).texts(5)
    assert server.authorization == [basic]
    for status in (302, 400, 401, 403, 404, 500):
        server.answers["/schemas/ids/5"] = status, b"{}"
        with pytest.raises(TransportError) as caught:
            client(server, authorization=lambda: basic).texts(5)
        assert secret not in repr(caught.value)
        assert basic[6:] not in repr(caught.value)
    for broken in (f"Bearer {secret}\nX: y", f"Bearer {secret}é"):
        with pytest.raises(TransportError, match="cannot stand in an HTTP header") as caught:
            client(server, authorization=lambda broken=broken: broken).texts(5)
        assert secret not in repr(caught.value)
        assert caught.value.__cause__ is None


def test_a_token_is_renewed(server: Server) -> None:
    """Tokens of a cluster live an hour, pipelines for months."""
    tokens = iter(["Bearer 1", "Bearer 2"])
    server.answers["/schemas/ids/5"] = ok()
    registry = client(server, authorization=lambda: next(tokens))
    registry.texts(5)
    registry.texts(5)
    assert server.authorization == ["Bearer 1", "Bearer 2"]


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:b@c", "a"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="url must be"):
        SchemaRegistry(url, FakeClock())


def test_a_ca_file_that_is_none(tmp_path: Any) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(TransportError, match="No such file"):
        SchemaRegistry("https://localhost", FakeClock(), ca_file=path)
    path.write_text("no certificate")
    with pytest.raises(TransportError, match=r"ca\.pem holds no certificates"):
        SchemaRegistry("https://localhost", FakeClock(), ca_file=path)
