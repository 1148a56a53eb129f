"""/metrics as Prometheus reads it: whatever a stream is called, and whatever its numbers are."""

from __future__ import annotations

import math
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from stream_cl.core.clock import SystemClock
from stream_cl.labels.join import FATES
from stream_cl.observe import page
from stream_cl.observe.exposition import LABEL_CHARS, Buckets, Metrics, Shown, exposed_name
from stream_cl.observe.metrics import SECTIONS, TABLE
from stream_cl.testing.prometheus import Programs, Prometheus

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = [
    'say "no"',
    "two\nlines\r\n# TYPE stream_cl_step counter",
    "back\\slash\\",
    'x"} 1\nstream_cl_step 666',
    "nothing\x00after",
    "\ud800 half a character",
    "{}=,🦉\u2028",
    "",
    "m" * 1_000_000,
    "m" * 1_000_001,
]


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a parser of the format finds; it fails where a series stands twice."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def shown(**series: Mapping[tuple[str, ...], float]) -> str:
    return Metrics().exposition(Shown({}, series)).decode()


def test_every_metric_is_named_as_prometheus_wants_it() -> None:
    """A dashboard reads the unit off the name."""
    ends = {
        "seconds": "_seconds",
        "ratio": "_ratio",
        "bytes": "_bytes",
        "units": "_units",
        "nats": "_nats",
    }
    for row in TABLE:
        assert re.fullmatch(r"stream_cl(_[a-z]+)+", row.name), row.name
        assert not row.name.endswith("_total"), "it is added where it is exposed"
        assert row.unit not in ends or row.name.endswith(ends[row.unit]), row.name
        assert row.bound >= max(1, len(row.known)), row.name
        assert len(row.labels) or row.bound == 1, row.name
        assert row.meaning.endswith("."), row.name
        assert not {"|", "\n"} & set(row.meaning), "it stands in a table of docs/metrics.md"
        assert (row.kind == "histogram") == bool(row.buckets), row.name
    fates = next(row for row in TABLE if row.of == "labels.")
    assert fates.bound >= len(FATES)
    assert TABLE[-1].name == "stream_cl_series_left_out", "it counts those above it"


def test_the_page_is_that_of_the_table() -> None:
    """Write it again: `python -m stream_cl.observe.page > docs/metrics.md`."""
    assert (ROOT / "docs" / "metrics.md").read_text() == page.page()
    text = page.page()
    assert all(f"`{exposed_name(row)}`" in text for rows in SECTIONS.values() for row in rows)


def test_hostile_names_stay_what_they_are() -> None:
    """A class called so must not end the text, forge a series, or make Prometheus refuse all."""
    series = {(name, "recall", "value"): i / 100 for i, name in enumerate(HOSTILE)}
    text = shown(class_ratio=series, annotator_answers={(name,): 1.0 for name in HOSTILE})
    found = samples(text)
    classes = {
        dict(labels)["class"]: value
        for (name, labels), value in found.items()
        if name == "stream_cl_class_ratio"
    }
    assert list(classes.values()) == [i / 100 for i in range(len(HOSTILE))], "each is still there"
    assert all(len(name) <= LABEL_CHARS for name in classes)
    assert set(HOSTILE[:1] + HOSTILE[2:4]) <= set(classes), "and is itself where it can be"
    assert ("stream_cl_step", ()) not in found


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.text(st.characters(exclude_categories=()))), st.floats()))
def test_any_name_and_any_number_can_be_parsed(series: dict[tuple[str, ...], float]) -> None:
    """What is finite and within the bound is there; nothing else is."""
    text = shown(annotator_seconds=series)
    found = [v for (name, _), v in samples(text).items() if name == "stream_cl_annotator_seconds"]
    finite = [value for value in series.values() if math.isfinite(value)]
    assert len(found) <= 21
    assert set(found) <= set(finite)
    if len({"".join(name) for name in series}) <= 21 and all("".join(n).isalnum() for n in series):
        assert len(found) == len(finite)


def test_no_stream_makes_more_series_than_the_table_says() -> None:
    """10,000 classes must not fill Prometheus; how many are left out is shown."""
    many = {(f"class {i}", "recall", "value"): 0.5 for i in range(10_000)}
    counts = {f"labels.fate {i}": i for i in range(1000)}
    text = Metrics().exposition(Shown(counts, {"class_ratio": many})).decode()
    found = samples(text)
    bound = {row.name: row.bound for row in TABLE}["stream_cl_class_ratio"]
    assert sum(name == "stream_cl_class_ratio" for name, _ in found) == bound
    assert found["stream_cl_series_left_out", ()] == 10_000 - bound + 1000 - 24


def test_the_series_of_the_page_are_all_there_can_be() -> None:
    """An operator plans with that figure."""
    everything = {
        row.name.removeprefix("stream_cl_"): {
            tuple(f"{label} {i}" for label in row.labels): 1.0 for i in range(1000)
        }
        for row in TABLE
    }
    counts = {f"{row.of}{i}": 1 for row in TABLE for i in range(1000)}
    found = samples(Metrics().exposition(Shown(counts, everything)).decode())
    ours = sum(name.startswith("stream_cl_") for name, _ in found)
    assert ours == sum(page.series(row) for row in TABLE)


def test_before_the_replay_is_over_no_total_is_shown() -> None:
    """A counter that goes through 0 at each restart makes every rate jump."""
    found = samples(Metrics().exposition(Shown(None, {"running": {(): 0.0}})).decode())
    assert found["stream_cl_running", ()] == 0
    assert not [name for name, _ in found if name == "stream_cl_predictions_total"]
    later = samples(Metrics().exposition(Shown({"predictions": 7})).decode())
    assert later["stream_cl_predictions_total", ()] == 7
    assert later["stream_cl_dead_letters_total", (("code", "not_json"),)] == 0


BOUNDS = (0.1, 1.0, 10.0)
VALUES = st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0, 9.9, 10.0, 10.1, 1e6]), max_size=40)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_a_histogram_counts_each_value_once(one: list[float], all_: list[float]) -> None:
    """Bounds are inclusive, as Prometheus has them, whichever way values come in."""
    buckets = Buckets(BOUNDS)
    for value in one:
        buckets.observe(value)
    buckets.observe_all(np.array(all_, dtype=np.float64))
    values = one + all_
    for i, bound in enumerate((*BOUNDS, math.inf)):
        assert sum(buckets.counts[: i + 1]) == sum(value <= bound for value in values)
    assert buckets.sum == pytest.approx(sum(values))


@settings(deadline=None)
@given(st.lists(st.integers(-20_000, 2_000), min_size=1, max_size=50).map(sorted))
def test_ages_are_those_of_each_moment(moments_ms: list[int]) -> None:
    """Also where a broker's clock is ahead of ours: then nothing is younger than now."""
    buckets, reference = Buckets(BOUNDS), Buckets(BOUNDS)
    buckets.observe_since(moments_ms, 1_000.0)
    for moment_ms in moments_ms:
        reference.observe(max(0.0, (1_000.0 - moment_ms) / 1000))
    assert buckets.counts == reference.counts
    assert buckets.sum == pytest.approx(reference.sum)


def test_promtool_finds_nothing_to_blame(prometheus_programs: Programs) -> None:
    """Its linter knows the rules of naming better than we do."""
    done = subprocess.run(
        [prometheus_programs.promtool, "check", "metrics"],
        input=Metrics().exposition(Shown({"predictions": 1}, {"step": {(): 1.0}})),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@contextmanager
def served(body: bytes) -> Iterator[str]:
    """An address that answers with this text."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """No line for each scrape."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_real_prometheus_takes_hostile_names(
    prometheus_programs: Programs, tmp_path: Path
) -> None:
    """Its scraper is another parser than promtool's, and one fault loses the whole scrape."""
    names = {(name, "recall", "value"): i / 100 for i, name in enumerate(HOSTILE)}
    text = Metrics().exposition(Shown({}, {"class_ratio": names, "lag_seconds": {(): math.inf}}))
    clock = SystemClock()
    with (
        served(text) as address,
        Prometheus(prometheus_programs, tmp_path, {"hostile": [address]}) as prometheus,
    ):
        until_s = clock.monotonic_s() + 30
        while not (found := prometheus.query("stream_cl_class_ratio")):
            assert clock.monotonic_s() < until_s, prometheus.targets()
            clock.sleep(0.2)
        assert sorted(sample.value for sample in found) == sorted(names.values())
        assert prometheus.query("stream_cl_step") == []
        assert prometheus.targets() == {address: ""}
