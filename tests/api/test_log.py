"""`stream_cl.connect`: what a notebook sees of a log, whatever stands in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pandas
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stream_cl
from stream_cl import api_frames, api_html, api_log
from stream_cl.api_frames import columns_of, frame
from stream_cl.core.records import Outgoing
from stream_cl.testing.driver import TestDriver

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x00" + "A" * 1_000_000


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[TestDriver]:
    """Twelve events a second apart, each third answered, and something that is no event."""
    with TestDriver({"topics": {"prefix": "t-", "partitions": 2}}, tmp_path) as made:
        for i in range(12):
            value = {"id": str(i), "time": made.clock.now_ms(), "features": {"x": i, "kind": "a"}}
            made.pipe("events", [orjson.dumps(value)], partition=i % 2)
            made.settle()
            if i % 3 == 0:
                made.labels({str(i): "up"}, annotator="anna")
            made.clock.advance(1.0)
        made.pipe("events", [b"\xff no json"])
        made.settle()
        yield made


@pytest.fixture
def log(driver: TestDriver) -> Iterator[stream_cl.Log]:
    with stream_cl.connect(f"sqlite:///{driver.config.log_file}", sets=["topics.prefix=t-"]) as log:
        yield log


def test_topics_are_frames_of_typed_columns(log: stream_cl.Log) -> None:
    events = log.events()
    assert isinstance(events, polars.DataFrame)
    assert events.height == 13
    good = events.filter(polars.col("refused").is_null())
    assert good["features.x"].to_list() == list(range(12)), "in the order of the log"
    assert events.schema["features.x"] == polars.Int64
    assert events.schema["append_time"] == polars.Datetime("ms", "UTC")
    assert events.filter(polars.col("refused") == "not_json").height == 1
    predictions = log.predictions()
    assert predictions.height == 12
    assert predictions.schema["propensity"] == polars.Float64
    assert predictions.schema["asked"] == polars.Boolean
    assert log.labels()["label"].to_list() == ["up"] * 4
    assert "not_json" in set(log.dead_letters()["code"])
    assert set(log.manifest()["kind"]) == {"open", "step"}
    assert "open" in set(log.requests()["status"])


def test_pandas_has_the_same(driver: TestDriver) -> None:
    address = f"sqlite:///{driver.config.log_file}"
    with stream_cl.connect(address, sets=["topics.prefix=t-"], frames="pandas") as log:
        events = log.events()
        assert isinstance(events, pandas.DataFrame)
        assert events["features.x"].dropna().tolist() == list(range(12))
        assert str(events["append_time"].dtype) == "datetime64[ms, UTC]"


def test_a_config_says_where_the_log_is(driver: TestDriver, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("topics: {prefix: t-}\n")
    with stream_cl.connect(config) as log:
        assert len(log.rows("predictions")) == 12


def test_the_latest_records_are_read_unless_a_start_is_given(log: stream_cl.Log) -> None:
    """Else a notebook on a log of a year would show its first day."""
    ids = [row["id"] for row in log.rows("predictions", limit=4)]
    assert ids == ["8", "9", "10", "11"]
    whole = log.rows("predictions")
    third = whole[3]["append_time"]
    assert [row["id"] for row in log.rows("predictions", limit=2, start=third)] == ["3", "4"]
    some = log.rows("predictions", start=third, stop=third + timedelta(seconds=2))
    assert [row["id"] for row in some] == ["3", "4"]
    before = log.rows("predictions", limit=2, stop=third)
    assert [row["id"] for row in before] == ["1", "2"]
    assert log.rows("predictions", limit=0) == []
    assert log.rows("predictions", start=datetime(2100, 1, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"topic": "predicitons"}, "no topic"),
        ({"topic": "events", "limit": -1}, "limit"),
        ({"topic": "events", "start": "yesterday"}, "start: 'yesterday' is no moment"),
        ({"topic": "events", "stop": datetime(2026, 1, 1)}, "has no offset"),
    ],
)
def test_a_mistake_says_what_would_be_right(
    log: stream_cl.Log, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(stream_cl.UserError, match=said):
        log.rows(**arguments)


def test_what_does_not_fit_into_memory_is_refused(
    log: stream_cl.Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_log, "READ_BYTES", 1000)
    with pytest.raises(stream_cl.UserError, match="smaller limit"):
        log.predictions()
    assert log.predictions(limit=2).height == 2


def test_without_a_library_rows_are_there_and_the_message_says_so(
    log: stream_cl.Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def none_of_them(name: str, *rest: Any) -> Any:
        return None if name in ("polars", "pandas") else real(name, *rest)

    monkeypatch.setattr(api_frames, "find_spec", none_of_them)
    with pytest.raises(stream_cl.UserError, match=r"pip install polars.*rows"):
        log.predictions()
    with pytest.raises(stream_cl.UserError, match="pandas is not installed"):
        stream_cl.connect("sqlite:///x.db", frames="pandas")
    assert len(log.rows("predictions")) == 12


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def harmless(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert set(tags.seen) <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert len(page) < 100_000
    assert "\x00" not in page
    assert "\u202e" not in page


def test_what_is_shown_in_a_notebook_is_text(driver: TestDriver, tmp_path: Path) -> None:
    """A notebook with a stranger's label is opened by others, with their rights."""
    pipeline = stream_cl.Pipeline()
    (prediction,) = pipeline.feed([{"id": HOSTILE[:200].replace("\x00", "").replace("\u202e", ""),
                                    "features": {"a": HOSTILE[:90_000].replace("\x00", "")}}])  # fmt: skip  # noqa: E501
    harmless(prediction._repr_html_())
    harmless(pipeline.requests[0]._repr_html_())
    harmless(pipeline._repr_html_())
    harmless(api_html.table(HOSTILE, [HOSTILE], [[HOSTILE]] * 50))
    with stream_cl.connect(f"sqlite:///{driver.config.log_file}", sets=["topics.prefix=t-"]) as log:
        page = log._repr_html_()
        harmless(page)
        assert "predictions" in page
    driver.log.append([Outgoing("t-labels", 0, [None], [b'{"label": "<script>"}'])])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON), max_size=6))
def test_any_rows_make_a_frame(rows: list[dict[str, Any]]) -> None:
    """One odd record must not hide the others."""
    for kind, values in columns_of(rows, ["first"]).values():
        assert len(values) == len(rows)
        assert {type(value) for value in values if value is not None} <= {kind}
    made = frame(rows, ["first"], "polars")
    assert made.height == (len(rows) if rows else 0)
    assert len(frame(rows, ["first"], "pandas")) == len(rows)


def test_envelopes_are_opened_as_the_pipeline_opens_them(driver: TestDriver) -> None:
    event = {
        "specversion": "1.0", "id": "42", "source": "/shop", "type": "t",
        "time": "2026-03-01T08:30:00Z", "data": {"amount": 1.5, "country": "DE"},
    }  # fmt: skip
    driver.pipe("events", [orjson.dumps(event)])
    with stream_cl.connect(f"sqlite:///{driver.config.log_file}", sets=["topics.prefix=t-"]) as log:
        row = log.rows("events", limit=1)[0]
    assert row["id"] == "/shop#42"
    assert row["features"] == {"amount": 1.5, "country": "DE"}
    assert row["time"] == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
