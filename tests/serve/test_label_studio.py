"""What the bridge to Label Studio decides without asking it; `tests/label_studio` has the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.cli.label_studio import Timetable
from stream_cl.config.file import load
from stream_cl.core.errors import ConfigError, UserError
from stream_cl.serve.label_studio.client import LabelStudioClient, Unreachable
from stream_cl.serve.label_studio.ledger import Ledger
from stream_cl.serve.label_studio.tasks import (
    Answer,
    Control,
    Request,
    answers_of,
    control_of,
    label_config,
    task_of,
)
from stream_cl.serve.label_studio.webhook import Knock, webhook_app
from stream_cl.serve.server import HttpServer

CONTROL = Control("label", "event", frozenset({"up", "down"}))
SECRET = "0123456789abcdef"


def choice(*labels: str) -> dict[str, Any]:
    return {"from_name": "label", "to_name": "event", "value": {"choices": list(labels)}}


def annotation(number: int, user: Any, *labels: str, **more: Any) -> dict[str, Any]:
    time = f"2026-03-01T09:00:{number:02d}.000000Z"
    return {
        "id": number, "completed_by": user, "result": [choice(*labels)], "updated_at": time, **more
    }  # fmt: skip


def task(*annotations: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": 7, "data": {"id": "e", "request": "e/1"}, "annotations": list(annotations),
        "meta": {"traceparent": "00-a"},
    }  # fmt: skip


def test_everybody_has_one_answer_in_a_task_the_latest() -> None:
    """Label Studio lets a person annotate a task twice; both as answers would never settle."""
    found = answers_of(
        task(
            annotation(3, 2, "up"),
            annotation(1, {"id": 1}, "down"),
            annotation(2, 1, "up"),
            annotation(4, 3, "up", was_cancelled=True),
            annotation(5, 4, "up", "down"),
            annotation(6, 5) | {"result": []},
            annotation(7, None, "up"),
        ),
        CONTROL,
    )
    assert [(one.user, one.label) for one in found] == [(1, "up"), (2, "up"), (3, None), (5, None)]
    assert {one.traceparent for one in found} == {"00-a"}
    assert answers_of({"data": {"text": "somebody else's"}}, CONTROL) == []


answers = st.builds(
    lambda event, attempt, user, label: (
        Answer(event, f"{event}/{attempt}", 1, label, "2026-03-01T09:00:00Z", 1, None),
        user,
    ),
    st.sampled_from("ab"),
    st.integers(1, 2),
    st.sampled_from(["anna", "ben"]),
    st.sampled_from(["up", "down", None]),
)


@settings(deadline=None)
@given(st.lists(st.lists(answers, max_size=4), max_size=12), st.data())
def test_whatever_is_reported_how_often_each_answer_is_published_once(
    reports: list[list[tuple[Answer, str]]], data: st.DataObject
) -> None:
    """Webhooks, polls and restarts in any order: no label twice, no revision twice, and at the end
    the log says what Label Studio says."""
    ledger, topic = Ledger(3), []
    for report in reports:
        for _ in range(data.draw(st.integers(1, 3))):
            topic += ledger.records(report[-1:], "2026-03-01T09:00:00.000000Z")
        if data.draw(st.booleans()):
            ledger = Ledger(3)
            for _, value, headers in topic:
                ledger.note(value, headers)
    values = [orjson.loads(value) for _, value, _ in topic]
    revisions = [(one["id"], one["annotator"], one["revision"]) for one in values]
    assert len(set(revisions)) == len(revisions)
    latest = {(a.request, who): a.label for report in reports for a, who in report[-1:]}
    said = {(one["request"], one["annotator"]): one.get("label") for one in values}
    assert said == latest


def test_a_ledger_passes_over_what_is_not_its_own() -> None:
    ledger = Ledger(3)
    for value in (b"", b"[]", b"{}", b"\xff", b'{"id": 1}'):
        ledger.note(value, (("label-studio", b"3/1"),))
    ledger.note(b'{"id": "a"}', (("label-studio", b"4/1"),))
    assert len(ledger) == 0


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"),
    min_size=1,
)


@given(st.lists(NAMES))
def test_any_class_can_be_offered(labels: list[str]) -> None:
    """A class with a quote in its name must not break the page, or change it."""
    root = ElementTree.fromstring(label_config("label", labels))
    choices = list(root.iter("Choice"))
    assert [one.attrib["value"] for one in choices[:-1]] == labels
    assert choices[-1].attrib["alias"] == "__none__"


def test_a_task_shows_what_the_model_may_say() -> None:
    document = {"features": {"x": 1, "text": "A" * 5000}, "candidates": ["other", "up"]}
    made = task_of(Request("e", "e/1", True, document, None), CONTROL, predictions=True)
    assert "predictions" not in made, "a class that the project lacks would be shown as none"
    assert len(made["data"]["features"]["text"]) == 2000
    document = {"vector": [1.0, 2.0], "candidates": ["up"]}
    made = task_of(Request("e", "e/1", True, document, None), CONTROL, predictions=True)
    assert made["data"]["features"] == {"vector": "[1.0, 2.0]"}
    assert made["predictions"][0]["result"][0]["value"] == {"choices": ["up"]}
    assert "predictions" not in task_of(Request("e", "e/1", True, document, None), CONTROL, False)


@pytest.mark.parametrize(
    "parsed", [{}, {"label": 3}, {"label": {"type": "TextArea"}}, {"label": {"type": "Choices"}}]
)
def test_a_project_that_cannot_hold_an_answer_is_seen(parsed: dict[str, Any]) -> None:
    assert control_of(parsed, "label") is None


@pytest.fixture
def door() -> Iterator[tuple[str, Knock]]:
    knock, faults = Knock(), list[Exception]()
    server = HttpServer("127.0.0.1", 0, webhook_app(SECRET, knock, True, faults.append))
    yield server.url, knock
    server.close()
    assert not faults


def test_only_who_knows_the_secret_knocks(door: tuple[str, Knock]) -> None:
    """What a stranger posts must neither be believed nor keep the bridge busy."""
    url, knock = door
    right = {"Authorization": f"Bearer {SECRET}"}
    with httpx.Client(base_url=url) as client:
        refused = [
            client.post("label-studio", json={}).status_code,
            client.post("label-studio", json={}, headers={"Authorization": "Bearer x"}).status_code,
            client.get("label-studio", headers=right).status_code,
            client.post("other", headers=right).status_code,
            client.post("label-studio", headers=right, content=b"x" * 3_000_000).status_code,
        ]
        assert refused == [401, 401, 405, 404, 413]
        assert not knock.wait(0.0)
        assert client.post("label-studio", headers=right, content=b"\xff{").status_code == 204
    assert knock.wait(5.0)
    assert not knock.wait(0.0), "answered"


def test_answers_are_asked_for_by_the_clock_and_twice_after_a_webhook() -> None:
    times = Timetable(10.0)
    assert [times.due(at) for at in (0.0, 5.0, 9.9, 10.0, 11.0)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    times.knocked(12.0)
    assert [times.due(at) for at in (12.0, 12.5, 13.1, 13.2, 23.2)] == [
        True, False, True, False, True,
    ]  # fmt: skip


def test_nobody_there_is_told_from_somebody_else() -> None:
    client = LabelStudioClient("http://127.0.0.1:1", "token")
    with pytest.raises(Unreachable, match="does not answer"):
        client.project(1)

    async def strange(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    server = HttpServer("127.0.0.1", 0, strange)
    try:
        with pytest.raises(UserError, match="label_studio.url: .* not; give the URL"):
            LabelStudioClient(server.url, "token").project(1)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"url": "ftp://x"}, "label_studio.url"),
        ({"url": "http://user:pw@x"}, "label_studio.url"),
        ({"labels": ["a", "a"]}, "label_studio.labels"),
        ({"labels": ["__none__"]}, "label_studio.labels"),
        ({"people": {"a@x": ""}}, "label_studio.people"),
        ({"webhook_port": 8766}, "label_studio.webhook_url"),
        ({"webhook_port": 8766, "webhook_url": "http://x:1"}, "label_studio.webhook_secret"),
        ({"webhook_url": "http://x:1"}, "label_studio.webhook_url"),
        ({"token": "a", "token_file": "b"}, "label_studio.token_file"),
        ({"url": "http://x", "ca_file": "b"}, "label_studio.ca_file"),
    ],
)
def test_a_wrong_section_is_refused(section: dict[str, Any], key: str) -> None:
    sets = [
        f"label_studio.{name}={orjson.dumps(value).decode()}" for name, value in section.items()
    ]
    with pytest.raises(ConfigError) as caught:
        load(None, sets, {})
    assert any(mistake.startswith(f"--set: {key}") for mistake in caught.value.mistakes)
    assert "pw" not in str(caught.value)
