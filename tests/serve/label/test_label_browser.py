"""People label in a real browser, against the server as a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_cl.core.clock import SystemClock
from stream_cl.serve.label.web import label_app
from stream_cl.serve.server import HttpServer
from stream_cl.testing.browser import Person, faults
from tests.cli.processes import Place, place, until
from tests.serve.label.hands import server
from tests.serve.label.questions import HOUR_MS
from tests.serve.label.served import (
    CLASSES,
    PEOPLE,
    Labeller,
    Served,
    offline,
    published,
)

CONFIG: dict[str, Any] = {
    "budget": {"fraction": 0.25},
    "label": {"people": PEOPLE, "classes": CLASSES, "hold_s": 0.5, "lease_s": 20.0},
}


def asked(here: Place) -> list[str]:
    """A log with questions: their names."""
    here.quick("produce", "--data", here.data)
    here.quick("run", "--until-idle", 0)
    return [one["request"] for one in here.values("label-requests") if one["status"] == "open"]


def truth(here: Place, request: str) -> str:
    return here.truth[request.rpartition("/")[0]]


def label(labeller: Labeller, here: Place, count: int) -> list[str]:
    return [labeller.answer(truth(here, labeller.request())) for _ in range(count)]


def everything_once(here: Place, *people: Labeller) -> None:
    """Every answer is in the labels topic once, as it was given last, and nothing else is."""
    wanted = {(r, one.name): said for one in people for r, said in one.said.items()}
    until(lambda: len(here.values("labels")) >= len(wanted), "the answers in the topic")
    found = published(here.values("labels"))
    assert {key: answers[-1]["label"] for key, answers in found.items()} == wanted
    keys = [(o["id"], o["annotator"], o.get("revision", 0)) for o in here.values("labels")]
    assert len(keys) == len(set(keys)), "an answer is there twice"


def quick(took_ms: Sequence[float], least: int) -> None:
    assert len(took_ms) >= least
    p95_ms = float(np.percentile(took_ms, 95))
    print(f"from key to next question: {np.median(took_ms):.0f} ms, 95th percentile {p95_ms:.0f}")
    assert p95_ms < 200


def test_nothing_is_lost_or_asked_twice(tmp_path: Path, person: Callable[..., Person]) -> None:
    """Two people, undone answers, a cut network, a killed server."""
    with place(tmp_path, rows=600, **CONFIG) as here:
        requests = asked(here)
        assert len(requests) > 100
        served = Served(here)
        anna = Labeller.login("anna", person(), served.url)
        label(anna, here, 20)
        for _ in range(2):  # before it is published, and while more wait
            anna.undo(anna.answer("up"))
        bob = Labeller.login("bob", person(), served.url)
        for _ in range(5):
            label(anna, here, 1)
            label(bob, here, 1)
        with offline(anna):
            label(anna, here, 3)
            assert "offline" in anna.line()
            label(bob, here, 3)
        until(lambda: anna.line() == "online", "the line is back")
        label(anna, here, 7)
        served.kill()
        label(anna, here, 2)
        served.start()
        until(lambda: anna.line() == "online", "the server is back")
        label(anna, here, 13)
        label(bob, here, 2)
        assert len(anna.said) == 50
        assert not anna.said.keys() & bob.said.keys(), "a question was given to both"
        quick(anna.took_ms(), least=50)
        until(lambda: "online" in (anna.line(), bob.line()), "online")
        assert "0 left" in served.stop()
        everything_once(here, anna, bob)


EVIL = (
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "javascript:window.ran=1",
    "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9IndpbmRvdy5yYW49MSI+PC9zdmc+",
    "{{7*7}}${7*7}</textarea></template>",
    "\u202eevil",
)


def test_what_the_stream_says_is_shown_and_never_run(
    tmp_path: Path, person: Callable[..., Person]
) -> None:
    """Names, values, classes and ids that are scripts; texts of 1 MB."""
    with server(tmp_path, SystemClock()) as here:
        long = "a refund, please; " * 50_000
        for at, evil in enumerate(EVIL):
            here.ask(evil, features={evil: evil, "long": long}, candidates=[evil[:200]],
                     priority=1 - at / 10, expires_ms=SystemClock().now_ms() + HOUR_MS,
                     reason={"draw": evil, "strategy": evil, "utility": 1.0, "threshold": evil,
                             "examples": [{"id": evil, "label": evil[:99], "distance": evil}]},
                     time=evil)  # fmt: skip
        app = label_app(here.office, SystemClock(), loopback=True, fault=pytest.fail)
        http = HttpServer("127.0.0.1", 0, app, "label.port")
        try:
            anna = Labeller.login("anna", person(), http.url, "a" * 16)
            for evil in EVIL:
                until(lambda text=evil: anna.page.locator("#item-name").inner_text() == text, evil)
                anna.page.keyboard.press("w")
                shown = anna.page.locator(".question").inner_text()
                assert shown.count(evil) >= 4, shown[:500]
                assert len(shown) < 10_000, "a long text is cut"
                anna.page.keyboard.press("1")
            assert anna.page.evaluate("window.ran") is None
            assert not [url for url in anna.asked() if not url.startswith(http.url)]
            until(lambda: anna.page.locator("#empty").is_visible(), "all are answered")
            assert {one.label for one in here.journal.all()} == {EVIL[0]}
        finally:
            http.close()


def test_every_page_can_be_used_by_everybody(tmp_path: Path, person: Callable[..., Person]) -> None:
    """axe finds no serious fault, light or dark, wide or narrow, in any state of the page."""
    looks: list[dict[str, Any]] = [
        {"color_scheme": "light"},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ]
    with server(tmp_path, SystemClock(), highlight=("refund",)) as here:
        expires_ms = SystemClock().now_ms() + HOUR_MS
        features = {"amount": 1.0, "text": "a refund, please " * 200, "none": None}
        for at in range(40):
            here.ask(f"e{at}", features=features, expires_ms=expires_ms)
        here.ask("odd", features={**features, "amount": 1e6}, expires_ms=expires_ms, priority=0.99)
        app = label_app(here.office, SystemClock(), loopback=True, fault=pytest.fail)
        http = HttpServer("127.0.0.1", 0, app, "label.port")
        try:
            for look in looks:
                came = person(**look)
                assert not faults(came.page(http.url)), "the form for the token"
                anna = Labeller.login("anna", came, http.url, "a" * 16)
                anna.page.keyboard.press("w")
                assert not faults(anna.page), "a question"
                for key in "12sn":
                    anna.page.keyboard.press(key)
                anna.page.keyboard.press("u")
                anna.page.wait_for_selector("#item-marks .mark")
                assert not faults(anna.page), "answers, and one that is to be changed"
                anna.page.keyboard.press("?")
                assert not faults(anna.page), "the keys"
                came.context.close()
        finally:
            http.close()


def test_who_is_away_loses_the_questions_and_never_an_answer(
    tmp_path: Path, person: Callable[..., Person]
) -> None:
    """The network is away for longer than a lease, and the page is loaded again without it."""
    with server(tmp_path, SystemClock(), lease_s=3.0, classes=("up", "down")) as here:
        expires_ms = SystemClock().now_ms() + HOUR_MS
        here.ask(*(f"e{at}" for at in range(8)), expires_ms=expires_ms)
        app = label_app(here.office, SystemClock(), loopback=True, fault=pytest.fail)
        http = HttpServer("127.0.0.1", 0, app, "label.port")
        try:
            anna = Labeller.login("anna", person(), http.url, "a" * 16)
            bob = Labeller.login("bob", person(), http.url, "b" * 16)
            assert anna.shown() != bob.shown()
            with offline(anna):
                for _ in range(2):
                    anna.answer("up")
                until(lambda: anna.page.locator("#empty").is_visible(), "the lease is over")
                until(bob.request, "bob goes on")
                for _ in range(6):
                    bob.answer("down") if bob.shown() else None
            until(lambda: "to be sent" not in anna.line(), "what waited is sent")
            labels = [(one.person, one.request, one.label) for one in here.journal.all()]
            assert len(labels) == len(set(labels))
            given = {(p, r) for p, r, _ in labels}
            assert given == {(o.name, r) for o in (anna, bob) for r in o.said}
        finally:
            http.close()


def test_an_answer_waits_in_the_browser_while_the_page_is_loaded_again(
    tmp_path: Path, person: Callable[..., Person]
) -> None:
    with server(tmp_path, SystemClock(), classes=("up", "down")) as here:
        here.ask("a", "b", "c", expires_ms=SystemClock().now_ms() + HOUR_MS)
        app = label_app(here.office, SystemClock(), loopback=True, fault=pytest.fail)
        http = HttpServer("127.0.0.1", 0, app, "label.port")
        try:
            anna = Labeller.login("anna", person(), http.url, "a" * 16)
            anna.page.route("**/api/answer", lambda route: route.abort())
            first = anna.answer("up")
            until(lambda: "1 to be sent" in anna.line(), "it waits")
            anna.page.unroute("**/api/answer")
            anna.page.reload()
            until(lambda: [one.request for one in here.journal.all()] == [first], "it is sent")
            assert anna.request() != first, "an answered question comes again"
        finally:
            http.close()


@pytest.mark.slow
def test_nothing_is_lost_or_asked_twice_on_kafka(
    tmp_path: Path, person: Callable[..., Person], kafka_broker: Any
) -> None:
    """The same over a broker, which is where several people label."""
    kafka = {"transport": f"kafka://{kafka_broker.bootstrap}", "topics": {"prefix": "label-page."}}
    with place(tmp_path, rows=400, **CONFIG, **kafka) as here:
        here.ok("produce", "--data", here.data)
        here.ok("run", "--until-idle", 1)
        served = Served(here)
        anna = Labeller.login("anna", person(), served.url)
        label(anna, here, 10)
        anna.undo(anna.answer("up"))
        bob = Labeller.login("bob", person(), served.url)
        label(anna, here, 5)
        label(bob, here, 5)
        served.kill()
        label(anna, here, 2)
        served.start()
        until(lambda: anna.line() == "online", "the server is back")
        label(anna, here, 33)
        label(bob, here, 5)
        assert not anna.said.keys() & bob.said.keys(), "a question was given to both"
        quick(anna.took_ms(), least=50)
        assert "0 left" in served.stop()
        wanted = {(r, one.name): said for one in (anna, bob) for r, said in one.said.items()}
        labels = here.consumed("labels")
        assert len(labels) == len({(o["id"], o["annotator"], o.get("revision")) for o in labels})
        assert {key: found[-1]["label"] for key, found in published(labels).items()} == wanted
