"""`stream-cl report`: its figures are those of the pipeline, and a hostile stream does no harm."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_cl.cli import report_account
from stream_cl.cli.main import app
from stream_cl.cli.report import Period, read
from stream_cl.cli.report_account import STRETCHES, Account
from stream_cl.cli.report_page import report
from stream_cl.core.errors import UserError
from stream_cl.core.records import Outgoing
from stream_cl.core.topics import Topics
from stream_cl.decode.decoder import JsonDecoder
from stream_cl.pipeline.watch import live_figures, scores_of
from stream_cl.testing.driver import TestDriver
from tests.cli.test_report import HOSTILE, parsed

ALL = Period(0, 2**42)


def streamed(folder: Path, every: bool = False, events: int = 600, **config: Any) -> TestDriver:
    """A stream of two classes, answered some steps late by two people, one of whom abstains now
    and then; a second passes between two steps."""
    labels = {"join": "every"} if every else {}
    driver = TestDriver(
        {
            "budget": {"fraction": 0.3},
            "step": {"max_events": 10},
            "encoder": {"kind": "hashing", "width": 8},
            "labels": labels,
            **config,
        },
        folder,
    )
    late: list[str] = []
    for i in range(events // 10):
        ids = driver.events([{"x": float((i * 7 + j) % 10)} for j in range(10)])
        driver.settle()
        late += ids if every else asked(driver, i)
        if i % 5 == 4 or i == events // 10 - 1:
            driver.clock.advance(0.5)
            now, late = late[:-3], late[-3:]
            for n, id_ in enumerate(now):
                who = {"annotator": f"p{n % 2}"}
                if n % 11 == 5:
                    driver.labels({id_: None}, **who)
                driver.labels({id_: "high" if int(id_) % 7 > 3 else "low"}, **who)
            driver.settle()
        driver.clock.advance(1.0)
    return driver


def asked(driver: TestDriver, step: int) -> list[str]:
    """The ids that the latest ten predictions ask for."""
    return [one.value["id"] for one in driver.read("predictions")[-10:] if one.value["asked"]]


def test_its_figures_are_those_of_the_pipeline(tmp_path: Path) -> None:
    """A report that says another accuracy than /metrics is believed by nobody."""
    with streamed(tmp_path) as driver:
        found = read(driver.config, driver.log, ALL)
        state = driver.pipeline.state  # type: ignore[union-attr]
        live, scores = live_figures(state), scores_of(state)
        figures = found.figures.figures(found.counts["events"], found.waiting)
        for name in ("naive", "unbiased", "sequence", "held_out"):
            assert list(figures[name]) == pytest.approx(list(live[name]), abs=2e-6), name
        for name, value in found.figures.scores()._asdict().items():
            assert value == pytest.approx(scores[name], abs=2e-6), name
        assert found.figures.reliability.error() == pytest.approx(
            scores["calibration_error"], abs=1e-5
        )
        assert found.counts["asked"] == state.counts["asked"]
        assert found.counts["events"] == state.events
        theirs = state.join.accounts.items()
        for name, one in found.annotators.items().items():
            assert (one.answers, one.abstained) == (theirs[name].answers, theirs[name].abstained)
        assert sum(stretch.events for stretch in found.stretches) == state.events
        in_parts = sum(stretch.sums.sums[4] for stretch in found.stretches)
        assert in_parts == state.counts["answered"]


def test_labels_for_every_event_are_judged_too(tmp_path: Path) -> None:
    with streamed(tmp_path, every=True) as driver:
        found = read(driver.config, driver.log, ALL)
        live = live_figures(driver.pipeline.state)  # type: ignore[union-attr]
        figures = found.figures.figures(found.counts["events"], found.waiting)
        assert list(figures["unbiased"]) == pytest.approx(list(live["unbiased"]), abs=2e-6)


def test_labels_that_come_with_their_events_are_judged_too(tmp_path: Path) -> None:
    with TestDriver({"labels": {"join": "every"}}, tmp_path) as driver:
        for i in range(40):
            driver.events([{"x": float(i % 2)}], label=str(i % 2))
            driver.settle()
        found = read(driver.config, driver.log, ALL)
        live = live_figures(driver.pipeline.state)  # type: ignore[union-attr]
        assert found.counts["answered"] == 40
        assert list(found.figures.figures(40)["unbiased"]) == pytest.approx(list(live["unbiased"]))


def test_a_period_holds_what_was_appended_in_it(tmp_path: Path) -> None:
    """Yesterday's report must not count today's events."""
    with streamed(tmp_path) as driver:
        times = [
            chunk_time
            for at, bounds in driver.log.bounds(["predictions"]).items()
            for chunk_time in driver.log.read("predictions", at.partition, 0, 1000).timestamps_ms
            if bounds
        ]
        since, until = times[100], times[400]
        found = read(driver.config, driver.log, Period(since, until))
        assert found.counts["events"] == sum(since <= at < until for at in times)
        with pytest.raises(UserError, match="nothing was predicted"):
            read(driver.config, driver.log, Period(times[-1] + 1, times[-1] + 1000))


def test_what_the_stream_says_is_text_and_no_markup(tmp_path: Path) -> None:
    """Labels, annotators and broken records come from strangers; the page is opened by the boss."""
    long = "<script>" + "A" * 990_000
    with TestDriver({"labels": {"join": "every"}}, tmp_path) as driver:
        for label in (HOSTILE.replace("\x00", "")[:200], "plain") * 40:
            (id_,) = driver.events([{HOSTILE[:100]: HOSTILE}])
            driver.labels({id_: label}, annotator=HOSTILE.replace("\x00", ""))
            driver.settle()
        driver.pipe("events", [long.encode(), HOSTILE.encode(), b"\xff\xfe<img src=x>"])
        driver.pipe("predictions", [long.encode(), b"", b"[]", b'{"propensity": "<b>"}'])
        driver.pipe("label-requests", [HOSTILE.encode()])
        driver.pipe("dead-letters", [HOSTILE.encode()])
        driver.settle()
        page = report(read(driver.config, driver.log, ALL), driver.config, driver.clock.now_ms())
    whole = parsed(page)
    assert not {tag for tag, _ in whole.seen} & {"script", "img", "link", "iframe", "a", "form"}
    for _, attributes in whole.seen:
        assert not attributes.keys() & {"src", "href", "style", "srcset"}
        assert not [name for name in attributes if name.startswith("on")]
    text = "".join(whole.text)
    assert HOSTILE.replace("\x00", "")[:50] in text, "shown, as text"
    assert len(page) < 200_000, "a record of a megabyte is cut"
    assert "\x00" not in page
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|http", style)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_it_reads_a_long_period_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million predictions must not need a machine of their own: twice the records, no more
    memory."""
    topics = Topics()
    peaks = []
    monkeypatch.setattr(report_account, "_RECENT", 1000)
    for n in (4_000, 12_000):
        account = Account(topics, JsonDecoder(), 0, n, every=False)
        tracemalloc.start()
        for first in range(0, n, 1000):
            made = [prediction(i) for i in range(first, first + 1000)]
            account.take(chunk_of(topics.predictions, made, first))
            labels = [{"id": str(i), "label": f"c{i % 3}"} for i in range(first, first + 1000)]
            account.take(chunk_of(topics.labels, labels, first))
            account.take(chunk_of(topics.dead_letters, [{"a": "b" * 1000}] * 100, first))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert account.counts["events"] == n
        assert len(account.stretches) == STRETCHES
    assert peaks[1] < peaks[0] + 300_000


def test_questions_that_nobody_answers_are_kept_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_account, "OPEN_MAX", 100)
    topics = Topics()
    account = Account(topics, JsonDecoder(), 0, 1000, every=False)
    account.take(chunk_of(topics.predictions, [prediction(i) for i in range(1000)], 0))
    assert len(account.waiting.event) == 100
    assert account.counts["forgotten"] == 900


def prediction(i: int) -> dict[str, Any]:
    shares = {"c0": 0.5, "c1": 0.3, "c2": 0.2}
    return {
        "v": 1, "id": str(i), "time": "2026-03-01T09:00:00.000Z", "label": "c0",
        "probabilities": shares, "uncertainty": 0.5, "utility": 1, "asked": True,
        "propensity": 0.5, "step": i, "model": "softmax/1", "reason": "drawn",
    }  # fmt: skip


def chunk_of(topic: str, values: list[dict[str, Any]], first: int) -> Any:
    from stream_cl.core.records import Chunk

    n = len(values)
    packed = [orjson.dumps(value) for value in values]
    moments = list(range(first, first + n))
    return Chunk(topic, 0, moments, moments, [None] * n, packed, [()] * n)


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_writes_a_file_and_says_where(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("transport: sqlite:///stream_cl.db\n")
    with streamed(tmp_path, events=100):
        pass
    out = tmp_path / "r.html"
    done = run("report", config, "--since", "2000-01-01T00:00:00Z", "--out", out)
    assert (done.exit_code, done.stdout) == (0, f"wrote {out}\n"), done.stderr
    parsed(out.read_text(encoding="utf-8"))
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is no moment"),
        (["--since", "1h", "--until", "2h"], "is not before the end"),
        (["--since", "1s"], "nothing was predicted"),
        (["--out", "/dev/null/x.html", "--since", "2000-01-01T00:00:00Z"], "--out"),
        (["--set", "topics.prefix=x-"], "has no topic x-predictions"),
        (["--set", "transport=sqlite:///none.db"], "there is no log"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("transport: sqlite:///stream_cl.db\n")
    with streamed(tmp_path, events=50):
        pass
    done = run("report", config, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_broken_record_of_ours_is_counted_and_passed_over(tmp_path: Path) -> None:
    with streamed(tmp_path, events=50) as driver:
        driver.log.append([Outgoing("predictions", 0, [None] * 3, [b"{", b"7", b'{"id": 3}'])])
        found = read(driver.config, driver.log, ALL)
        assert (found.counts["events"], found.counts["unreadable"]) == (50, 3)
