"""From keyword arguments, or a snapshot, to a config; or to every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from stream_cl import __version__
from stream_cl.config import Config
from stream_cl.config.messages import locate, message
from stream_cl.config.yaml import key_text
from stream_cl.core.errors import CheckpointCorrupt, ConfigError, StateIncompatible
from stream_cl.core.snapshot import Snapshot

FORMAT: Final = 1
"""Of what `Pipeline.snapshot` gives; the arrays inside have the format of checkpoints."""
LOG_ONLY: Final = frozenset(
    {
        "transport", "client", "delivery", "kafka", "start", "topics", "format", "checkpoint",
        "http", "log", "label", "label_studio", "tracing",
        "step.max_ms", "step.poll_ms", "labels.delay", "labels.annotators", "labels.error_rate",
        "learner.compute_ms",
    }
)  # fmt: skip
"""Config keys that say something of a log, a process or a clock: none of them is here."""


def checked(sections: Mapping[str, Any]) -> Config:
    """The config of these sections.

    Raises:
        ConfigError: with a line for every mistake.
    """
    dotted = {f"{name}.{key}" for name, part in sections.items() if isinstance(part, Mapping)
              for key in part}  # fmt: skip
    mistakes = [
        f"{key}: has no effect without a log; leave it out"
        for key in sorted(LOG_ONLY & {*sections, *dotted})
    ]
    try:
        config = Config.model_validate(dict(sections))
    except ValidationError as failed:
        for error in failed.errors(include_url=False):
            if error["type"] == "relations":
                mistakes += [f"{keys[0]}: {what}" for keys, what in error["ctx"]["broken"]]
            else:
                place = locate(error["loc"])
                kind = ("kind",) if error["type"] == "union_tag_invalid" else ()
                mistakes.append(f"{key_text(place.path + kind)}: {message(error, place, None)}")
        config = None
    if config is None or mistakes:
        raise ConfigError(mistakes)
    return config


def config_of(snapshot: Snapshot) -> Config:
    """The config that a snapshot was taken with.

    Raises:
        CheckpointCorrupt: it is no snapshot of a pipeline.
        StateIncompatible: this version cannot read it.
    """
    if not isinstance(snapshot, dict) or not {"format", "config", "state"} <= snapshot.keys():
        raise CheckpointCorrupt("not a saved pipeline; take what Pipeline.save wrote")
    if snapshot["format"] != FORMAT:
        raise StateIncompatible(unreadable(snapshot, f"format {snapshot['format']}"))
    try:
        return Config.model_validate(snapshot["config"])
    except ValidationError as error:
        raise StateIncompatible(unreadable(snapshot, "another config")) from error


def unreadable(snapshot: Snapshot, why: object) -> str:
    return (
        f"saved by stream_cl {snapshot.get('version')}, which this version, {__version__}, cannot "
        f"read ({why}); load it with that version"
    )
