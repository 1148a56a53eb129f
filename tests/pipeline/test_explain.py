"""The story of one event is whole, however far back it lies, or says that it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_cl.cli.console import explained
from stream_cl.core.clock import SystemClock
from stream_cl.pipeline import explain as module
from stream_cl.pipeline.explain import TOPICS, explain, told
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, features, label_of


@pytest.fixture
def driver(tmp_path: Path) -> Any:
    with TestDriver({**SMALL, "topics": {"partitions": 2}}, tmp_path) as made:
        stream = features(200)
        ids = made.events(stream)
        made.settle()
        asked = [record.value["id"] for record in made.read("label-requests")]
        answers = {i: label_of(x) for i, x in zip(ids, stream, strict=True) if i in asked}
        made.labels(answers)
        made.labels({asked[0]: answers[asked[0]]})
        made.settle()
        yield made


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_it_is_found_in_every_topic(
    driver: TestDriver, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "_READ_AT_ONCE", at_once)
    id_ = driver.read("label-requests")[0].value["id"]
    found = explain(driver.log, driver.topics, id_)
    assert [len(found[topic]) for topic in TOPICS] == [1, 1, 1, 2, 0]
    assert [one["fate"] for one in found["outcome"]][1] == "repeated"
    assert found["unsearched"] == []
    assert len(told(found)) == 5


def test_an_event_with_a_name_that_json_escapes_is_found(driver: TestDriver) -> None:
    name = 'ü "quoted" \\ 日'
    ascii_ = b'{"id":"\\u00fc \\"quoted\\" \\\\ \\u65e5","time":1,"features":{"a":1}}'
    driver.pipe("events", [ascii_])
    driver.settle()
    found = explain(driver.log, driver.topics, name)
    assert len(found["events"]) == len(found["predictions"]) == 1


def test_a_search_that_ran_out_of_time_says_where(driver: TestDriver) -> None:
    def patience(left: int) -> Callable[[], bool]:
        return lambda: left == 6  # events are the first of six

    found = explain(driver.log, driver.topics, "0", patience)
    assert found["unsearched"] == ["events"]
    assert (len(found["events"]), len(found["predictions"])) == (0, 1)


def test_the_console_gets_a_bounded_answer(driver: TestDriver) -> None:
    """A record of a megabyte is no answer for a browser, and hostile depth none for us."""
    deep = b"[" * 300 + b"]" * 300
    driver.pipe("labels", [b'{"id":"0","label":"x","more":%b}' % deep] * 30)
    driver.pipe("events", [orjson.dumps({"id": "big", "time": 1, "features": {"t": "y" * 99_000}})])
    search = explained(driver.config, SystemClock(), lambda: False)
    answer = search("0")
    assert answer is not None
    assert len(answer) < 100_000
    assert len(orjson.loads(answer)["labels"]) == 20
    big = search("big")
    assert big is not None
    assert "99000 characters" in orjson.loads(big)["events"][0]["value"]["features"]["t"]
    assert search("there is none") is None
