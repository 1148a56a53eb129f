"""A recorded production stream is replayed on a laptop with the same config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_cl.cli.evaluate import recorded, rows_of_log
from stream_cl.cli.main import app
from stream_cl.config.file import load
from stream_cl.core.records import Outgoing
from stream_cl.transport.sqlite import SqliteTransport
from tests.transport.test_sqlite_contract import SettableClock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of 300 rows, and a log in which two thirds of them have a label."""
    lines = ["x,y,label"]
    clock = SettableClock()
    log = SqliteTransport(tmp_path / "log.db", clock)
    for topic in ("events", "labels"):
        log.create_topic(topic)
    for i in range(300):
        x, y = (i * 7 % 13) / 13, (i * 5 % 11) / 11
        label = "up" if x > y else "down"
        lines.append(f"{x},{y},{label}")
        event = {"id": f"e{i}", "time": i, "features": {"x": x, "y": y}}
        log.append([Outgoing("events", 0, [None], [orjson.dumps(event)])])
        clock.sleep(0.01)
        if i % 3:
            answers: list[dict[str, Any]] = [
                {"id": f"e{i}", "abstain": True},
                {"id": f"e{i}", "label": label, "annotator": "first"},
                {"id": f"e{i}", "label": "wrong", "annotator": "second"},
            ]
            values = [orjson.dumps(answer) for answer in answers]
            log.append([Outgoing("labels", 0, [None] * 3, values)])
    log.append([Outgoing("events", 0, [None], [b"not JSON"])])
    log.close()
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    (tmp_path / "c.yaml").write_text("transport: sqlite:///log.db\n")
    return tmp_path


def _evaluate(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["evaluate", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_log_is_the_stream_that_was_written_to_it(folder: Path) -> None:
    """Else figures on a laptop are of another stream than production's."""
    rows = rows_of_log(load(folder / "c.yaml", [], {}))
    expected = recorded(folder / "rows.csv")
    assert [row.features for row in rows] == [row.features for row in expected]
    labels = [row.label if i % 3 else None for i, row in enumerate(expected)]
    assert [row.label for row in rows] == labels


def test_events_without_a_label_are_not_judged(folder: Path) -> None:
    """Else every one of them counts as an error."""
    found = _evaluate(str(folder / "c.yaml"), "--recorded", "--set", "labels.join=every")
    assert found["events"] == 300
    assert found["labels_asked"] == 200
    assert found["accuracy"] > 0.8
    part = _evaluate(str(folder / "c.yaml"), "--recorded", "--limit", "30")
    assert part["events"] == 30


def test_with_all_labels_a_log_gives_what_a_file_gives(folder: Path, tmp_path: Path) -> None:
    log = SqliteTransport(folder / "log.db", SettableClock())
    rows = recorded(folder / "rows.csv")
    values = [orjson.dumps({"id": f"e{i}", "label": row.label}) for i, row in enumerate(rows)]
    log.append([Outgoing("labels", 0, [None] * len(values), values)])
    log.close()
    of_log = _evaluate(str(folder / "c.yaml"), "--recorded")
    of_file = _evaluate(str(folder / "c.yaml"), "--data", str(folder / "rows.csv"))
    for found in (of_log, of_file):
        found.pop("events_per_second")
        found.pop("seeds")
    assert of_log == of_file


@pytest.mark.parametrize(
    "arguments", [[], ["--recorded", "--data", "rows.csv"], ["--set", "seed=1"]], ids=str
)
def test_one_stream_must_be_named(folder: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(folder / "c.yaml"), *arguments])
    assert done.exit_code == 2
    assert "--data" in done.output


def test_an_empty_log_is_said(tmp_path: Path) -> None:
    log = SqliteTransport(tmp_path / "log.db", SettableClock())
    for topic in ("events", "labels"):
        log.create_topic(topic)
    log.close()
    (tmp_path / "c.yaml").write_text("transport: sqlite:///log.db\n")
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "c.yaml"), "--recorded"])
    assert done.exit_code == 2
    assert "holds no event" in done.output
