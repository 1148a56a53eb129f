"""The command `stream-cl`. Adding a command is its file and its line in `COMMANDS`.

Command modules import what they need inside their functions: `stream-cl --help` imports
all of them and answers within half a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import typer

from stream_cl import __version__
from stream_cl.cli import (
    annotate,
    check,
    compare,
    consume,
    copy,
    dashboards,
    demo,
    doctor,
    drain,
    evaluate,
    explain,
    init,
    inspect,
    label,
    label_studio,
    produce,
    report,
    run,
    schema,
    topics,
)
from stream_cl.cli.common import emit, guarded

COMMANDS: Final[tuple[tuple[str, Callable[..., None]], ...]] = (
    ("demo", demo.command),
    ("init", init.command),
    ("check", check.command),
    ("schema", schema.command),
    ("run", run.command),
    ("produce", produce.command),
    ("annotate", annotate.command),
    ("label", label.command),
    ("label-studio", label_studio.command),
    ("consume", consume.command),
    ("copy", copy.command),
    ("evaluate", evaluate.command),
    ("compare", compare.command),
    ("topics", topics.command),
    ("inspect", inspect.command),
    ("drain", drain.command),
    ("explain", explain.command),
    ("dashboards", dashboards.command),
    ("report", report.command),
    ("doctor", doctor.command),
)

app = typer.Typer(
    name="stream-cl",
    help="Online learning on live streams: predict every event, ask for few labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain text: it is quicker to import, and never breaks a message into a box.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        emit(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    # Only `--version`, which acts before any command.
    return None


for _name, _command in COMMANDS:
    app.command(_name)(guarded(_command))


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="stream-cl")


if __name__ == "__main__":
    main()
