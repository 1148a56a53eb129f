"""`stream-cl dashboards export`: what Grafana and Prometheus are given."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from stream_cl.cli.common import emit, say
from stream_cl.core.errors import UserError


class Action(Enum):
    """What is done."""

    EXPORT = "export"


def command(
    action: Annotated[Action, typer.Argument(help="export: write the files.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to write into; made if missing.")
    ] = Path("observe"),
    runbooks: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where you keep docs/runbooks.md, for the links to it."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there with other content.")
    ] = False,
) -> None:
    """Write dashboards for Grafana, its provisioning, and alerts for Prometheus."""
    assert action is Action.EXPORT
    from stream_cl.observe.alerts import RUNBOOKS
    from stream_cl.observe.rendered import files

    if runbooks is not None and not _is_link(runbooks):
        raise UserError(
            f"--runbooks {runbooks}: not an address that a browser opens; give http://… or https://…"
        )
    found = files(runbooks or RUNBOOKS)
    try:
        changed = [path for path, text in found.items() if _differs(out / path, text)]
        if changed and not force:
            raise UserError(
                f"{out / changed[0]} exists with other content"
                f"{f', and {len(changed) - 1} more' if len(changed) > 1 else ''}; name another "
                "folder with --out, or give --force"
            )
        for path, text in found.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{error.filename or out}: cannot be written ({error.strerror}); name another folder "
            "with --out"
        ) from None
    emit("\n".join(str(out / path) for path in found))
    say(f"wrote {len(found)} files; deploy/grafana/README.md says where they belong")


def _is_link(text: str) -> bool:
    """Whether a text is an address that is safe inside JSON and YAML as it stands."""
    plain = text.isprintable() and not set(text) & set(" \"'\\<>`{}#")
    return plain and text.startswith(("http://", "https://"))


def _differs(path: Path, text: str) -> bool:
    """Whether a file is there that is another than the one to write."""
    try:
        return path.read_bytes() != text.encode()
    except FileNotFoundError:
        return False
