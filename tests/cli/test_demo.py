"""`demo`: the first thing that anyone runs. It must show what it says, and leave nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from stream_cl.cli.demo import REPORT
from stream_cl.cli.demo_account import Account, Count
from stream_cl.cli.demo_processes import ChildDied, Children, end_asked
from stream_cl.cli.demo_screen import LiveTable
from stream_cl.cli.demo_stream import CHOSEN, RANDOM, Source
from stream_cl.cli.demo_watch import Watch
from stream_cl.cli.main import app
from stream_cl.cli.rows import read_rows
from stream_cl.config import public
from stream_cl.config.file import load
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.core.topics import Topics
from stream_cl.transport.sqlite import SqliteTransport
from tests.cli.processes import PROGRAM, alive, environment, until


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The demo in a folder that is not the project's; temporary files go there too."""
    return subprocess.Popen(
        [*PROGRAM, "demo", *arguments],
        cwd=folder,
        env={**environment(), "TMPDIR": str(folder), "STREAM_CL__TRANSPORT": "sqlite:///mine.db"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_shows_a_kill_and_a_recovery_and_counts_afterwards(tmp_path: Path) -> None:
    started = time.monotonic()
    subprocess.run([*PROGRAM, "--version"], check=True, capture_output=True)
    bare_s = time.monotonic() - started
    demo = start(tmp_path, "--seconds", "6")
    assert demo.stdout is not None
    first = demo.stdout.readline()
    first_s = time.monotonic() - started - bare_s
    assert first_s < 1.0 + 3 * bare_s, "the first line comes at once, before what is slow to load"
    rest, faults = demo.communicate(timeout=90)
    told = first + rest
    assert (demo.returncode, faults) == (0, ""), told
    assert first == (
        "stream-cl demo: Image segments (UCI Statlog; comes with river), for 6 seconds\n"
    )
    assert re.search(r">>> kill -9 \d+: the pipeline that chooses is killed after step \d", told)
    assert re.search(r">>> one second later [1-9][\d,]* events wait", told)
    assert re.search(r">>> recovered in [\d.]+ s as incarnation 2: .* replayed \d", told)
    for side in ("chosen", "random"):
        published = "2,310 events of 2,310 were produced, 2,310 predictions published"
        assert f"  {side}: {published}" in told
    assert len(re.findall(r"unbiased \d+\.\d% \(\d+\.\d–\d+\.\d%\), naive \d", told)) == 2
    assert "OK: every event is predicted exactly once" in told
    assert "no-change baseline: 14.8%" in told
    assert "stream-cl demo --data my.csv" in told
    assert not alive(str(tmp_path)), "no process is left behind"
    (report,) = tmp_path.iterdir()
    assert report.name == REPORT, "nothing else is left, and the user's own log is not touched"
    assert f"The report, with pictures: {report}" in told
    assert "Every event is predicted exactly once, by both." in report.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_ended_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    demo = start(tmp_path, "--seconds", "60")
    until(lambda: len(alive(str(tmp_path))) >= 6, "producers, pipelines, annotators")
    demo.send_signal(number)
    told, faults = demo.communicate(timeout=30)
    assert (demo.returncode, faults) == (130, "")
    assert "stopped; nothing is left running" in told
    assert not alive(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_command_that_dies_is_reported_with_what_it_said(tmp_path: Path) -> None:
    """Whoever sees the demo fail must see why."""
    demo = start(tmp_path, "--seconds", "60")
    (annotator,) = until(
        lambda: [line for line in alive(str(tmp_path)) if "annotate" in line and "demo.y" in line],
        "an annotator",
    )
    _kill(annotator)
    told, faults = demo.communicate(timeout=30)
    assert demo.returncode == 1, told
    assert faults.startswith("stream-cl: the annotator ended by itself, with signal 9")
    assert not alive(str(tmp_path))


def _kill(line: str) -> None:
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        if " ".join(process.info["cmdline"] or []) == line:
            process.kill()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        ("a,b\n1,2\n", "has no column `label`"),
        ("a,label\n1,x\n1\n", ":3: 1 cells where"),
        ("a,label\n1,\n2,\n", "the column `label` is empty in all 2 rows"),
        (f"a,label\n1,{'x' * 300}\n", ":2: `label` 'xxx"),
    ],
)
def test_a_bad_file_is_one_line_and_2(tmp_path: Path, content: str | None, message: str) -> None:
    data = tmp_path / "d.csv"
    if content is not None:
        data.write_text(content)
    done = CliRunner().invoke(app, ["demo", "--data", str(data)])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert message in line


def test_keep_takes_a_new_or_empty_folder_only(tmp_path: Path) -> None:
    """A folder of the user's with other things in it must not be written into."""
    (tmp_path / "mine").write_text("")
    for folder in (tmp_path, tmp_path / "mine"):
        done = CliRunner().invoke(app, ["demo", "--keep", str(folder)])
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_report_that_cannot_be_written_is_known_before_the_show(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "none" / "r.html"):
        done = CliRunner().invoke(app, ["demo", "--report", str(file)])
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
        assert done.stderr.startswith(f"stream-cl: --report {file}: ")


def test_the_two_pipelines_differ_in_what_they_ask_alone(tmp_path: Path) -> None:
    """With any other difference the comparison would say nothing about asking."""
    stream = Source(None).write(tmp_path, seconds=1)
    chosen, random = (public(load(path, [], {})) for path in stream.configs.values())
    differences = {key for key in chosen if chosen[key] != random[key]}
    assert differences == {"transport", "query", "checkpoint"}
    assert (chosen["query"]["kind"], random["query"]["kind"]) == ("uncertainty", "random")
    assert chosen["checkpoint"] | {"path": ""} == random["checkpoint"] | {"path": ""}


def test_a_file_is_shown_as_far_as_the_time_allows(tmp_path: Path) -> None:
    """The events that are sent are those of the file, value by value."""
    data = tmp_path / "d.csv"
    body = "".join(f"{i},0{i},{i}.0,true,,{'' if i == 7 else i % 3}\n" for i in range(5000))
    data.write_text("int,text,float,bool,hole,label\n" + body)
    folder = tmp_path / "shown"
    folder.mkdir()
    stream = Source(data).write(folder, seconds=2)
    assert (stream.events, stream.rate, stream.cut) == (4000, 2000, True)
    assert stream.truth[5:9] == ["2", "0", None, "2"]
    copied, read = list(read_rows(stream.file)), list(read_rows(data))
    assert copied == read[:4000]
    whole = Source(data).write(folder, seconds=10)
    assert (whole.events, whole.rate, whole.cut) == (5000, 500, False)


def test_the_check_sees_what_is_missing_and_what_is_twice(tmp_path: Path) -> None:
    """A check that cannot fail proves nothing."""
    log, topics = SqliteTransport(tmp_path / "log.db", SystemClock()), Topics()
    topics.create(log, 1, None)

    def put(topic: str, *ids: str) -> None:
        rest = {"label": "x", "asked": False, "propensity": 0.1, "reason": "not_drawn"}
        values = [orjson.dumps({"id": id_, **rest}) for id_ in ids]
        log.append([Outgoing(topic, 0, [None] * len(ids), values)])

    def counted() -> Count:
        return Account(log, topics, ["x", "y", "x"]).count

    put(topics.events, "0", "1", "2")
    put(topics.predictions, "0", "1")
    assert (counted().missing, counted().once) == (1, False)
    put(topics.predictions, "2")
    assert counted().once
    put(topics.predictions, "1")
    assert (counted().repeated, counted().once) == (1, False)
    put(topics.predictions, "9")
    assert (counted().strangers, counted().predictions) == (1, 5)
    log.close()


def test_figures_are_against_the_truth(tmp_path: Path) -> None:
    log, topics = SqliteTransport(tmp_path / "log.db", SystemClock()), Topics()
    topics.create(log, 1, None)
    watch = Watch(log, topics, ["a", "b", "b", None], SystemClock())
    assert watch.accuracy is None
    for id_, label in (("0", None), ("1", "b"), ("2", "a"), ("3", "a")):
        asked = {"asked": id_ in "12", "propensity": {"1": 0.5, "2": 0.1}.get(id_, 0.1)}
        value = orjson.dumps({"id": id_, "label": label, **asked})
        log.append([Outgoing(topics.predictions, 0, [None], [value])])
    # An answer may be read before the prediction that it belongs to.
    for id_, label in (("1", "b"), ("2", "b")):
        value = orjson.dumps({"id": id_, "label": label})
        log.append([Outgoing(topics.labels, 0, [None], [value])])
    watch.poll()
    assert watch.predicted == 4
    assert [watch.accuracy, watch.no_change] == [1 / 3, 1 / 3]
    assert watch.naive is not None
    assert watch.unbiased is not None
    assert watch.naive.value == 1 / 2
    assert watch.unbiased.value == pytest.approx(2 / 12)
    log.close()


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    import io

    from rich.console import Console
    from rich.live import Live

    log, topics = SqliteTransport(tmp_path / "log.db", SystemClock()), Topics()
    topics.create(log, 1, None)
    watch = Watch(log, topics, [], SystemClock())
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with Live(console=console, auto_refresh=False) as live:
        shown = LiveTable(live, SystemClock())
        shown.say(">>> [bold] is no markup")
        watches = {CHOSEN: watch, RANDOM: watch}
        shown.update(watches, {CHOSEN: "running", RANDOM: "killed"})
    assert ">>> [bold] is no markup" in out.getvalue()
    assert "running, incarnation 0" in out.getvalue()
    assert "at random" in out.getvalue()
    log.close()


def test_children_end_however_the_demo_ends(tmp_path: Path) -> None:
    def die() -> None:
        with Children(tmp_path) as children:
            assert children.start("help", "consume", tmp_path / "no.yaml", "--topic", "events")
            until(lambda: children.log("help").stat().st_size, "its message")
            with pytest.raises(ChildDied, match=r"status 2; .*(.|\n)*no\.yaml"):
                until(lambda: children.check("help"), "its end")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die()
    assert not alive(str(tmp_path))


def test_signals_are_noted_and_given_back() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with end_asked() as ended:
        assert not ended()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert ended()
    assert signal.getsignal(signal.SIGHUP) is before
