"""What every request and answer goes through, whatever the application is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from stream_cl.serve.headers import CONTENT_POLICY, Guarded, from_our_page
from tests.serve.asgi import Asked, ask, scope


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(body.decode())(scope, receive, send)


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("a secret in a message")


def guarded(app: Any = echo, **settings: Any) -> tuple[Guarded, list[Exception]]:
    faults: list[Exception] = []
    return Guarded(app, loopback=True, fault=faults.append, **settings), faults


def test_a_page_may_run_nothing_but_our_own_files() -> None:
    answer = ask(guarded()[0], scope())
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:80", "a.localhost"]
)
def test_on_loopback_its_own_names_are_served(host: str) -> None:
    assert ask(guarded()[0], scope(host=host)).status == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example:80", "127.0.0.1.nip.io"]
)
def test_a_name_that_was_made_to_lead_here_is_not(host: str) -> None:
    """Else a page on the internet reads the stream through its visitor's browser."""
    answer = ask(guarded()[0], scope(host=host))
    assert answer.status == 400
    assert "content-security-policy" in answer.headers


def test_other_sites_pages_send_nothing_but_links() -> None:
    """Else any page that somebody visits could keep the pipeline searching."""
    app = guarded()[0]
    assert ask(app, scope(sec_fetch_site="cross-site", sec_fetch_mode="no-cors")).status == 403
    assert ask(app, scope(sec_fetch_site="same-site", sec_fetch_mode="cors")).status == 403
    assert ask(app, scope(sec_fetch_site="cross-site", sec_fetch_mode="navigate")).status == 200
    assert ask(app, scope(sec_fetch_site="same-origin", sec_fetch_mode="cors")).status == 200


def test_a_body_that_is_too_long_is_refused_before_and_while_it_comes() -> None:
    app = guarded(body_bytes=10)[0]
    assert ask(app, scope("POST", content_length="10"), [b"0123456789"]).body == b"0123456789"
    assert ask(app, scope("POST", content_length="11"), [b"01234567890"]).status == 413
    assert ask(app, scope("POST", content_length="9" * 400), [b""]).status == 413
    assert ask(app, scope("POST"), [b"012345", b"6789a"]).status == 413


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    app, asked = guarded(body_s=0.05)[0], Asked()

    async def nothing() -> Any:
        await asyncio.sleep(3600)

    asyncio.run(asyncio.wait_for(app(scope("POST"), nothing, asked.send), 10))
    assert asked.status == 408


def test_a_fault_is_told_to_the_operator_and_not_to_the_client() -> None:
    app, faults = guarded(broken)
    answer = ask(app, scope())
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert [str(fault) for fault in faults] == ["a secret in a message"]


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec_fetch_site": "same-origin", "origin": "http://localhost:8080"}, True),
        ({"origin": "http://localhost:8080"}, True),
        ({"sec_fetch_site": "cross-site", "origin": "http://localhost:8080"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"origin": "http://localhost:8081"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_our_own_pages_may_change_anything(headers: dict[str, str], ours: bool) -> None:
    assert from_our_page(scope("POST", **headers)) is ours
