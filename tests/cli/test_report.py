"""The demo's report: it is sent to people, so it must be whole, right and harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from stream_cl.cli.demo_account import Account
from stream_cl.cli.demo_figures import Told
from stream_cl.cli.demo_report import report, write
from stream_cl.cli.demo_stage import Recovery
from stream_cl.cli.demo_stream import SIDES, Stream
from stream_cl.cli.pictures import even_edges, growing_edges, histogram, nice_step, shares
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import StreamClError
from stream_cl.core.records import Outgoing
from stream_cl.core.topics import Topics
from stream_cl.transport.sqlite import SqliteTransport

HOSTILE = (
    "</td><script src=https://evil.example/x.js></script><img src=x onerror='a(\"b\")'>\x00&amp;"
)
EVENTS = 400
_VOID = {"meta", "br"}


class Whole(HTMLParser):
    """Sees that every element is closed, and collects elements and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def fill(log: SqliteTransport, topics: Topics, label: str) -> None:
    """A stream whose every tenth event is asked for and answered; odd ones are predicted right."""
    topics.create(log, 1, None)

    def put(topic: str, values: list[dict[str, object]]) -> None:
        packed = [orjson.dumps(value) for value in values]
        log.append([Outgoing(topic, 0, [None] * len(packed), packed)])

    rows = range(EVENTS)
    asked = [row for row in rows if row % 10 in (0, 1)]
    put(topics.events, [{"id": str(row)} for row in rows])
    put(
        topics.predictions,
        [
            {
                "id": str(row),
                "label": label if row % 2 else "other",
                "asked": row in asked,
                "propensity": 0.2,
                "reason": "drawn" if row in asked else "not_drawn",
            }
            for row in rows
        ],
    )
    features = {label: label, "plain": 1.25, **{f"f{i}": i for i in range(10)}}
    put(
        topics.label_requests,
        [
            {"id": str(row), "status": "open", "utility": row / EVENTS, "features": features}
            for row in asked
        ],
    )
    put(topics.labels, [{"id": str(row), "label": label} for row in asked])


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    accounts, configs, logs = {}, {}, []
    for side in SIDES:
        log, topics = SqliteTransport(tmp_path / f"{side}.db", SystemClock()), Topics()
        fill(log, topics, HOSTILE)
        accounts[side] = Account(log, topics, [HOSTILE] * EVENTS)
        configs[side] = tmp_path / f"{side}.yaml"
        configs[side].write_text(f"# {HOSTILE}")
        logs.append(log)
    stream = Stream(HOSTILE, tmp_path / "d.csv", configs, 100, [HOSTILE] * EVENTS, False)
    yield Told(stream, accounts, Recovery(7, 3, 160, 20, 190, 1.5, 0.1, 2, 2, 1), True, 0.2)
    for log in logs:
        log.close()


def parsed(page: str) -> Whole:
    whole = Whole()
    whole.feed(page)
    whole.close()
    assert not whole.open
    return whole


def test_it_is_one_whole_file_that_asks_for_nothing(told: Told) -> None:
    """It is opened offline and mailed around; it must not call home."""
    whole = parsed(report(told))
    tags = {tag for tag, _ in whole.seen}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form", "a"}
    for _, attributes in whole.seen:
        assert not attributes.keys() & {"src", "href", "xlink:href", "srcset", "action", "style"}
        assert not [name for name in attributes if name.startswith("on")]
    style = report(told).partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|http", style)
    assert "prefers-color-scheme: dark" in style
    (policy,) = [a["content"] for tag, a in whole.seen if tag == "meta" and "http-equiv" in a]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in (
        whole.seen
    )


def test_what_the_data_says_is_text_and_no_markup(told: Told) -> None:
    """A stream's features and labels come from anyone; the reader's browser must not obey."""
    page = report(told)
    assert "<script" not in page
    assert "\x00" not in page
    text = "".join(parsed(page).text)
    assert HOSTILE.replace("\x00", "\ufffd") in text, "the name of the data, as it is"
    assert f"{HOSTILE[:39]}… = {HOSTILE[:39]}…" in text, "a feature, shortened"


def test_it_has_every_picture_with_both_curves_and_the_kill(told: Told) -> None:
    pictures = re.findall(r"<svg.*?</svg>", report(told), re.DOTALL)
    assert len(pictures) == 6
    both, chosen, random, spend, delays, latency = pictures
    for picture in (both, spend):
        assert 'class="line chosen"' in picture
        assert 'class="line random"' in picture
    for side, picture in (("chosen", chosen), ("random", random)):
        for css in (f"band {side}", f"line {side}", "line naive", "line true"):
            assert f'class="{css}"' in picture
        assert "kill -9" in picture
    for picture in (delays, latency):
        assert 'class="bar chosen"' in picture
        assert 'class="bar random"' in picture
    for numbers in re.findall(r'points="([^"]*)"', "".join(pictures)):
        for point in numbers.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 480
            assert 0 <= y <= 260


def test_its_figures_are_those_of_the_log(told: Told) -> None:
    account = told.accounts["chosen"]
    last = account.sofar(50)[-1]
    assert (last.row, last.true) == (EVENTS - 1, 0.5)
    assert last.naive is not None
    assert last.unbiased is not None
    assert last.naive.value == 0.5
    assert last.unbiased.value == pytest.approx(0.5)
    assert [point.row for point in account.sofar(1)] == [EVENTS - 1]
    assert account.recent(1, 100) == [(EVENTS - 1, 0.5)]
    assert account.spend(3)[-1] == (EVENTS - 1, 0.2)
    assert account.reasons == {"not_drawn": 320, "drawn": 80}
    assert [one.row for one in account.useful] == [391, 390, 381, 380, 371, 370, 361, 360, 351, 350]
    assert (len(account.latency_ms), len(account.delay_ms)) == (EVENTS, 80)
    text = "".join(parsed(report(told)).text)
    assert "400, 400" in text
    assert "80 (20.0%), 80" in text
    assert text.count(": right") == text.count(": wrong") == 5


def test_a_stream_without_answers_has_a_report_too(told: Told, tmp_path: Path) -> None:
    """A stream of a second is over before anything is answered."""
    log, topics = SqliteTransport(tmp_path / "empty.db", SystemClock()), Topics()
    topics.create(log, 1, None)
    truth = ["a", None]
    accounts = {side: Account(log, topics, truth) for side in SIDES}
    log.close()
    stream = Stream("s", tmp_path / "d.csv", told.stream.configs, 2, truth, True)
    facts = Recovery(7, 0, 0)
    text = "".join(parsed(report(Told(stream, accounts, facts, False, 0.1))).text)
    assert "FAILED: not every event is predicted exactly once." in text


def test_a_report_that_cannot_be_written_says_so(told: Told, tmp_path: Path) -> None:
    with pytest.raises(StreamClError, match="--report"):
        write(tmp_path / "none" / "r.html", told)
    odd = tmp_path / "r.html"
    write(odd, told)
    assert odd.read_text(encoding="utf-8") == report(told)


def test_axes_are_round_and_hold_everything() -> None:
    assert [nice_step(span) for span in (0.6, 7, 30, 1200)] == pytest.approx([0.1, 2, 5, 200])
    axis = shares(0.43, 0.87, "")
    assert [axis.low, axis.high] == pytest.approx([0.4, 0.9])
    for flat in (0.0, 0.5, 1.0):
        axis = shares(flat, flat, "")
        assert axis.low < axis.high <= 1, "what never changes is a line, not a division by zero"
    assert even_edges([]) == [0.0, 1.0]
    assert even_edges([0.0, 0.0])[0] == 0
    assert growing_edges([7]) == [0, 1, 2, 5, 10]
    bars = re.findall(
        r'class="bar a".*?height="([\d.]+)"', histogram("", [0, 1, 2], {"a": [0, 1, 9, 9]}, "")
    )
    assert float(bars[1]) == pytest.approx(3 * float(bars[0]), abs=0.2), "what is above counts too"
