"""`stream-cl init`: a commented config with every default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_cl.cli.common import Sets, emit, say
from stream_cl.core.errors import UserError


def command(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write; stdout without it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE if it exists.")] = False,
    sets: Sets = None,
) -> None:
    """Write a commented config with every default."""
    from stream_cl.config.file import load
    from stream_cl.config.template import template

    text = template(load(None, sets or [], {}))
    if file is None:
        emit(text.rstrip("\n"))
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise UserError(f"{file} exists; name another file, or give --force") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}); name another") from None
    say(f"wrote {file}; next: stream-cl check {file}")
