"""A moment is found in a log, on both transports: else a report begins on another day."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stream_cl
from stream_cl.cli.report import Period, read
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.testing.clock import FakeClock
from stream_cl.testing.driver import TestDriver
from stream_cl.transport.seek import offsets_at
from stream_cl.transport.sqlite import SqliteTransport


def times_of(log: Transport, topic: str, partition: int) -> list[tuple[int, int]]:
    chunk = log.read(topic, partition, 0, 10_000)
    return list(zip(chunk.offsets, chunk.timestamps_ms, strict=True))


@settings(deadline=None, max_examples=25)
@given(gaps=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=12))
def test_everything_before_is_older(
    gaps: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = FakeClock(1000)
    log = SqliteTransport(tmp_path_factory.mktemp("seek") / "log.db", clock)
    try:
        log.create_topic("t", 1)
        for gap_ms, records in gaps:
            clock.advance(gap_ms / 1000)
            log.append([Outgoing("t", 0, [None] * records, [b"x"] * records)])
        known = times_of(log, "t", 0) if gaps else []
        for time_ms in range(995, 1070):
            found = offsets_at(log, ["t"], time_ms)[TopicPartition("t", 0)]
            assert found == sum(at < time_ms for _, at in known)
    finally:
        log.close()


def test_it_finds_what_is_left_after_retention(tmp_path: Path) -> None:
    clock = FakeClock(1000)
    log = SqliteTransport(tmp_path / "log.db", clock)
    log.create_topic("t", 1)
    for _ in range(10):
        log.append([Outgoing("t", 0, [None], [b"x"])])
        clock.advance(1.0)
    log.truncate("t", 0, 4)
    assert offsets_at(log, ["t"], 0) == {TopicPartition("t", 0): 4}
    assert offsets_at(log, ["t"], 10_000) == {TopicPartition("t", 0): 9}
    log.close()


def test_on_kafka_frames_and_report_are_read_past_markers(kafka_broker, tmp_path: Path) -> None:
    """Transactions take offsets for themselves; counting offsets as records would go wrong."""
    address = f"kafka://{kafka_broker.bootstrap}"
    config = {"transport": address, "topics": {"prefix": "seek-", "partitions": 2},
              "budget": {"fraction": 0.5}}  # fmt: skip
    with TestDriver(config, tmp_path) as driver:
        for i in range(20):
            value = {"id": str(i), "time": 1, "features": {"x": i}}
            driver.pipe("events", [orjson.dumps(value)], partition=i % 2)
            driver.settle(expiry=False)
        with stream_cl.connect(address, sets=["topics.prefix=seek-"]) as log:
            asked = [row["id"] for row in log.rows("predictions") if row["asked"]]
        driver.labels(dict.fromkeys(asked, "up"))
        driver.settle(expiry=False)
        found = read(driver.config, driver.log, Period(0, 2**42))
        assert found.counts["events"] == 20
        assert found.counts["answered"] == len(asked)
    with stream_cl.connect(address, sets=["topics.prefix=seek-"]) as log:
        whole = log.rows("predictions")
        assert len(whole) == 20
        assert [row["id"] for row in log.rows("predictions", limit=5)] == [
            row["id"] for row in whole[-5:]
        ]
        moment = whole[10]["append_time"]
        later = log.rows("predictions", start=moment)
        assert [row["id"] for row in later] == [
            row["id"] for row in whole if row["append_time"] >= moment
        ]
        assert log.labels().height == len(asked)
