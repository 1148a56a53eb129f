"""A recorded stream is moved from one log to another: nothing lost, nothing twice, in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_cl.cli import copy
from stream_cl.cli.main import app
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.merged import runs
from stream_cl.transport.sqlite import SqliteTransport
from tests.transport.test_sqlite_contract import SettableClock


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A log of events in two partitions and labels, some in one millisecond, one in the future."""
    (tmp_path / "c.yaml").write_text("transport: sqlite:///a.db\ntopics: {partitions: 2}\n")
    clock = SettableClock()
    log = SqliteTransport(tmp_path / "a.db", clock)
    for topic, partitions in (("events", 2), ("labels", 2), ("control", 1)):
        log.create_topic(topic, partitions)
    begin = clock.time_ms
    for step in range(60):
        clock.time_ms = begin + step * 7 // 3
        n = step % 4 + 1
        values = [b"event %d %d" % (step, i) for i in range(n)]
        log.append([Outgoing("events", step % 2, [None] * n, values, (("a", b"1"), ("a", b"2")))])
        if step % 5 == 0:
            log.append(
                [Outgoing("labels", 1, [b"k"], [b"label %d" % step], (("h", b"%d" % step),))]
            )
    log.close()
    return tmp_path


def _records(path: Path) -> list[tuple[object, ...]]:
    log = SqliteTransport(path, SettableClock())
    found = [
        (chunk.topic, chunk.partition, offset, key, value, headers)
        for chunk in runs(log, ["events", "labels"], {})
        for offset, key, value, headers in zip(
            chunk.offsets, chunk.keys, chunk.values, chunk.headers, strict=True
        )
    ]
    log.close()
    return found


def _copy(folder: Path, *options: str, to: str = "sqlite:///b.db") -> object:
    return CliRunner().invoke(app, ["copy", str(folder / "c.yaml"), "--to", to, *options])


def test_everything_arrives_in_the_order_in_which_it_came(source: Path) -> None:
    """Else a replay on a laptop learns labels before or after other events than production."""
    done = _copy(source)
    assert done.exit_code == 0, done.output
    assert _records(source / "b.db") == _records(source / "a.db")
    assert f"{len(_records(source / 'a.db'))} records" in done.output


def test_append_times_stay(source: Path) -> None:
    """Else labels expire in the copy that were in time in the original."""
    _copy(source)
    for topic, partition in (("events", 0), ("events", 1), ("labels", 1)):
        times = []
        for name in ("a.db", "b.db"):
            log = SqliteTransport(source / name, SettableClock())
            times.append(list(log.read(topic, partition, 0, 10_000).timestamps_ms))
            log.close()
        pairs = zip(*times, strict=True)
        assert all(0 <= original - copied <= 10 for original, copied in pairs)


@pytest.mark.parametrize("n", [1, 7, 40])
def test_a_copy_goes_on_where_it_was(source: Path, n: int) -> None:
    """Else a copy that was stopped loses records, or has some of them twice."""
    for _ in range(4):
        assert _copy(source, "--limit", str(n)).exit_code == 0
    partly = _records(source / "b.db")
    assert partly == _records(source / "a.db")[: 4 * n]
    assert _copy(source).exit_code == 0
    assert _records(source / "b.db") == _records(source / "a.db")


def test_only_chosen_topics(source: Path) -> None:
    assert _copy(source, "--topics", "labels").exit_code == 0
    log = SqliteTransport(source / "b.db", SettableClock())
    assert log.topics() == {"labels": 2}
    assert log.bounds(["labels"])[TopicPartition("labels", 1)].end == 12
    log.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--topics", "manifest"), "its offsets mean this log alone"),
        (("--topics", "event"), "'event' cannot be copied"),
        (("--topics", ","), "name one topic at least"),
        (("--topics", "predictions"), "has no topic predictions"),
    ],
)
def test_what_cannot_be_copied_is_said(
    source: Path, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = _copy(source, *options)
    assert done.exit_code == 2
    assert said in done.output


def test_the_same_log(source: Path) -> None:
    assert _copy(source, to="sqlite:///a.db").exit_code == 2


def test_a_log_that_holds_something_else(source: Path) -> None:
    """Else two streams would be mixed into one."""
    log = SqliteTransport(source / "b.db", SettableClock())
    log.create_topic("events", 2)
    log.append([Outgoing("events", 0, [None], [b"mine"])])
    log.close()
    done = _copy(source)
    assert done.exit_code == 1
    assert "not empty there" in done.output


def test_other_partitions(source: Path) -> None:
    log = SqliteTransport(source / "b.db", SettableClock())
    log.create_topic("events", 3)
    log.close()
    done = _copy(source)
    assert done.exit_code == 1
    assert "keys would change their places" in done.output


def test_two_sources_have_two_names(tmp_path: Path) -> None:
    """Else the second copy into one log would go on where the first one stopped."""
    from stream_cl.config import Config

    one = Config.model_validate({"transport": "sqlite:///a.db"}).beside(tmp_path)
    other = Config.model_validate({"transport": "sqlite:///b.db"}).beside(tmp_path)
    assert copy._group(one) != copy._group(other)
