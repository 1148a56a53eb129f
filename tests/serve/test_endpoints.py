"""/metrics, /live and /ready of a running pipeline, and how its port is had and given back."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_cl import build
from stream_cl.cli.endpoints import ASK_S, Endpoints
from stream_cl.core.errors import UserError
from stream_cl.observe.metrics import TABLE
from stream_cl.pipeline.runner import Pipeline
from stream_cl.testing.driver import TestDriver
from stream_cl.testing.kafka_process import free_ports
from tests.pipeline.streams import SMALL, features


@contextmanager
def served(
    folder: Path, annotators: dict[str, str] | None = None, **http_keys: object
) -> Iterator[tuple[TestDriver, Endpoints, Pipeline]]:
    """A pipeline whose endpoints answer; nobody takes steps."""
    config = {
        **SMALL, "http": {"port": free_ports(1)[0], **http_keys}, "annotators": annotators or {},
    }  # fmt: skip
    with TestDriver(config, folder) as driver:
        endpoints = Endpoints(driver.config, driver.clock)
        pipeline = build.pipeline(driver.config, driver.log, driver.clock, watch=endpoints.watch)
        with endpoints.serving(pipeline):
            yield driver, endpoints, pipeline
        pipeline.abandon()


def get(driver: TestDriver, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", driver.config.http.port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def turned(endpoints: Endpoints, driver: TestDriver, path: str) -> tuple[int, str]:
    """Ask while the pipeline's thread, which is this one, turns its loop."""
    found: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: found.append(get(driver, path)))
    asking.start()
    while asking.is_alive():
        endpoints.turn()
        asking.join(0.01)
    return found[0]


def test_an_operator_sees_every_metric_of_the_table(tmp_path: Path) -> None:
    with served(tmp_path) as (driver, endpoints, pipeline):
        pipeline.start()
        endpoints.running()
        driver.events(features(50))
        driver.pipe("events", [b"rubbish"])
        while pipeline.step():
            pass
        status, text = turned(endpoints, driver, "/metrics")
        assert status == 200
        families = {f.name: f for f in text_string_to_metric_families(text)}
        missing = {row.name for row in TABLE} - set(families)
        assert not missing
        values = {
            (s.name, *s.labels.values()): s.value for f in families.values() for s in f.samples
        }
        assert values["stream_cl_predictions_total",] == 50
        assert values["stream_cl_dead_letters_total", "not_json"] == 1
        assert values["stream_cl_step_seconds_count", "commit"] == 3
        assert values["stream_cl_store_entries", "duplicate_window"] == 50


def test_an_operator_sees_who_answers_how_fast_and_how_well(tmp_path: Path) -> None:
    """Few series however many answer: the 20 who answered most, and the others together."""
    people = [f"person {i:02}" for i in range(25)]
    with served(tmp_path, annotators={"trust": "dawid_skene"}) as (driver, endpoints, pipeline):
        pipeline.start()
        endpoints.running()
        ids = driver.events(features(400))
        while pipeline.step():
            pass
        asked = [r.value["id"] for r in driver.read("label-requests")]
        assert len(asked) > 10
        driver.clock.advance(seconds=3)
        for i, one in enumerate(asked):
            label = "up" if ids.index(one) % 2 else "down"
            for person in ("anna", "(others)", people[i % 25]):
                driver.labels({one: label}, annotator=person, cost=0.5)
        while pipeline.step():
            pass
        _, text = turned(endpoints, driver, "/metrics")
    values = {
        (s.name.removeprefix("stream_cl_"), *s.labels.values()): s.value
        for f in text_string_to_metric_families(text)
        for s in f.samples
    }
    named = [key[1] for key in values if key[0] == "annotator_answers"]
    assert len(named) == len(set(named)) <= 21
    assert values["annotator_answers", "anna"] == len(asked)
    assert values["annotator_answers", "(others)"] >= len(asked)
    assert values["annotator_cost_units", "anna"] == pytest.approx(0.5)
    assert values["annotator_seconds", "anna"] == pytest.approx(3.0)
    assert 0.5 < values["annotator_trust_ratio", "anna"] < 1
    assert ("annotator_trust_ratio", "(others)") not in values
    assert values["score_ratio", "agreement"] == pytest.approx(1.0)


def test_ready_only_when_replayed_and_caught_up(tmp_path: Path) -> None:
    with served(tmp_path, ready_lag=10) as (driver, endpoints, pipeline):
        assert get(driver, "/live")[0] == 200, "a start that replays for long must not be killed"
        assert get(driver, "/ready")[0] == 503
        pipeline.start()
        endpoints.running()
        driver.events(features(50))
        status, why = turned(endpoints, driver, "/ready")
        assert status == 503
        assert "50 records behind" in why
        while pipeline.step():
            pass
        assert turned(endpoints, driver, "/ready")[0] == 200
        endpoints.stopping()
        assert get(driver, "/ready")[0] == 503


def test_a_loop_that_hangs_is_not_live(tmp_path: Path) -> None:
    with served(tmp_path) as (driver, endpoints, pipeline):
        pipeline.start()
        endpoints.running()
        assert get(driver, "/live")[0] == 200
        driver.clock.advance(seconds=61)
        status, why = get(driver, "/live")
        assert status == 503
        assert "61 s" in why


def test_a_scrape_during_a_long_step_gets_the_last_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_cl.cli.endpoints.ASK_S", 0.05)
    with served(tmp_path) as (driver, endpoints, pipeline):
        pipeline.start()
        endpoints.running()
        assert get(driver, "/metrics")[0] == 200


def test_many_who_wait_for_a_step_do_not_keep_a_probe_waiting(tmp_path: Path) -> None:
    """Else somebody who asks /ready often enough has the process killed."""
    with served(tmp_path) as (driver, endpoints, pipeline), ExitStack() as stack:
        pipeline.start()
        endpoints.running()  # nobody turns: every /ready waits
        address = ("127.0.0.1", driver.config.http.port)
        for _ in range(100):
            one = stack.enter_context(socket.create_connection(address))
            one.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        began_s = time.monotonic()
        assert get(driver, "/live")[0] == 200
        assert time.monotonic() - began_s < ASK_S


def test_a_probe_may_ask_for_the_head_alone(tmp_path: Path) -> None:
    with served(tmp_path) as (driver, _, _):
        connection = http.client.HTTPConnection("127.0.0.1", driver.config.http.port, timeout=10)
        for path, status in (("/live", 200), ("/ready", 503), ("/metrics", 200), ("/", 200)):
            connection.request("HEAD", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b""), path


def test_a_port_is_free_again_when_the_pipeline_ends(tmp_path: Path) -> None:
    """Who starts it again at once must get it; a viewer that stays must not hold it."""
    with served(tmp_path / "a") as (driver, _, _):
        port = driver.config.http.port
        viewer = socket.create_connection(("127.0.0.1", port))
        viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in viewer.recv(1000)
    with viewer, served(tmp_path / "b", port=port) as (driver, _, _):
        assert get(driver, "/live")[0] == 200


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with served(tmp_path / "a") as (driver, _, _):
        port = driver.config.http.port
        taken = rf"127\.0\.0\.1:{port} cannot be taken"
        with pytest.raises(UserError, match=taken), served(tmp_path / "b", port=port):
            raise AssertionError("two servers on one port")
