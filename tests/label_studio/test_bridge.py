"""Requests into a real Label Studio and answers out of it, each exactly once, whatever breaks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_cl.cli.label_studio import make_bridge, make_client, webhook
from stream_cl.core.errors import TransportError, UserError
from stream_cl.core.records import Outgoing
from stream_cl.serve.label_studio.bridge import Bridge
from stream_cl.serve.label_studio.client import Unreachable
from stream_cl.serve.label_studio.webhook import Knock
from stream_cl.testing.driver import TestDriver
from stream_cl.testing.kafka_process import free_ports
from tests.label_studio.conftest import TOKEN, Studio, until

pytestmark = pytest.mark.label_studio
PROGRAM = [sys.executable, "-m", "stream_cl.cli.main"]
SECRET = "0123456789abcdef"
HOSTILE = "</td><script>alert(1)</script>\u202e"


class Desk:
    """A pipeline, a project of its own, and bridges between them."""

    def __init__(self, studio: Studio, driver: TestDriver) -> None:
        self.studio, self.driver = studio, driver
        made = subprocess.run(
            [*PROGRAM, "label-studio", str(driver.folder / "c.yaml"), "--create", "parcels"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.project = int(made.stdout)
        section = {**driver.config.label_studio.model_dump(), "project": self.project}
        driver.reconfigure(label_studio=section)

    def bridge(self) -> Bridge:
        """One as a new process makes it."""
        config = self.driver.config
        return make_bridge(config, make_client(config), self.driver.log, self.driver.topics)

    def ask(self, count: int, **features: Any) -> list[str]:
        """Events that are all asked for."""
        before = len(self.driver.read("predictions"))
        self.driver.events([{"x": float(i), **features} for i in range(count)])
        self.driver.settle()
        made = self.driver.read("predictions")[before:]
        assert all(one.value["asked"] for one in made)
        return [one.value["id"] for one in made]

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return self.studio.tasks(self.project)

    @property
    def labels(self) -> list[tuple[str, Any, int]]:
        return [
            (one.value["id"], one.value.get("label"), one.value["revision"])
            for one in self.driver.read("labels")
        ]


@pytest.fixture
def desk(studio: Studio, tmp_path: Path) -> Iterator[Desk]:
    config = {
        "budget": {"fraction": 1.0},
        "topics": {"partitions": 2},
        "labels": {"ttl_s": 60.0},
        "label_studio": {
            "url": studio.url,
            "token": TOKEN,
            "labels": ["up", "down", '<&">'],
            "people": {"a@example.org": "anna"},
        },
    }
    (tmp_path / "c.yaml").write_bytes(orjson.dumps(config))  # JSON is YAML
    with TestDriver(config, tmp_path) as driver:
        yield Desk(studio, driver)


def test_a_question_becomes_a_task_and_its_answer_is_learned(desk: Desk) -> None:
    bridge = desk.bridge()
    first, second, third = desk.ask(3, note=HOSTILE, long="A" * 90_000)
    assert bridge.take_requests() == 3
    tasks = desk.tasks
    assert set(tasks) == {f"{first}/1", f"{second}/1", f"{third}/1"}
    data = tasks[f"{first}/1"]["data"]
    assert data["features"]["note"] == HOSTILE
    assert len(data["features"]["long"]) == 2000, "cut, so that the page opens"
    desk.studio.annotate(tasks[f"{first}/1"]["id"], "up")
    desk.studio.annotate(tasks[f"{second}/1"]["id"], None)
    desk.studio.annotate(tasks[f"{third}/1"]["id"], "__none__")
    assert bridge.take_answers() == 3
    found = {one.value["id"]: one for one in desk.driver.read("labels")}
    answer = found[first].value
    assert (answer["label"], answer["annotator"]) == ("up", "anna")
    assert (answer["request"], answer["revision"]) == (f"{first}/1", 0)
    assert found[second].value["abstain"] is True
    assert found[third].value["label"] == "__none__"
    desk.driver.settle()
    counts = desk.driver.pipeline.state.counts  # type: ignore[union-attr]
    assert counts["labels.learned"] + counts.get("labels.held_out", 0) == 1
    assert (counts["labels.abstained"], counts["labels.none"]) == (1, 1)


def test_what_the_model_takes_it_for_is_filled_in(desk: Desk) -> None:
    bridge = desk.bridge()
    (first,) = desk.ask(1)
    bridge.take_requests()
    desk.studio.annotate(desk.tasks[f"{first}/1"]["id"], '<&">')
    bridge.take_answers()
    desk.driver.settle()
    (second,) = desk.ask(1)
    bridge.take_requests()
    (prediction,) = desk.tasks[f"{second}/1"]["predictions"]
    assert prediction["result"][0]["value"]["choices"] == ['<&">']
    assert desk.tasks[f"{second}/1"]["data"]["candidates"] == '<&">'


def test_an_answer_is_published_once_however_often_it_is_seen(desk: Desk) -> None:
    """Webhooks and polling both report it, and a restart sees it again."""
    bridge = desk.bridge()
    (id_,) = desk.ask(1)
    bridge.take_requests()
    annotation = desk.studio.annotate(desk.tasks[f"{id_}/1"]["id"], "up")
    assert [bridge.take_answers() for _ in range(3)] == [1, 0, 0]
    assert desk.bridge().take_answers() == 0, "after a restart"
    desk.studio.correct(annotation, "down")
    again = desk.bridge()
    assert [again.take_answers(), bridge.take_requests(), again.take_answers()] == [1, 0, 0]
    assert desk.labels == [(id_, "up", 0), (id_, "down", 1)]


class Failing:
    """The log, whose next commit of a reading position is the end."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append_and_commit(self, *_: Any) -> Any:
        raise TransportError("killed")


def test_killed_between_import_and_commit_no_task_stands_there_twice(desk: Desk) -> None:
    config, ids = desk.driver.config, desk.ask(30)
    bridge = make_bridge(config, make_client(config), Failing(desk.driver.log), desk.driver.topics)  # type: ignore[arg-type]
    with pytest.raises(TransportError, match="killed"):
        bridge.take_requests()
    assert len(desk.tasks) == 30
    more = desk.ask(5)
    assert desk.bridge().take_requests() == 35
    assert set(desk.tasks) == {f"{id_}/1" for id_ in [*ids, *more]}
    assert desk.bridge().take_requests() == 0


def test_what_is_withdrawn_leaves_unless_somebody_has_answered_it(desk: Desk) -> None:
    bridge = desk.bridge()
    first, second = desk.ask(2)
    bridge.take_requests()
    desk.studio.annotate(desk.tasks[f"{second}/1"]["id"], "up")
    desk.driver.clock.advance(61.0)
    desk.driver.settle()  # both expire
    desk.driver.settle()
    assert bridge.take_requests() == 2
    assert set(desk.tasks) == {f"{second}/1"}
    # Opened and withdrawn before it was ever seen: no task at all.
    (third,) = desk.ask(1)
    desk.driver.clock.advance(61.0)
    desk.driver.settle()
    desk.driver.settle()
    bridge.take_requests()
    assert f"{third}/1" not in desk.tasks
    assert first


def test_a_webhook_brings_it_at_once_and_polling_what_it_missed(desk: Desk) -> None:
    """Label Studio posts once, waits a second, and never again."""
    (lost, told) = desk.ask(2)
    desk.bridge().take_requests()
    port = free_ports(1)[0]
    section = {
        **desk.driver.config.label_studio.model_dump(),
        "webhook_port": port,
        "webhook_url": f"http://127.0.0.1:{port}",
        "webhook_secret": SECRET,
    }
    desk.driver.reconfigure(label_studio=section)
    config, knock = desk.driver.config, Knock()
    with webhook(config, make_client(config), knock):
        pass  # it is entered now, and nobody listens
    desk.studio.annotate(desk.tasks[f"{lost}/1"]["id"], "up")
    with webhook(config, make_client(config), knock):
        bridge = desk.bridge()
        assert bridge.take_answers() == 1, "asked for without a webhook"
        assert not knock.wait(0.5)
        began_s = time.monotonic()
        desk.studio.annotate(desk.tasks[f"{told}/1"]["id"], "down")
        assert knock.wait(10.0), "Label Studio called"
        until(bridge.take_answers, "the answer is there")
        assert time.monotonic() - began_s < 10
    hooks = desk.studio.ask("GET", "/api/webhooks/", params={"project": desk.project})
    assert len(hooks) == 1, "entered once"
    assert {id_ for id_, _, _ in desk.labels} == {lost, told}


def test_a_personal_access_token_is_exchanged(desk: Desk) -> None:
    answer = desk.studio.api.post("/api/token/", json={})
    if answer.status_code == 409:  # this person has one already, which is not shown again
        pytest.skip("this Label Studio is not ours, and its token was made before")
    personal = answer.json()["token"]
    section = {**desk.driver.config.label_studio.model_dump(), "token": personal}
    desk.driver.reconfigure(label_studio=section)
    client = make_client(desk.driver.config)
    assert client.project(desk.project)["title"] == "parcels"
    client._access = "expired"
    assert client.project(desk.project)["title"] == "parcels"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"token": "f" * 40}, "label_studio.token: .* refuses it"),
        ({"token": "a.b.c"}, "label_studio.token: .* refuses it"),
        ({"project": 99_999}, "label_studio.project: .* has no project 99999"),
        ({"control": "other"}, "no Choices tag named other; there are: label"),
        ({"url": "http://127.0.0.1:1"}, "does not answer"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(desk: Desk, changed: dict[str, Any], said: str) -> None:
    section = {**desk.driver.config.label_studio.model_dump(), **changed}
    desk.driver.reconfigure(label_studio=section)
    with pytest.raises((UserError, Unreachable), match=said) as caught:
        desk.bridge()
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_the_command_survives_label_studio_being_killed(desk: Desk, tmp_path: Path) -> None:
    """From start to end as processes: requests, an outage, answers, a clean end."""
    if not desk.studio.ours:
        pytest.skip("this Label Studio is not ours to kill")
    ids = desk.ask(3)
    arguments = ["--set", f"label_studio.project={desk.project}",
                 "--set", "label_studio.polling_s=0.5"]  # fmt: skip
    process = subprocess.Popen(
        [*PROGRAM, "label-studio", str(tmp_path / "c.yaml"), *arguments],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: len(desk.tasks) == 3, "tasks")
        desk.studio.stop()
        desk.ask(2)
        time.sleep(2)
        assert process.poll() is None
        desk.studio.start()
        until(lambda: len(desk.tasks) == 5, "tasks after the outage", 120)
        desk.studio.annotate(desk.tasks[f"{ids[0]}/1"]["id"], "down")
        until(lambda: desk.labels == [(ids[0], "down", 0)], "the answer")
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Label Studio answers again" in said
    assert said.endswith("5 tasks sent, 0 withdrawn, 1 answers published\n")


def test_labels_of_others_are_left_alone(desk: Desk) -> None:
    """The topic is read back at the start; what others wrote there must not stop it."""
    values = [b"", b"[]", b'{"id": 3}', b"\xff"]
    headers = [b"%d/1" % desk.project] * len(values)
    desk.driver.log.append(
        [Outgoing("labels", 0, [None] * 4, values, each={"label-studio": headers})]
    )
    assert desk.bridge().take_answers() == 0
