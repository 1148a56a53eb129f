"""`produce` and `consume`: what is in a file is in the topic, and comes out again."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stream_cl.cli import consume, produce, rows
from stream_cl.cli.main import app
from stream_cl.core.records import Outgoing

PROGRAM = [sys.executable, "-m", "stream_cl.cli.main"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("topics: {prefix: t-}\n")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "d.csv"
    path.write_text("a,b,c,label\n1,true,x,UP\n-2.5,,007,DOWN\n\n1e3,nan,inf,\n")
    return path


def consumed(config: Path, *options: str) -> list[dict[str, Any]]:
    result = run("consume", config, "--topic", "events", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


class FakeClock:
    """A clock that moves when it sleeps, and by `cost_s` whenever it is asked."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.cost_s = cost_s

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        self.now_s += self.cost_s
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def test_cells_become_what_they_mean(config: Path, data: Path) -> None:
    """A number that arrives as text would be a category to the encoder."""
    assert run("produce", config, "--data", data).stderr == "produced 3 events to t-events\n"
    found = consumed(config)
    assert [one["value"]["features"] for one in found] == [
        {"a": 1, "b": True, "c": "x"},
        {"a": -2.5, "b": None, "c": 7},
        {"a": 1000.0, "b": None, "c": "inf"},
    ]
    assert [one["key"] for one in found] == ["0", "1", "2"]
    assert set(found[0]) == {"key", "value", "headers", "partition", "offset", "timestamp"}
    assert found[0]["value"]["v"] == 1
    assert found[0]["value"]["id"] == "0"
    assert abs(found[0]["value"]["time"] - found[0]["timestamp"]) < 60_000
    assert all("label" not in one["value"] for one in found)


def test_labels_go_with_the_events_only_if_asked(config: Path, data: Path) -> None:
    run("produce", config, "--data", data, "--with-label")
    labels = [one["value"].get("label") for one in consumed(config)]
    assert labels == ["UP", "DOWN", None]


def test_ids_come_from_a_column_or_from_the_loop(config: Path, data: Path) -> None:
    run("produce", config, "--data", data, "--id", "a")
    assert [one["value"]["id"] for one in consumed(config)] == ["1", "-2.5", "1e3"]
    assert "a" not in consumed(config)[0]["value"]["features"]
    run("produce", config, "--data", data, "--loop", "--limit", "5")
    ids = [one["key"] for one in consumed(config, "--from", "3")]
    assert ids == ["0-0", "0-1", "0-2", "1-0", "1-1"]


def test_partitions_keep_an_id_in_one_place(config: Path, data: Path) -> None:
    options = ("--set", "topics.partitions=3")
    assert (
        run("produce", config, "--data", data, "--loop", "--limit", "60", *options).exit_code == 0
    )
    found = consumed(config)
    assert {one["partition"] for one in found} == {0, 1, 2}
    assert len({one["key"] for one in found}) == 60
    order = [(one["timestamp"], one["partition"], one["offset"]) for one in found]
    assert order == sorted(order)
    assert len(consumed(config, "--limit", "7")) == 7


def test_real_streams_are_read_whole(config: Path, data_dir: Path) -> None:
    result = run("produce", config, "--data", data_dir / "sms_spam.csv.gz")
    assert result.stderr == "produced 5574 events to t-events\n"
    assert isinstance(consumed(config, "--limit", "1")[0]["value"]["features"]["text"], str)


BROKEN = {
    "ragged": (b"a,b\n1,2\n1\n", ":3: 1 cells where the header names 2 columns"),
    "after a quoted line end": (b'a,b\n"x\ny",2\n1\n', ":4: 1 cells where"),
    "empty": (b"", ": is empty; give a CSV file with a header"),
    "no rows": (b"a,b\n", ": has no rows;"),
    "two columns of one name": (b"a,a\n1,2\n", ":1: two columns are called 'a'"),
    "a column without a name": (b"a,\n1,2\n", ":1: a column without a name"),
    "not UTF-8": (b"a,b\n1,2\n1,\xff\n", ":3: byte 0xff is not UTF-8"),
    "no quote at the end": (b'a,b\n1,"' + b"x" * 200_000, ":2: is no CSV (field larger"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_files_that_cannot_be_read_are_named_with_their_line(
    config: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    result = run("produce", config, "--data", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"stream-cl: {path}{message}")


def test_gzip_that_is_cut_or_is_none_is_named(config: Path, tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 50_000)
    for content in (whole[:-20], b"a,b\n1,2\n", whole[:40] + b"\0\0\0" + whole[43:]):
        path = tmp_path / "broken.csv.gz"
        path.write_bytes(content)
        result = run("produce", config, "--data", path)
        assert result.exit_code == 2
        assert "is no whole gzip file" in result.stderr


def test_what_is_asked_for_must_be_there(config: Path, data: Path, tmp_path: Path) -> None:
    def stderr(*options: str | Path) -> str:
        result = run("produce", config, *options)
        assert result.exit_code == 2
        return result.stderr

    assert "there is no such file" in stderr("--data", tmp_path / "none.csv")
    assert "is a folder" in stderr("--data", tmp_path)
    assert "has no such column; there are a, b, c, label" in stderr("--data", data, "--id", "z")
    assert "--rate 0: give a number" in stderr("--data", data, "--rate", "0")
    data.write_text("a\n1\n")
    assert "has no column `label`" in stderr("--data", data, "--with-label")
    data.write_text(f"a,i\n1,{'x' * 257}\n")
    assert ":2: an id of 257 bytes" in stderr("--data", data, "--id", "i")
    missing = ("--set", f"transport=sqlite:///{tmp_path}/none/x.db")
    assert "there is no folder" in stderr("--data", data, *missing)


def test_consume_names_what_is_not_there(config: Path, tmp_path: Path) -> None:
    result = run("consume", config, "--topic", "events")
    assert result.exit_code == 2
    assert "there is no log" in result.stderr
    assert not (tmp_path / "stream_cl.db").exists(), "reading makes no log"


def test_any_value_becomes_one_line_of_json() -> None:
    def value(body: bytes | None) -> Any:
        text = consume.line(consume.Found(5, 1, 2, None, body, ()))
        assert text.count("\n") == 1
        return json.loads(text)["value"]

    assert value(b'{"a": 12345678901234567890123}') == {"a": 12345678901234567890123}
    assert value(b'{\n"a": 1}') == {"a": 1}
    assert value(b"{broken") == "{broken"
    assert value(b"\xff") == {"base64": "/w=="}
    assert value(None) is None
    assert value(b"") == ""
    headers = (("a", b"1"), ("b", b"\xff"), ("a", b"2"), ("a", b"3"))
    text = consume.line(consume.Found(5, 1, 2, b"k", b"1", headers))
    assert json.loads(text) == {
        "key": "k",
        "value": 1,
        "headers": {"a": ["1", "2", "3"], "b": {"base64": "/w=="}},
        "partition": 1,
        "offset": 2,
        "timestamp": 5,
    }


@pytest.mark.parametrize("rate", [3.0, 70.0, 5000.0, 90_000.0])
def test_the_rate_holds_however_long_sending_takes(rate: float) -> None:
    """A rate that sleeps between batches would fall behind by what sending costs."""
    clock = FakeClock(cost_s=0.0001)
    row = rows.Row(0, 1, None, {}, None)
    sent: list[int] = []

    def send(batch: list[produce.Numbered]) -> None:
        sent.append(len(batch))
        clock.now_s += 0.005  # the log is slow

    total = int(rate * 4)
    stream = (produce.Numbered(str(n), row) for n in range(total))
    produced = produce.paced(stream, send, clock, rate, lambda: False, lambda done: None)
    assert produced == total
    assert max(sent) <= produce.BATCH_EVENTS
    assert clock.now_s - 100 == pytest.approx(4.0, abs=0.05 + 1 / rate)


def test_batches_are_appended_in_one_go(tmp_path: Path) -> None:
    class Log:
        appended: list[Outgoing]

        def partition_for(self, topic: str, key: bytes) -> int:
            return int(key) % 2

        def append(self, batches: list[Outgoing]) -> list[int]:
            self.appended = batches
            return [0] * len(batches)

    log = Log()
    send = produce.Sender(log, "e", FakeClock(), True, tmp_path)  # type: ignore[arg-type]
    send([produce.Numbered(str(n), rows.Row(n, n, None, {}, "x")) for n in range(4)])
    assert [(one.partition, one.keys) for one in log.appended] == [
        (0, [b"0", b"2"]),
        (1, [b"1", b"3"]),
    ]
    assert json.loads(log.appended[0].values[0]) == {
        "v": 1,
        "id": "0",
        "time": 100_000,
        "features": {},
        "label": "x",
    }


def test_an_interrupt_ends_produce_cleanly(config: Path, data: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "produce", config, "--data", data, "--loop", "--rate", "200"],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_events(config)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    count = len(consumed(config))
    assert said == f"produced {count} events to t-events\n"


def test_an_interrupt_ends_a_plain_command_quietly(config: Path, data: Path) -> None:
    run("produce", config, "--data", data)
    process = subprocess.Popen(
        [*PROGRAM, "consume", config, "--topic", "events", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    run("produce", config, "--data", data, "--limit", "1")
    assert json.loads(process.stdout.readline())["offset"] == 3, "--follow waits for more"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "")


def test_a_reader_that_leaves_is_no_error(config: Path, data: Path) -> None:
    """`stream-cl consume … | head` must not end in a traceback."""
    run("produce", config, "--data", data, "--loop", "--limit", "5000")
    command = f"{sys.executable} -m stream_cl.cli.main consume {config} --topic events"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def wait_for_events(config: Path) -> None:
    for _ in range(200):
        result = run("consume", config, "--topic", "events", "--limit", "1")
        if result.exit_code == 0 and result.stdout:
            return
        time.sleep(0.05)
    pytest.fail("produce wrote nothing within ten seconds")
