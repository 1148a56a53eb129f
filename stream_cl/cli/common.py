"""What all commands share: options, the exit status, what goes to stdout and stderr.

Exit status: 0; 1 for a fault of the program's or of what it stands on; 2 for a mistake of
the user's; 130 after an interrupt. Results go to stdout, talk goes to stderr.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, Protocol

import typer

from stream_cl.core.errors import ConfigError, StreamClError, UserError

if TYPE_CHECKING:
    from stream_cl.config import Config

FAULT, MISTAKE, INTERRUPTED = 1, 2, 130

P = ParamSpec("P")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY.PATH=VALUE", help="Lay a value over the config; may be repeated."
    ),
]


def say(text: str) -> None:
    """Talk: one line or more to stderr."""
    sys.stderr.write(f"{text}\n")


def emit(text: str) -> None:
    """A result: one line or more to stdout."""
    sys.stdout.write(f"{text}\n")


def read_config(path: Path | None, sets: list[str] | None) -> Config:
    """The config with the environment and `--set` laid over it.

    Raises:
        ConfigError: with every mistake.
    """
    # pydantic takes longer to import than `--help` may take to answer.
    from stream_cl.config import environment
    from stream_cl.config.file import load

    return load(path, sets or [], environment())


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command, with errors turned into an exit status and something to read."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except ConfigError as error:
            say(str(error))
            raise typer.Exit(MISTAKE) from None
        except UserError as error:
            say(f"stream-cl: {error}")
            raise typer.Exit(MISTAKE) from None
        except StreamClError as error:
            say(f"stream-cl: {error}")
            raise typer.Exit(FAULT) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _stop_writing()
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception:
            import traceback

            traceback.print_exc()
            say("stream-cl: this is a fault of the program; please report the lines above")
            raise typer.Exit(FAULT) from None

    return run


def _stop_writing() -> None:
    """Whoever read our output has left (`| head`): write no more, not even while exiting."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def stop_asked() -> Iterator[Callable[[], bool]]:
    """A function that says whether SIGINT or SIGTERM came: for commands that end cleanly.

    The second signal does what it always does, for a user who will not wait.
    """
    asked = False
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        restore()


class Advance(Protocol):
    def __call__(self, done: int) -> None:
        """Say how much is done by now."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A moving line on stderr while it is a terminal; nothing otherwise.

    Args:
        what: what is counted.
        total: how many there will be, if that is known.
    """
    if not sys.stderr.isatty():
        yield _in_silence
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, rate=0.0)

        def advance(done: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=done, rate=done / elapsed if elapsed else 0.0)

        yield advance


def _in_silence(done: int) -> None:
    return None
