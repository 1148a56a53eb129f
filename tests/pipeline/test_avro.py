"""Avro through the whole pipeline: predictions, requests, outages and replay.

The registry is the scripted server of `tests.decode.test_registry`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_cl.core.errors import TransportError
from stream_cl.decode import registry
from stream_cl.testing.driver import TestDriver
from tests.decode.avro_values import EVENT, LABEL, framed
from tests.decode.test_registry import Server, ok

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(registry, "WAIT_S", 0.001)
    one = Server()
    one.answers |= {
        "/schemas/ids/1": ok(orjson.dumps(EVENT).decode()),
        "/schemas/ids/2": ok(orjson.dumps(LABEL).decode()),
    }
    yield one
    one.close()


def config(server: Server) -> dict[str, Any]:
    return {
        "format": {"kind": "avro", "registry": server.url},
        "encoder": {"kind": "hashing", "width": 8},
        "step": {"max_events": 4},
        "budget": {"fraction": 1.0},
    }


def event(number: int, id_: int = 1) -> bytes:
    moment = NOON + timedelta(seconds=number)
    features = {"x": number / 2, "even": number % 2 == 0, "city": "Kiel"}
    return framed(id_, EVENT, {"id": str(number), "time": moment, "features": features})


def answer(number: int) -> bytes:
    fields = {"abstain": False, "annotator": "a", "time": None}
    return framed(2, LABEL, {"id": str(number), "label": "even" if number % 2 else "odd", **fields})


def test_a_stream_of_avro(server: Server, tmp_path: Path) -> None:
    """Predicted, asked with the features as they are, answered in Avro, learned."""
    with TestDriver(config(server), tmp_path) as driver:
        driver.pipe("events", [*map(event, range(10)), b'{"id":"j","time":1,"features":{"x":1}}'])
        driver.settle()
        driver.pipe("labels", map(answer, range(10)))
        driver.settle()
        assert [one.value["id"] for one in driver.read("predictions")] == [
            *map(str, range(10)),
            "j",
        ]
        asked = driver.read("label-requests")[3].value
        assert asked["features"] == {"x": 1.5, "even": False, "city": "Kiel"}
        assert asked["time"] == "2026-03-01T12:00:03.000Z"
        assert not driver.read("dead-letters")
        assert driver.pipeline is not None
        assert driver.pipeline.state.counts["answered"] == 10
    assert server.asked == ["/schemas/ids/1", "/schemas/ids/2"]


def test_an_outage_costs_nothing(server: Server, tmp_path: Path) -> None:
    """The step is not taken; after a restart the same events are predicted, none refused."""
    known = server.answers.pop("/schemas/ids/1")
    server.answers["/schemas/ids/1"] = 503, b""
    with TestDriver(config(server), tmp_path) as driver:
        driver.pipe("events", map(event, range(6)))
        with pytest.raises(TransportError, match="answered 503"):
            driver.settle()
        assert not driver.read("predictions")
        assert not driver.read("dead-letters")
        server.answers["/schemas/ids/1"] = known
        driver.start()
        driver.settle()
        assert len(driver.read("predictions")) == 6
        assert not driver.read("dead-letters")


def test_replay_gives_the_same_though_the_registry_knows_more(
    server: Server, tmp_path: Path
) -> None:
    """A schema that is registered late must not make the past another."""
    with TestDriver(config(server), tmp_path) as driver:
        driver.pipe("events", [event(0), event(1, id_=5), event(2)])
        driver.pipe("labels", [answer(0), answer(2)])
        driver.settle()
        assert [one.headers["code"] for one in driver.read("dead-letters")] == ["unknown_schema"]
        steps = [one.value for one in driver.read("manifest") if one.value["kind"] == "step"]
        assert steps[0]["unknown_schemas"] == [5]
        digest = driver.digest()
        server.answers["/schemas/ids/5"] = server.answers["/schemas/ids/1"]
        assert driver.pipeline is not None
        driver.pipeline.abandon()
        assert driver.start().replayed == len(steps)
        assert driver.digest() == digest
        driver.pipe("events", [event(3, id_=5)])
        driver.settle()
        assert [one.value["id"] for one in driver.read("predictions")] == ["0", "2", "3"]
