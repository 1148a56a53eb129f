"""`stream-cl check`: every mistake in a config at once."""

from __future__ import annotations

import typer

from stream_cl.cli.common import MISTAKE, ConfigPath, Sets, emit, read_config
from stream_cl.core.errors import ConfigError, UserError


def command(config: ConfigPath, sets: Sets = None) -> None:
    """Check a config: prints every mistake in it at once; exit status 2 if there is one."""
    from stream_cl.config.rules import encoded_width

    try:
        settings = read_config(config, sets)
        if settings.learner.kind == "river":
            # Only river knows its models and their parameters; the other kinds are whole here.
            from stream_cl import build

            build.learner(settings.learner, encoded_width(settings), settings.seed)
    except ConfigError as error:
        # Here the mistakes are the result, so they go to stdout.
        emit(str(error))
        raise typer.Exit(MISTAKE) from None
    except UserError as error:
        emit(f"{config}: learner: {error}")
        raise typer.Exit(MISTAKE) from None
    emit(f"{config}: no mistakes")
