"""A stranger at the port of a running pipeline: nothing is written, nothing leaks, it goes on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.processes import until
from tests.serve.running import Running, asked, running

TOKEN = "a-token-of-32-characters-or-more"
PATHS = [
    "/", "/metrics", "/live", "/ready", "/stream", "/explain", "/explain?id=" + "x" * 300,
    "/explain?id=%00", "/explain?id=%ff", "/explain?id=' OR 1=1", "/login", "/nowhere",
    "/static/", "/static", "/static/vendor", "/static/../headers.py", "/static/..%2fheaders.py",
    "/static/%2e%2e/%2e%2e/cli/run.py", "/static//etc/passwd", "/static/....//etc/passwd",
    "/static/vendor/uplot/../../../access.py", "/static/base.css%00", "/static/\\..\\access.py",
    "//etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..;/metrics", "/metrics/../live", "/live\x01",
    "/templates/login.html", "/LIVE", "/live/", "http://evil.example/metrics", "*", "",
]  # fmt: skip
LEAKS = [b"root:", TOKEN.encode(), b"Traceback", b"import ", b"stream_cl/serve", b"secret-file"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "token").write_text(TOKEN)
    with running(folder, http={"token_file": "token"}) as one:
        one.events(["a", "b", "c"])
        until(lambda: one.ends()["predictions"] == 3, "the events are predicted")
        yield one


@pytest.fixture(autouse=True)
def _unharmed(pipeline: Running) -> Iterator[None]:
    before = pipeline.ends()
    yield
    assert pipeline.ends() == before, "somebody wrote"
    assert pipeline.status("/live") == 200
    assert pipeline.process.poll() is None


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_no_path_leaks_or_writes_anything(pipeline: Running, method: str) -> None:
    for path in PATHS:
        answer = asked(pipeline.port, request(method, path, body=b"x" * (method == "POST")))
        status = int(answer.split(b" ", 2)[1])
        open_ = path in ("/live", "/ready", "/login") and method in ("GET", "HEAD")
        assert (status == 200) == open_ or path == "/ready", (path, status)
        assert status in (200, 400, 401, 403, 404, 405, 503), (path, status)
        assert not [leak for leak in LEAKS if leak in answer], path


def test_with_the_token_paths_lead_to_our_files_only(pipeline: Running) -> None:
    allowed = f"Authorization: Bearer {TOKEN}"
    for path in PATHS:
        if path == "/stream":
            continue  # it never ends
        answer = asked(pipeline.port, request("GET", path, allowed))
        assert not [leak for leak in LEAKS if leak in answer], path
    body = b"token=" + TOKEN.encode()
    forged = request("POST", "/login", "Origin: http://evil.example", body=body)
    assert b" 403 " in asked(pipeline.port, forged).splitlines()[0]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 1_000_000,
        b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\n" * 500_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        request("POST", "/login", "Origin: http://127.0.0.1", body=b"token=" + b"x" * 1_000_000),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=range(12),
)
def test_rubbish_ends_in_a_refusal(pipeline: Running, sent: bytes) -> None:
    answer = asked(pipeline.port, sent)
    assert not answer or int(answer.split(b" ", 2)[1]) >= 400
    assert not [leak for leak in LEAKS if leak in answer]


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_at_all(pipeline: Running, sent: bytes) -> None:
    answer = asked(pipeline.port, sent + b"\r\n\r\nGET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b" 200 " not in answer.split(b"\r\n")[0]


def test_people_who_say_nothing_do_not_keep_others_out(pipeline: Running) -> None:
    silent = [socket.create_connection(("127.0.0.1", pipeline.port)) for _ in range(200)]
    try:
        for one in silent[::2]:
            one.sendall(b"GET / HT")
        assert pipeline.status("/live") == 200
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(pipeline.status, ["/live"] * 40))
        assert set(answers) == {200}
        silent[0].settimeout(40)
        assert silent[0].recv(10) == b"", "a request that never ends is hung up on"
    finally:
        for one in silent:
            one.close()


def test_the_log_says_nothing_of_them(pipeline: Running, tmp_path: Path) -> None:
    """Whoever knocks could else fill the disk; and a token must not stand there."""
    for path in PATHS[:10]:
        asked(pipeline.port, request("GET", path, "Authorization: Bearer wrong-wrong-wrong"))
    pipeline.process.terminate()
    _, said = pipeline.process.communicate(timeout=60)
    assert "127.0.0.1" not in said.replace(pipeline.url, "")
    assert TOKEN not in said
    assert "wrong-wrong" not in said
    pipeline.begin()
