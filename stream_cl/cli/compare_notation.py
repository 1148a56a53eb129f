"""Strategies and budgets by name, as `stream-cl compare` takes them on its command line.

    uncertainty                              a kind, with its default settings
    uncertainty:measure=entropy              with settings
    class_balance:of.kind=uncertainty        a dot goes into a section inside
    {kind: uncertainty, measure: entropy}    YAML says the same

Several are separated by commas; commas inside brackets belong to what stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from stream_cl.core.errors import UserError

_OPENING: Final = "{[("
_CLOSING: Final = "}])"


def split(given: Sequence[str]) -> list[str]:
    """What the uses of an option name, each once, in their order."""
    found: dict[str, None] = {}
    for text in given:
        depth, part = 0, ""
        for letter in text:
            depth += (letter in _OPENING) - (letter in _CLOSING)
            if letter == "," and depth == 0:
                found[part.strip()] = None
                part = ""
            else:
                part += letter
        found[part.strip()] = None
    return [name for name in found if name]


def section(option: str, text: str) -> dict[str, Any]:
    """The section of the config that a text stands for; not validated.

    Args:
        option: how the option is called, for messages.
        text: one of what `split` returns.

    Raises:
        UserError: it cannot be read.
    """
    if text.startswith("{"):
        data = _yaml(option, text, text)
        if not isinstance(data, dict) or "kind" not in data:
            raise UserError(f"{option} {text}: has no `kind`; begin with it: {{kind: NAME, …}}")
        return data
    kind, *settings = text.split(":")
    found: dict[str, Any] = {"kind": kind}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise UserError(
                f"{option} {text}: {setting!r} is no setting; give kind:key=value, or YAML as "
                "{kind: NAME, key: VALUE}"
            )
        *outer, last = key.split(".")
        inner = found
        for name in outer:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise UserError(f"{option} {text}: {name!r} has a value and settings; give one")
        inner[last] = _yaml(option, text, value)
    return found


def as_set(name: str, data: dict[str, Any]) -> str:
    """A section as `--set` takes it."""
    return f"{name}={orjson.dumps(data).decode()}"


def _yaml(option: str, text: str, value: str) -> Any:
    from stream_cl.config.yaml import parse

    read = parse(value, f"{option} {text}")
    if read.mistakes:
        raise UserError(read.mistakes[0][1])
    return read.data
