"""Every error of the project, in one tree.

Two branches matter to a caller: `UserError` is a mistake of the user's (exit status 2,
one line, no traceback); everything else under `StreamClError` is a fault of the system
or of what it stands on (exit status 1). Bad input is not an error here: it is a
`Rejected`, which the pipeline turns into a dead letter and goes on.
"""

from __future__ import annotations


class StreamClError(Exception):
    """Root of the tree. The message says what was wrong, where, and what to do."""


class UserError(StreamClError):
    """A mistake of the user's: a config, an argument, a file that is not there."""


class ConfigError(UserError):
    """One or more mistakes in a config; one line each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class TransportError(StreamClError):
    """The log could not be read or written."""


class TransportCorrupt(TransportError):
    """What stands on disk is not a log that can be read."""


class TransportFull(TransportError):
    """No room is left; nothing of the step was written."""


class UnknownTopic(TransportError):
    """A topic, or a partition of it, does not exist."""


class OffsetOutOfRange(TransportError):
    """The records asked for have expired or were never written."""


class RecordTooLarge(TransportError):
    """A record is larger than the log takes."""


class Fenced(TransportError):
    """Another process has become the writer; this one must stop."""


class RecoveryError(StreamClError):
    """The state cannot be rebuilt from the log; the message names the ways out."""


class InputChanged(RecoveryError):
    """A slice of the manifest is gone, or its count or digest is another."""


class ReplayMismatch(RecoveryError):
    """Replaying a step gave other outputs or another discrete state."""


class BrokenFence(RecoveryError):
    """A record of an older incarnation stands behind a newer one's OPEN record."""


class StateIncompatible(RecoveryError):
    """Config, code or format changed where no checkpoint stands at the manifest's tail."""


class CheckpointCorrupt(StreamClError):
    """A checkpoint's bytes are not those that were written."""


class LearnerFailed(StreamClError):
    """A learner raised, or its parameters are no longer finite."""


class Rejected(Exception):
    """A record that cannot be used. Becomes a dead letter with this code and reason.

    Args:
        code: a short snake_case word out of `core.records.DEAD_LETTER_CODES`.
        reason: one line for a person; never longer than `limits.REASON_CHARS`.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
