"""A stranger at the labelling page: nothing runs, nothing is written, nothing leaks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_cl.core.clock import SystemClock
from stream_cl.serve.headers import CONTENT_POLICY
from stream_cl.serve.label.web import BODY_BYTES, label_app
from stream_cl.serve.server import HttpServer
from stream_cl.testing.clock import FakeClock
from tests.serve.label.hands import Server, server

SECRET_TEXT = "nobody else's business"
TOKEN = "a" * 16
COOKIE = "stream_cl_label_"


@dataclass
class Site:
    here: Server
    url: str
    faults: list[Exception]

    def browser(self, **headers: str) -> httpx.Client:
        """A browser on our own page."""
        ours = {"sec-fetch-site": "same-origin", **headers}
        return httpx.Client(base_url=self.url, headers=ours, timeout=20)

    @contextmanager
    def logged_in(self) -> Iterator[httpx.Client]:
        with self.browser() as client:
            assert client.post("/login", data={"token": TOKEN}).status_code == 303
            client.headers["x-csrf-token"] = client.get("/api/page").json()["csrf"]
            yield client

    def raw(self, path: str) -> tuple[int, str]:
        """A path as it stands: clients tidy them."""
        connection = http.client.HTTPConnection(self.url.split("/")[2], timeout=20)
        connection.putrequest("GET", path)
        connection.endheaders()
        told = connection.getresponse()
        text = told.read().decode()
        connection.close()
        return told.status, text

    @property
    def port(self) -> str:
        return self.url.rsplit(":", 1)[1].rstrip("/")

    @property
    def answers(self) -> int:
        return len(list(self.here.journal.all()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with server(tmp_path, FakeClock()) as here:
        here.ask("a", features={"note": SECRET_TEXT})
        faults: list[Exception] = []
        app = label_app(here.office, SystemClock(), loopback=True, fault=faults.append)
        served = HttpServer("127.0.0.1", 0, app, "label.port")
        try:
            yield Site(here, served.url, faults)
        finally:
            served.close()
        assert not faults


def test_somebody_logs_in_and_answers(site: Site) -> None:
    with site.logged_in() as client:
        told = client.post("/api/sync", json={"have": [], "want": 2}).json()
        (item,) = told["items"]
        given = {"answer": "n1", "ticket": item["ticket"], "label": "good"}
        assert client.post("/api/answer", json={"answers": [given]}).json() == {
            "answers": [{"answer": "n1", "state": "kept"}]
        }
        assert site.answers == 1
        assert client.get("/").status_code == 200
        assert client.post("/logout").headers["location"] == "/login"
        assert client.get("/").headers["location"] == "/login"


PATHS = ["/", "/login", "/logout", "/api/page", "/api/sync", "/api/answer", "/api/undo", "/live",
         "/static/label/main.js"]  # fmt: skip


METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"]
OPEN = {"/login", "/live", "/static/label/main.js"}


def test_without_a_token_nothing_is_told_or_done(site: Site) -> None:
    body = b'{"have":[],"want":9,"answers":[],"answer":"x"}'
    for path, method in product(PATHS, METHODS):
        with site.browser() as client:
            told = client.request(method, path, content=body)
        where = f"{method} {path}: {told.status_code}"
        assert (told.status_code == 200) is (path in OPEN and method in ("GET", "HEAD")), where
        assert told.status_code < 500, where
        assert SECRET_TEXT not in told.text, where
        assert site.here.office.people.who(told.cookies.get(COOKIE + site.port, "")) is None, where
        assert told.headers["content-security-policy"] == CONTENT_POLICY, where
        assert told.headers["x-content-type-options"] == "nosniff", where
    assert site.here.items("bob", 1), "nobody got a lease by it"


def test_forged_posts_are_refused(site: Site) -> None:
    with site.logged_in() as client:
        body = {"have": [], "want": 3}
        csrf = client.headers["x-csrf-token"]
        for headers in (
            {"x-csrf-token": ""},
            {"x-csrf-token": csrf[:-1] + ("0" if csrf[-1] != "0" else "1")},
            {"x-csrf-token": "é".encode("latin-1")},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            told = client.post("/api/sync", json=body, headers=headers)  # type: ignore[arg-type]
            assert told.status_code == 403, headers
            assert SECRET_TEXT not in told.text
        evil = {"sec-fetch-site": "cross-site"}
        assert client.post("/login", data={"token": TOKEN}, headers=evil).status_code == 403
        assert client.post("/logout", headers=evil).status_code == 403
    assert site.here.items("bob", 1), "nobody got a lease by it"


def test_a_session_that_is_made_up_is_none(site: Site) -> None:
    for session in ("", "x", "x.y", "bnVsbA==.00", "W10=.00", "é", "." * 3000, '"', "a=b; c=d",
                    "WyJhbm5hIiw5OTk5OTk5OTk5OTk5XQ==." + "0" * 64):  # fmt: skip
        cookie = f"{COOKIE}{site.port}={session}".encode()
        with site.browser() as client:
            told = client.get("/api/page", headers={b"cookie": cookie})  # type: ignore[dict-item]
        assert told.status_code == 401, session


def test_a_session_ends_and_is_its_owners(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        people = here.office.people
        session = people.session("anna")
        assert people.who(session) == "anna"
        text, _, sign = session.rpartition(".")
        ticket = people.ticket("anna", ["anna", 10**13])
        assert people.who(ticket) is None, "a ticket opens nothing"
        assert people.content("anna", session) is None, "a session is no ticket"
        assert people.who(f"{text}.{'0' * len(sign)}") is None
        clock.advance(8 * 86_400)
        assert people.who(session) is None


def test_tokens_cannot_be_tried_for_long(site: Site) -> None:
    with site.browser() as client:
        told = [client.post("/login", data={"token": f"wrong {i}"}) for i in range(12)]
        assert [one.status_code for one in told] == [401] * 10 + [429] * 2
        assert int(told[-1].headers["retry-after"]) > 0
        assert client.post("/login", data={"token": TOKEN}).status_code == 429


BODIES: list[Any] = [
    b"", b"{", b"[]", b"null", b"\xff", b'{"have":1,"want":1}', b'{"have":[1],"want":1}',
    b'{"have":[],"want":-1}', b'{"have":[],"want":1e9}', b'{"have":[],"want":true}',
    json.dumps({"have": ["x" * 1000], "want": 1}).encode(),
    json.dumps({"have": ["x"] * 1000, "want": 1}).encode(),
    b'{"answers":{}}', b'{"answers":1}', b'{"answer":1}', b'{"answer":["x"]}', b"[" * 10_000,
    json.dumps({"answer": "x" * 1000}).encode(),
]  # fmt: skip


def test_bodies_that_are_nothing_are_refused(site: Site) -> None:
    for path in ("/api/sync", "/api/answer", "/api/undo"):
        nothing_is_taken(site, path)
    assert site.answers == 0


def nothing_is_taken(site: Site, path: str) -> None:
    with site.logged_in() as client:
        for body in BODIES:
            told = client.post(path, content=body)
            assert told.status_code == 400, (body[:60], told.text)
            assert len(told.text) < 100
        big = client.post(path, content=b'"' + b"x" * (BODY_BYTES + 1))
        assert big.status_code == 413


def test_an_answer_that_cannot_be_kept_is_not_acknowledged(site: Site) -> None:
    site.here.ask("big", features={"text": "x" * 50_000}, priority=1.0)
    with site.logged_in() as client:
        item = client.post("/api/sync", json={"have": [], "want": 2}).json()["items"][0]
        body = {"answers": [{"answer": "n1", "ticket": item["ticket"], "label": "good"}]}
        with site.here.full_disk():
            told = client.post("/api/answer", json=body)
        assert told.status_code == 503
        assert "journal" not in told.text, "where files lie is nobody's business"
        assert len(site.faults) == 1, "but its owner is told"
        site.faults.clear()
        assert client.post("/api/answer", json=body).json()["answers"][0]["state"] == "kept"


def test_no_path_leads_out(site: Site) -> None:
    for path in (
        "/static/../label/people.py", "/static/%2e%2e/label/people.py", "/static/..%2flabel",
        "/static//etc/passwd", "/static/label/../../../../etc/passwd", "/static/%00",
        "/static/label/main.js%00.css", "/..", "//evil.example/", "/api/../live/..", "/%2e%2e/",
        "/templates/label.html", "/static/", "/static", "/api", "/label-journal.db", "*",
        "http://evil.example/api/page",
    ):  # fmt: skip
        status, text = site.raw(path)
        assert status in (307, 400, 404), (path, status)
        assert "root:" not in text, path
        assert "import" not in text, path


def test_another_name_for_this_machine_is_refused(site: Site) -> None:
    """A page of the internet whose name leads here must not be able to read (DNS rebinding)."""
    with site.logged_in() as client:
        assert client.get("/api/page", headers={"host": "evil.example"}).status_code == 400


def test_the_script_shows_everything_as_text() -> None:
    """The one line that must never come into it."""
    folder = Path(__file__).parents[3] / "stream_cl" / "serve" / "static" / "label"
    scripts = sorted(folder.glob("*.js"))
    assert scripts
    for script in scripts:
        text = script.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, script.name
