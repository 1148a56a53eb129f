"""The control topic: commands that are an input of the step like any other.

`{"v":1,"command":"pause"}` stops the asking from the next step on, `"resume"` takes it up.
Predictions and learning go on all the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from stream_cl.core.records import DeadLetter, RawRecords

COMMANDS: Final = ("pause", "resume")


def decode(raw: RawRecords) -> tuple[list[str], list[DeadLetter]]:
    """The commands, in their order, and what is none."""
    commands, letters = [], []
    for row, value in enumerate(raw.values):
        try:
            command = orjson.loads(value or b"")["command"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            command = None
        if isinstance(command, str) and command in COMMANDS:
            commands.append(command)
        else:
            reason = f"`command` must be one of {', '.join(COMMANDS)}"
            letters.append(DeadLetter(raw.source(row), raw.keys[row], value, "bad_control", reason))
    return commands, letters


def asking(before: bool, commands: Sequence[str]) -> bool:
    """Whether the pipeline asks after these commands."""
    return commands[-1] == "resume" if commands else before
