"""/metrics of a pipeline on a real broker: the same figures as on SQLite."""

from __future__ import annotations

import uuid
from pathlib import Path

import orjson
from kafka.admin import KafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families

from stream_cl import build
from stream_cl.cli.shown import StepHistograms, shown
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.observe.exposition import Metrics
from stream_cl.pipeline.runner import Pipeline
from stream_cl.testing.kafka_broker import KafkaBroker
from tests.pipeline.streams import SMALL, features

CLOCK = SystemClock()


def values(pipeline: Pipeline, metrics: Metrics, config: Config) -> dict[tuple[str, ...], float]:
    found = shown(pipeline.status(), True, config, CLOCK.monotonic_s())
    return {
        (s.name.removeprefix("stream_cl_"), *s.labels.values()): s.value
        for family in text_string_to_metric_families(metrics.exposition(found).decode())
        for s in family.samples
    }


def test_lag_latency_and_a_partition_that_is_added(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    """Somebody adds a partition while it runs: it is read at once, and shows as the only change."""
    prefix = f"{uuid.uuid4().hex[:8]}-"
    config = Config.model_validate(
        {
            **SMALL,
            "transport": f"kafka://{kafka_broker.bootstrap}",
            "topics": {"prefix": prefix, "partitions": 2},
        }
    ).beside(tmp_path)
    log, metrics = build.open_transport(config, CLOCK), Metrics()
    pipeline = build.pipeline(config, log, CLOCK, watch=StepHistograms(metrics))
    try:
        pipeline.start()
        events = [
            orjson.dumps({"id": str(i), "time": CLOCK.now_ms(), "features": x})
            for i, x in enumerate(features(60))
        ]
        for partition in (0, 1):
            part = events[20 * partition : 20 * partition + 20]
            log.append([Outgoing(pipeline.plan.topics.events, partition, [None] * 20, part)])
        before = values(pipeline, metrics, config)
        while pipeline.step():
            pass
        admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
        admin.create_partitions({f"{prefix}events": 3})
        admin.close()
        until_s = CLOCK.monotonic_s() + 60
        while (after := values(pipeline, metrics, config))["partitions", "events"] == 2:
            assert CLOCK.monotonic_s() < until_s, "the new partition was not found"
            pipeline.step()
            CLOCK.sleep(0.1)
        log.append([Outgoing(pipeline.plan.topics.events, 2, [None] * 20, events[40:])])
        while pipeline.step() or pipeline.state.events < 60:
            assert CLOCK.monotonic_s() < until_s, "the new partition was not read"
        last = values(pipeline, metrics, config)
    finally:
        pipeline.abandon()
        log.close()
    # Until a partition is read to its end, the marker of its last transaction counts, too.
    assert 40 <= before["lag_records", "events"] <= 42
    assert before["lag_records", "labels"] == before["lag_records", "control"] == 0
    assert before["partitions_added_total",] == 0
    assert after["partitions_added_total",] == 1
    assert after["partitions", "events"] == 3
    assert last["lag_records", "events"] == last["lag_seconds",] == 0
    assert last["prediction_seconds_count",] == last["predictions_total",] == 60
    assert last["prediction_seconds_bucket", "60.0"] == 60
