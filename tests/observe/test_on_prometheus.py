"""The proof: pipelines run, a real Prometheus scrapes them, and every query returns data."""

from __future__ import annotations

import json
import math
import random
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import promql_parser
import pytest

from stream_cl.build import open_transport
from stream_cl.config import Config
from stream_cl.config.file import load
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.core.topics import Topics
from stream_cl.observe.alerts import ALERTS
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.kafka_process import free_ports
from stream_cl.testing.prometheus import Programs, Prometheus
from tests.cli.processes import Place, place
from tests.observe.asked import dashboards, of_marks, of_panels

ROOT: Final = Path(__file__).resolve().parents[2]
# What all tests wait for lasts as long as a busy machine takes for some twenty processes.
pytestmark = pytest.mark.timeout(900)

JOB: Final = "stream_cl.proof"  # with a point, which is a sign of regular expressions
STAGES: Final = {"teaching": 500, "calm": 800, "strange": 1_500}
"""Events of each; one begins when what was asked before is learned, so that a learner that was
sure is surprised, on a machine of any speed."""
RATE: Final = 400
PATIENCE_S: Final = 200.0
"""For a condition that a machine with nothing else to do meets within 20 seconds."""

# What makes every figure appear: several annotators who are trusted, candidate sets with a
# promise, a detector of drifts, checkpoints every second or two.
CONFIG: Final[dict[str, Any]] = {
    "step": {"max_events": 64},
    "query": {"kind": "burst_on_drift", "of": {"kind": "uncertainty"}, "delta": 0.5},
    "budget": {"kind": "fraction", "fraction": 0.8},
    "annotators": {"trust": "dawid_skene", "answers": 2},
    "requests": {"coverage": 0.9},
    "checkpoint": {"every_s": 2},
}

# Without which figures have no value yet, and a query that is right would return nothing.
THERE: Final = (
    "stream_cl_drifts_total > 0",
    "stream_cl_gain_ratio",
    'stream_cl_class_ratio{figure="recall"}',
    "stream_cl_class_held_out_ratio",
    "stream_cl_annotator_cost_units",
    'stream_cl_figure_ratio{figure="recent_set_coverage"}',
    'stream_cl_dead_letters_total{code="not_json"} > 0',
    "stream_cl_incarnation > 1",
)


class Watched(NamedTuple):
    """A server that has seen pipelines live, die and recover, and since when."""

    prometheus: Prometheus
    from_s: float
    instances: list[str]


class Life:
    """A pipeline with those who write events and answer questions."""

    def __init__(self, made: Place) -> None:
        self._place = made
        draw, rows = random.Random(1), ["id,a,b,label"]
        for stage, count in STAGES.items():
            # The classes lie far apart at first, then beside each other: that is seen as a drift.
            apart, begin = 0.05 if stage == "strange" else 2.0, len(rows)
            for row in range(begin, begin + count):
                label = draw.choice(["up", "down"])
                x = draw.gauss(apart if label == "up" else -apart, 0.3 * apart)
                rows.append(f"e{row},{x:.3f},{draw.gauss(0, 1):.3f},{label}")
            self._write(stage, [rows[0], *rows[begin:]])
        truth = self._write("truth", rows)
        self._run = made.start("run")
        made.start("annotate", "--truth", truth, "--id", "id", "--annotators", 3, "--delay", "0.2")

    def _write(self, name: str, rows: list[str]) -> Path:
        file = self._place.folder / f"{name}.csv"
        file.write_text("\n".join(rows) + "\n")
        return file

    def produce(self, name: str) -> None:
        """Begin to write the events of a file."""
        file = self._place.folder / f"{name}.csv"
        self._place.start("produce", "--data", file, "--id", "id", "--rate", RATE)

    def crash_and_recover(self) -> None:
        """Kill it where it is, and start it again."""
        self._run.send_signal(signal.SIGKILL)
        self._run.wait()
        self._run = self._place.start("run")

    def check(self) -> None:
        """It runs, or what it said at its end is shown."""
        if self._run.poll() is not None:
            pytest.fail(f"the pipeline ended: {self._run.communicate()[1][-2000:]}")

    def put_what_is_rare(self) -> None:
        """An event that is none, and an answer that names its cost."""
        answer = {"id": "e1", "label": "up", "annotator": "expert", "cost": 2.5, "time": 0}
        config = load(self._place.config, [], {})
        _put(config, "events", b"rubbish")
        _put(config, "labels", json.dumps(answer).encode())


def _put(config: Config, name: str, value: bytes) -> None:
    log = open_transport(config, SystemClock())
    try:
        topic = getattr(Topics(config.topics.prefix), name)
        log.append_and_commit([Outgoing(topic, 0, [b"e1"], [value])], "proof", {})
    finally:
        log.close()


@pytest.fixture(scope="module")
def watched(
    prometheus_programs: Programs,
    kafka_broker: KafkaBroker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    """One pipeline on a file and one on Kafka, both killed once, scraped every second."""
    transports = {
        "sqlite": {"transport": "sqlite:///log.db"},
        "kafka": {
            "transport": f"kafka://{kafka_broker.bootstrap}",
            "topics": {"prefix": f"proof-{uuid.uuid4().hex[:8]}-"},
        },
    }
    clock, ports = SystemClock(), free_ports(len(transports))
    addresses = [f"127.0.0.1:{port}" for port in ports]
    rules = [ROOT / "deploy" / "prometheus" / "alerts.yml"]
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("prometheus")
        prometheus = stack.enter_context(
            Prometheus(prometheus_programs, folder, {JOB: addresses}, rules)
        )
        from_s = clock.now_ms() / 1000
        lives = []
        for (name, keys), port in zip(transports.items(), ports, strict=True):
            config = {**CONFIG, **keys, "http": {"port": port}}
            made = stack.enter_context(place(tmp_path_factory.mktemp(name), rows=0, **config))
            lives.append(Life(made))
        _wait(prometheus, lives, "stream_cl_running == 1")
        events = 0
        for stage, count in STAGES.items():
            for life in lives:
                life.produce(stage)
            events += count
            learned = f"stream_cl_events_total >= {events} and stream_cl_open_requests == 0"
            _wait(prometheus, lives, learned)
        _wait(prometheus, lives, "stream_cl_drifts_total > 0")
        for life in lives:
            life.put_what_is_rare()
            life.crash_and_recover()
        for condition in THERE:
            _wait(prometheus, lives, condition)
        clock.sleep(3)
        yield Watched(prometheus, from_s, addresses)


def _wait(prometheus: Prometheus, lives: list[Life], condition: str) -> None:
    """Until both pipelines meet a condition; fails at once where a process has ended."""
    clock, found = SystemClock(), set[str]()
    until_s = clock.monotonic_s() + PATIENCE_S
    while len(found) < len(lives):
        for life in lives:
            life.check()
        if clock.monotonic_s() > until_s:
            counts = prometheus.query(
                '{__name__=~"stream_cl_(events|asked|answered|drifts)_total"}'
            )
            pytest.fail(f"{condition}: of {found} only; there is {counts}")
        clock.sleep(0.2)
        found = {one.labels["instance"] for one in prometheus.query(condition)}


def numbers(watched: Watched, query: str, instant: bool) -> dict[str, list[float]]:
    """Instance → the values of a query that are numbers."""
    found: dict[str, list[float]] = {}
    if instant:
        for sample in watched.prometheus.query(query):
            found.setdefault(sample.labels.get("instance", ""), []).append(sample.value)
    else:
        now_s = SystemClock().now_ms() / 1000
        for series in watched.prometheus.query_range(query, watched.from_s, now_s, 1):
            values = [float(value) for _, value in series["values"]]
            found.setdefault(series["metric"].get("instance", ""), []).extend(values)
    return {
        name: kept
        for name, values in found.items()
        if (kept := [value for value in values if math.isfinite(value)])
    }


def test_both_targets_are_scraped_without_fault(watched: Watched) -> None:
    assert watched.prometheus.targets() == dict.fromkeys(watched.instances, "")


@pytest.mark.parametrize("name", dashboards())
def test_every_panel_shows_data_of_every_instance(watched: Watched, name: str) -> None:
    """An empty panel in an incident is worse than none."""
    empty = [
        (asked.at, asked.query)
        for asked in of_panels(dashboards()[name])
        if set(numbers(watched, asked.query, asked.instant)) != set(watched.instances)
    ]
    assert not empty


def test_every_mark_is_drawn(watched: Watched) -> None:
    """Drifts, versions and starts when they come, and not for as long as they last."""
    drawn = {asked.at: asked.query for asked in of_marks(dashboards()["stream"])}
    for at, query in drawn.items():
        assert set(numbers(watched, query, instant=False)) == set(watched.instances), at
    assert not numbers(watched, drawn["stream-cl-stream / Deployments"], instant=True)


def test_one_instance_is_shown_alone(watched: Watched) -> None:
    """As Grafana puts in what was chosen: with the signs of regular expressions escaped."""
    one = watched.instances[0]
    for asked in of_panels(
        dashboards()["stream"], job=r"stream_cl\\.proof", instance=one.replace(".", r"\\.")
    ):
        assert set(numbers(watched, asked.query, asked.instant)) == {one}, asked


def test_the_variables_list_what_there_is(watched: Watched) -> None:
    for dashboard in dashboards().values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            text = variable["query"]["query"].replace("$job", ".+")
            selector, label = text.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            found = {one.labels[label] for one in watched.prometheus.query(selector)}
            assert found == ({JOB} if label == "job" else set(watched.instances))


def selectors(expression: Any) -> Iterator[str]:
    """Every series that an expression speaks of."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield promql_parser.VectorSelector.prettify(expression)
    for part in ("lhs", "rhs", "expr", "vs", "vector_selector"):
        if (inner := getattr(expression, part, None)) is not None:
            yield from selectors(inner)
    for inner in getattr(expression, "args", None) or []:
        yield from selectors(inner)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_looks_at_what_is_there(watched: Watched, alert: Any) -> None:
    """An alert on a series that nobody exports never fires, whatever happens."""
    watched.prometheus.query(alert.expression)
    found = list(selectors(promql_parser.parse(alert.expression)))
    assert found
    for selector in found:
        seen = {one.labels["instance"] for one in watched.prometheus.query(selector)}
        assert seen == set(watched.instances), selector


def test_prometheus_evaluates_every_rule(watched: Watched) -> None:
    rules = {rule["name"]: rule for rule in watched.prometheus.rules()}
    assert set(rules) == {alert.name for alert in ALERTS}
    for rule in rules.values():
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule


def test_healthy_pipelines_call_nobody_up(watched: Watched) -> None:
    """They were killed once, drifted and read rubbish, and need no one at night."""
    firing = {rule["name"] for rule in watched.prometheus.rules() if rule["state"] == "firing"}
    critical = {alert.name for alert in ALERTS if alert.severity == "critical"}
    assert not firing & critical
