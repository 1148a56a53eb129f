"""One event is followed from its producer to what is learned of it, in one trace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from stream_cl import build
from stream_cl.cli.annotate import Crowd, Desk
from stream_cl.config import Config
from stream_cl.core.errors import UserError
from stream_cl.core.records import Outgoing
from stream_cl.observe import tracing
from stream_cl.observe.trail import sampled
from stream_cl.testing.driver import TestDriver

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01".encode()
NOT_SAMPLED = f"00-{TRACE}-{PARENT}-00".encode()


def put(driver: TestDriver, id_: str, trace: bytes | None) -> None:
    value = {"id": id_, "time": 1, "features": {"x": 1.0}}
    each = {"traceparent": [trace]}
    driver.log.append([Outgoing("events", 0, [None], [orjson.dumps(value)], each=each)])


def traced(driver: TestDriver) -> InMemorySpanExporter:
    """Start a pipeline whose spans are kept."""
    exporter = InMemorySpanExporter()
    trace = tracing.Tracing(exporter, "test", "sqlite", "stream-cl", now=True)
    driver.pipeline = build.pipeline(driver.config, driver.log, driver.clock, trace=trace)
    driver.pipeline.start()
    return exporter


def test_an_event_is_followed_to_what_is_learned_of_it(tmp_path: Path) -> None:
    with TestDriver({}, tmp_path) as driver:
        exporter = traced(driver)
        put(driver, "a", SAMPLED)
        put(driver, "b", NOT_SAMPLED)
        put(driver, "c", None)
        driver.settle()
        crowd = Crowd({"a": "up", "b": "up", "c": "up"}, 0, lambda _: 0.0, 0.0, 1)
        Desk(driver.log, driver.topics, crowd, driver.clock).work(lambda: False, 0.1)
        driver.settle()
        headers = [dict(one.headers).get("traceparent") for one in driver.read("labels")]
        assert headers.count(SAMPLED.decode()) == 1, "a label goes on with the trace"
    spans = {span.name: span for span in exporter.get_finished_spans() if span.name != "step"}
    assert set(spans) == {
        "process events", "send predictions", "send label-requests", "process labels",
    }  # fmt: skip
    for span in spans.values():
        assert f"{span.context.trace_id:032x}" == TRACE
    event, label = spans["process events"], spans["process labels"]
    for span in (event, label):
        assert f"{span.parent.span_id:016x}" == PARENT
        assert span.kind is SpanKind.CONSUMER
        assert span.attributes["messaging.message.id"] == "a"
        assert span.attributes["messaging.operation.type"] == "process"
        assert span.attributes["messaging.system"] == "sqlite"
        assert span.attributes["messaging.sqlite.offset"] == 0
    for name in ("send predictions", "send label-requests"):
        assert spans[name].parent.span_id == event.context.span_id
        assert spans[name].kind is SpanKind.PRODUCER
    assert event.end_time <= label.start_time, "learned after it was predicted"
    for span in exporter.get_finished_spans():
        assert span.start_time <= span.end_time
    steps = [span for span in exporter.get_finished_spans() if span.name == "step"]
    linked = {link.context.span_id for span in steps for link in span.links}
    assert linked == {event.context.span_id, label.context.span_id}


def test_outputs_and_state_do_not_know_whether_they_are_traced(tmp_path: Path) -> None:
    """Else a replay without a collector would be another one."""
    digests = []
    for name in ("on", "off"):
        with TestDriver({}, tmp_path / name) as driver:
            if name == "on":
                traced(driver)
            put(driver, "a", SAMPLED)
            driver.settle()
            digests.append((driver.digest(), [one.value for one in driver.read("predictions")]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (SAMPLED, True),
        (NOT_SAMPLED, False),
        (SAMPLED[:-1], False),
        (SAMPLED.upper(), False),
        (b"\xff" * 1000, False),
        (b"", False),
        (f"00-{TRACE}-{PARENT}-03".encode(), True),
    ],
)
def test_who_produces_decides_what_is_traced(value: bytes, found: bool) -> None:
    assert sampled((("x", b"y"), ("traceparent", value))) is found


def test_nothing_is_looked_for_where_tracing_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hot path must not pay for what nobody uses."""

    def looked(*_: Any) -> Any:
        raise AssertionError("looked for traces")

    monkeypatch.setattr("stream_cl.pipeline.runner.tell_trail", looked)
    with TestDriver({}, tmp_path) as driver:
        put(driver, "a", SAMPLED)
        assert driver.settle() >= 1
    assert build.tracing(Config()) is None


def test_looking_costs_little(tmp_path: Path) -> None:
    """Less than a microsecond a record that is not traced, as it is without headers."""
    with TestDriver({"step": {"max_events": 1000}}, tmp_path) as driver:
        values = [
            orjson.dumps({"id": str(i), "time": 1, "features": {"x": 1}}) for i in range(1000)
        ]
        each = {"traceparent": [NOT_SAMPLED] * 1000}
        driver.log.append([Outgoing("events", 0, [None] * 1000, values, each=each)])
        driver.start()
        from stream_cl.pipeline import runner

        took: list[float] = []
        seen: list[Any] = []
        real = runner.tell_trail

        def timed(*given: Any) -> None:
            began_s = time.perf_counter()
            real(*given)
            took.append(time.perf_counter() - began_s)

        runner.tell_trail = timed
        try:
            driver.pipeline._trace = seen.append  # type: ignore[union-attr]
            driver.settle()
        finally:
            runner.tell_trail = real
    assert not seen
    assert np.median(took) < 0.02, "20 ms for 1,000 records would be felt; it is some 0.5 ms"


def test_a_collector_that_is_away_delays_nothing(tmp_path: Path) -> None:
    config = Config.model_validate(
        {"tracing": {"endpoint": "http://127.0.0.1:9/v1/traces", "timeout_s": 0.2}}
    )
    made = build.tracing(config)
    assert made is not None
    with TestDriver({}, tmp_path) as driver:
        driver.pipeline = build.pipeline(driver.config, driver.log, driver.clock, trace=made)
        driver.pipeline.start()
        for i in range(20):
            put(driver, str(i), SAMPLED)
        driver.settle()
        assert len(driver.read("predictions")) == 20
    made.close()


def test_without_the_extra_the_config_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ImportError("no", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UserError, match=r"pip install .*tracing"):
        tracing.otlp("http://127.0.0.1:4318/v1/traces", 1.0)
