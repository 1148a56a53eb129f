"""The control topic: commands that are an input of the step like any other.

`{"v":1,"command":"pause"}` stops the asking from the next step on, `"resume"` takes it up.
Predictions and learning go on all the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from stream_cl.core.errors import Rejected
from stream_cl.core.records import DeadLetter, RawRecords
from stream_cl.decode.fields import check_version

COMMANDS: Final = ("pause", "resume")


def decode(raw: RawRecords) -> tuple[list[str], list[DeadLetter]]:
    """The commands, in their order, and what is none."""
    commands, letters = [], []
    for row, value in enumerate(raw.values):
        command = _command(value)
        if command is not None:
            commands.append(command)
        else:
            reason = f"`command` must be one of {', '.join(COMMANDS)}, and `v` 1 or left out"
            letters.append(DeadLetter(raw.source(row), raw.keys[row], value, "bad_control", reason))
    return commands, letters


def _command(value: bytes | None) -> str | None:
    try:
        document = orjson.loads(value or b"")
        check_version(document)
        command = document["command"]
    except (orjson.JSONDecodeError, Rejected, KeyError, TypeError, AttributeError):
        return None
    return command if isinstance(command, str) and command in COMMANDS else None


def asking(before: bool, commands: Sequence[str]) -> bool:
    """Whether the pipeline asks after these commands."""
    return commands[-1] == "resume" if commands else before
