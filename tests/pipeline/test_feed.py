"""What a viewer is shown is what the pipeline did, and showing it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_cl import build
from stream_cl.cli.console import Watched, visible
from stream_cl.observe.health import Health, Phase
from stream_cl.pipeline.feed import LATEST, LETTER_BYTES, Feed
from stream_cl.pipeline.runner import Pipeline
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, features, label_of


class Shown:
    """A pipeline with a feed, driven by hand."""

    def __init__(self, driver: TestDriver) -> None:
        self.driver = driver
        self.feed = Feed(driver.topics, driver.clock)
        self.health = Health(driver.clock, 0)
        self.watched = Watched(self.feed, self.health, driver.clock)
        self.pipeline: Pipeline = build.pipeline(
            driver.config, driver.log, driver.clock, watch=self.feed.watch
        )
        self.pipeline.start()
        self.health.phase = Phase.RUNNING

    def settle(self) -> None:
        while self.pipeline.step():
            self.feed.turn(self.pipeline)
        self.feed.turn(self.pipeline)

    def look(self) -> dict[str, Any]:
        """What is new to somebody who watches."""
        self.watched.want(lambda: None)
        self.feed.turn(self.pipeline)
        found: dict[str, Any] = orjson.loads(self.watched.refresh())
        return found

    def whole(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.watched.whole())
        return found


@contextmanager
def shown(folder: Path, **config: Any) -> Iterator[Shown]:
    with TestDriver({**SMALL, **config}, folder) as driver:
        one = Shown(driver)
        yield one
        one.pipeline.abandon()


def test_the_latest_predictions_are_those_that_were_published(tmp_path: Path) -> None:
    with shown(tmp_path) as one:
        one.driver.events(features(70))
        one.settle()
        published = [record.value for record in one.driver.read("predictions")]
        predictions = one.look()["predictions"]
        assert [p["id"] for p in predictions] == [p["id"] for p in published[-LATEST:]]
        for told, value in zip(predictions, published[-LATEST:], strict=True):
            assert {name: told[name] for name in told if name != "probability"} == {
                name: value[name] for name in told if name != "probability"
            }
        one.driver.events(features(3))
        one.settle()
        assert [p["id"] for p in one.look()["predictions"]] == ["70", "71", "72"]
        assert one.look()["predictions"] == []
        assert len(one.whole()["predictions"]) == LATEST


def test_a_dead_letter_is_shown_with_its_bytes_and_cut(tmp_path: Path) -> None:
    with shown(tmp_path) as one:
        one.driver.pipe("events", [b"\xff<script>\x00\n", b"x" * 100_000])
        one.settle()
        first, second = one.look()["letters"]
        assert (first["code"], first["topic"], first["offset"]) == ("not_json", "events", "0")
        assert first["text"] == "\\xff<script>\\x00\n"
        assert (second["bytes"], len(second["text"])) == (100_000, LETTER_BYTES)


def test_faults_of_labels_are_shown_too(tmp_path: Path) -> None:
    """They are found while learning, so they are published one step later."""
    with shown(tmp_path) as one:
        one.driver.events(features(5))
        one.driver.labels({"nobody": "x"})
        one.driver.clock.advance(seconds=200_000)
        one.settle()
        assert "unknown_id" in [letter["code"] for letter in one.look()["letters"]]


def test_a_second_has_one_row_however_many_steps_it_had(tmp_path: Path) -> None:
    with shown(tmp_path, step={"max_events": 1}) as one:
        for _ in range(5):
            one.driver.events(features(7))
            one.settle()
            one.driver.clock.advance(seconds=1)
        one.settle()
        one.look()
        told = one.whole()
        events = [row[told["columns"].index("events")] for row in told["rows"]]
        assert len(events) == 6
        assert events[-1] == 35
        assert events == sorted(events)


def test_open_questions_are_shown_oldest_first(tmp_path: Path) -> None:
    with shown(tmp_path) as one:
        one.driver.events(features(100))
        one.settle()
        one.driver.clock.advance(seconds=5)
        one.settle()
        asked = [record.value["id"] for record in one.driver.read("label-requests")]
        told = one.look()
        assert [q["id"] for q in told["glance"]["questions"]] == asked[:30]
        assert told["head"]["open"] == len(asked)
        assert min(q["age_s"] for q in told["glance"]["questions"]) >= 5


def test_watching_changes_nothing_that_the_pipeline_does(tmp_path: Path) -> None:
    """Else a run that somebody watched could not be replayed."""

    def run(folder: Path, watched: bool) -> str:
        with shown(folder) as one:
            stream = features(200)
            ids = one.driver.events(stream)
            one.driver.labels({i: label_of(x) for i, x in zip(ids, stream, strict=True)})
            while one.pipeline.step():
                if watched:
                    one.look()
                    one.whole()
            return str(one.pipeline.state.fingerprint())

    assert run(tmp_path / "a", True) == run(tmp_path / "b", False)


def test_while_it_starts_it_says_so(tmp_path: Path) -> None:
    with shown(tmp_path) as one:
        one.health.phase = Phase.STARTING
        head = orjson.loads(one.watched.refresh())["head"]
        assert head["phase"] == "starting"
        assert orjson.loads(one.watched.whole())["head"]["why"].startswith("starting: reading")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain \xc3\xbc", "plain ü"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("a\u202eb\u200b\x1b[0m".encode(), "a\\u202eb\\u200b\\x1b[0m"),
        (b"two\nlines", "two\nlines"),
    ],
)
def test_nothing_in_a_text_is_invisible(value: bytes, text: str) -> None:
    """A letter that turns the writing around, or hides a part, would mislead who reads it."""
    assert visible(value) == text
