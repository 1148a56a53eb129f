"""Who has the token comes in, and nobody else; what is open to all tells nothing."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pytest

from stream_cl.serve.access import SESSION_S, Tokens
from stream_cl.serve.broadcast import Broadcaster
from stream_cl.serve.console import console_app
from stream_cl.serve.status import TEXT_TYPE, Answer
from stream_cl.testing.clock import FakeClock
from tests.serve.asgi import Asked, ask, scope

TOKEN = "a-token-of-32-characters-or-more"
SECRET = b"what nobody may see"
CLOSED = ["/", "/metrics", "/stream", "/explain?id=1", "/nowhere", "//", "/login/", "/Static/x"]
FORM = {"content_type": "application/x-www-form-urlencoded", "origin": "http://localhost:8080"}


class Quiet:
    """Tells nothing."""

    def want(self, answered: Any) -> None:
        raise AssertionError("nobody may be told anything here")

    refresh = whole = lambda self: SECRET


def service(token: str | None = TOKEN, clock: FakeClock | None = None) -> Any:
    def fault(error: Exception) -> None:
        raise error

    return console_app(
        status={
            path: lambda: Answer(200, TEXT_TYPE, SECRET)  # type: ignore[arg-type]
            for path in ("/metrics", "/live", "/ready")
        },
        broadcaster=Broadcaster(Quiet(), fault),
        explain=lambda id_: SECRET,
        about={"log": "log.db", "prefix": "", "learner": "l", "asks": "a", "version": "1"},
        token=token,
        loopback=True,
        clock=clock or FakeClock(),
        fault=fault,
    )


def entered(app: Any, token: str = TOKEN) -> Asked:
    return ask(app, scope("POST", "/login", **FORM), [urlencode({"token": token}).encode()])


def cookie(answer: Asked) -> str:
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert morsel["httponly"]
    assert morsel["samesite"].lower() == "strict"
    return f"{morsel.key}={morsel.value}"


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer \xff"},
        {"cookie": f"stream_cl_8080={TOKEN}"},
        {"cookie": "stream_cl_8080=9999999999.0"},
        {"cookie": "stream_cl_8080=x." + "0" * 64},
        {"cookie": "=;=;\x00=" * 9},
    ],
)
def test_nobody_sees_anything_without_the_token(path: str, headers: dict[str, str]) -> None:
    answer = ask(service(), scope(path=path, **headers))
    assert answer.status == 401
    assert SECRET not in answer.body
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/live", "/ready", "/login", "/static/base.css"])
def test_probes_and_the_form_need_none(path: str) -> None:
    assert ask(service(), scope(path=path)).status == 200


def test_prometheus_comes_in_with_its_bearer_token() -> None:
    answer = ask(service(), scope(path="/metrics", authorization=f"bearer {TOKEN}"))
    assert answer.body == SECRET


def test_a_person_is_led_to_the_form_and_from_there_in() -> None:
    app = service()
    sent = ask(app, scope(path="/", accept="text/html,*/*"))
    assert (sent.status, sent.headers["location"]) == (303, "/login")
    given = entered(app)
    assert (given.status, given.headers["location"]) == (303, "/")
    assert TOKEN not in given.headers["set-cookie"]
    assert ask(app, scope(path="/metrics", cookie=cookie(given))).body == SECRET


def test_a_wrong_token_leaves_no_cookie() -> None:
    answer = entered(service(), "<script>alert(1)</script>")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers
    assert b"<script" not in answer.body


def test_a_cookie_ends_and_another_token_ends_it() -> None:
    clock = FakeClock()
    app = service(clock=clock)
    kept = cookie(entered(app))
    other = service("another-token-of-32-characters-x", clock)
    assert ask(other, scope(path="/metrics", cookie=kept)).status == 401
    clock.advance(seconds=SESSION_S - 1)
    assert ask(app, scope(path="/metrics", cookie=kept)).status == 200
    clock.advance(seconds=2)
    assert ask(app, scope(path="/metrics", cookie=kept)).status == 401


def test_a_cookie_of_another_port_does_not_open_this_one() -> None:
    kept = cookie(entered(service()))
    elsewhere = scope(path="/metrics", cookie=kept.replace("8080", "8081"))
    elsewhere["server"] = ("127.0.0.1", 8081)
    assert not Tokens(TOKEN, FakeClock()).known(elsewhere)


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "none"}],
)
def test_a_form_of_another_site_is_not_taken(headers: dict[str, str]) -> None:
    body = [urlencode({"token": TOKEN}).encode()]
    answer = ask(service(), scope("POST", "/login", **headers), body)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 100, b"token", b"", b"x" * 70_000])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    answer = ask(service(), scope("POST", "/login", **FORM), [body])
    assert answer.status in (400, 401, 413)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/stream", "/explain?id=1", "/static/base.css"])
def test_nothing_is_written_by_anybody(method: str, path: str) -> None:
    answer = ask(service(), scope(method, path, authorization=f"Bearer {TOKEN}", **FORM))
    assert answer.status == 405
