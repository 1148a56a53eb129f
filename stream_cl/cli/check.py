"""`stream-cl check`: every mistake in a config at once."""

from __future__ import annotations

import typer

from stream_cl.cli.common import MISTAKE, ConfigPath, Sets, emit, read_config
from stream_cl.core.errors import ConfigError


def command(config: ConfigPath, sets: Sets = None) -> None:
    """Check a config: prints every mistake in it at once; exit status 2 if there is one."""
    try:
        read_config(config, sets)
    except ConfigError as error:
        # Here the mistakes are the result, so they go to stdout.
        emit(str(error))
        raise typer.Exit(MISTAKE) from None
    emit(f"{config}: no mistakes")
