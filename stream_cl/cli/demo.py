"""`stream-cl demo`: a real stream is predicted and learned; the pipeline is killed and recovers.

Producer, pipeline and annotator are the commands that a user types, as processes over the
embedded log. The demo itself only starts and kills them, and reads the topics. Everything runs
twice beside each other: one pipeline chooses what it asks, the other asks at random.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream_cl.cli.common import FAULT
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.cli.demo_stream import Stream

REPORT: Final = "stream-cl-demo-report.html"
NEXT: Final = """
Next, with a stream of your own (a CSV; the column `label` is the truth):
  stream-cl demo --data my.csv
  stream-cl evaluate --data my.csv                the figures, without a log and as fast as it goes
  stream-cl init my.yaml                          a config with every key explained
  stream-cl run my.yaml                           and, in other terminals,
  stream-cl produce my.yaml --data my.csv --rate 100
  stream-cl annotate my.yaml --truth my.csv --delay 2"""


def command(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="A .csv or .csv.gz with a column `label`."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=600, metavar="N", help="How long the stream is shown.")
    ] = 30,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="Keep log, config and checkpoints there."),
    ] = None,
    report: Annotated[
        Path,
        typer.Option("--report", metavar="FILE", help="Where the report, a web page, is written."),
    ] = Path(REPORT),
) -> None:
    """Watch a real stream being predicted and learned, and its pipeline killed and recovered."""
    from stream_cl.cli.demo_screen import tell
    from stream_cl.cli.demo_stream import Source

    _check_writable(report)
    source = Source(data)
    with _folder(keep) as folder:
        tell(f"stream-cl demo: {source.name}, for {seconds:g} seconds")
        from stream_cl.cli.demo_processes import end_asked

        with end_asked() as ended:
            kept = _play(source.write(folder, seconds), folder, report, ended)
        tell(f"\nThe report, with pictures: {report.absolute()}")
        if keep is None:
            tell("The folder is removed; with --keep FOLDER it stays, to be looked into.")
        else:
            tell(f"Log, config and checkpoints are kept in {folder}; look into them with")
            tell(f"  stream-cl inspect {folder / 'demo.yaml'}")
            tell(f"  stream-cl consume {folder / 'demo.yaml'} --topic predictions --limit 5")
    tell(NEXT)
    if not kept:
        raise typer.Exit(FAULT)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where everything is written: the user's folder, or one that is removed again."""
    if keep is None:
        with TemporaryDirectory(prefix="stream-cl-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    folder = keep.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise UserError(f"--keep {keep}: {error.strerror}; name a folder to be made") from None
    if used:
        raise UserError(f"--keep {keep}: is not empty; name a folder that is new or empty")
    yield folder


def _check_writable(report: Path) -> None:
    """Know at once, and not after the show, that the report cannot be written.

    Raises:
        UserError: it cannot.
    """
    folder = report.absolute().parent
    if report.is_dir():
        raise UserError(f"--report {report}: is a folder; name a file")
    if not folder.is_dir():
        raise UserError(f"--report {report}: there is no folder {folder}; name one that is there")
    if not os.access(report if report.exists() else folder, os.W_OK):
        raise UserError(f"--report {report}: may not be written; name another file")


def _play(stream: Stream, folder: Path, report: Path, ended: Callable[[], bool]) -> bool:
    """Run everything over the stream; whether what was promised holds."""
    from stream_cl.build import create_topics, open_transport
    from stream_cl.cli.demo_account import Account
    from stream_cl.cli.demo_figures import Told
    from stream_cl.cli.demo_processes import Children
    from stream_cl.cli.demo_report import write
    from stream_cl.cli.demo_screen import screen
    from stream_cl.cli.demo_stage import Stage
    from stream_cl.cli.demo_watch import Watch
    from stream_cl.config.file import load
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()
    with ExitStack() as stack:
        logs, topics, watches = {}, {}, {}
        for side, path in stream.configs.items():
            config = load(path, [], {})
            logs[side] = open_transport(config, clock)
            stack.callback(logs[side].close)
            topics[side] = create_topics(config, logs[side])
            watches[side] = Watch(logs[side], topics[side], stream.truth, clock)
        # Whatever happens, no process stays.
        with Children(folder) as children, screen(clock) as shown:
            stage = Stage(stream, children, watches, shown, clock, ended)
            stage.introduce()
            stage.begin()
            stage.kill_and_recover()
            stage.finish()
        accounts = {side: Account(logs[side], topics[side], stream.truth) for side in logs}
        kept = stage.check(accounts)
    assert stage.recovery is not None
    assert config.budget.kind == "quantile"
    write(report, Told(stream, accounts, stage.recovery, kept, config.budget.fraction))
    return kept
