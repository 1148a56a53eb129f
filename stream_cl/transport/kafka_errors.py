"""What a broker's refusal means, and what to do about it: one table for all clients.

Error codes are those of Kafka's protocol (https://kafka.apache.org/protocol#protocol_error_codes);
every client library hands them out.
"""

from __future__ import annotations

from typing import Final

from stream_cl.core.errors import (
    Fenced,
    OffsetOutOfRange,
    RecordTooLarge,
    StreamClError,
    TransportError,
    UnknownTopic,
)

OFFSET_OUT_OF_RANGE: Final = 1
UNKNOWN_TOPIC_OR_PARTITION: Final = 3
TOPIC_AUTHORIZATION_FAILED: Final = 29
_TOO_LARGE: Final = (10, 18)  # MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE
_FENCED: Final = (47, 90)  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED

_ACLS: Final = {
    29: ("the topic", "Read, Write and Describe on it (`kafka-acls --topic`)"),
    30: ("the group", "Read on it (`kafka-acls --group`)"),
    31: ("the cluster", "IdempotentWrite or, to make topics, Create (`kafka-acls --cluster`)"),
    53: ("the transactional id", "Write and Describe on it (`kafka-acls --transactional-id`)"),
}
"""Authorisation errors: what was refused, and which ACL lets it through."""

_REASONS: Final = {
    19: "fewer copies are in sync than the topic's min.insync.replicas; bring brokers back",
    37: "the number of partitions is refused; give another topics.partitions",
    38: "there are fewer brokers than copies asked for; set kafka.replication lower",
    40: "a setting of the topic is refused by the broker",
    44: "the broker's policy refuses it; ask who runs the cluster",
    50: "kafka.transaction_timeout_ms is more than the broker's transaction.max.timeout.ms",
    58: "the broker refused the user name or the password",
}


def refused(
    code: int | None,
    doing: str,
    *,
    topic: str | None = None,
    group: str | None = None,
    transactional_id: str | None = None,
    detail: str = "",
) -> StreamClError:
    """The error that tells of a refusal.

    Args:
        code: of the protocol; None where the library failed by itself.
        doing: what was tried, as in "reading events[0]"; begins the message.
        topic: what it was about, where known.
        group: likewise.
        transactional_id: likewise.
        detail: what the library says, for what is not in the table.
    """
    if code == OFFSET_OUT_OF_RANGE:
        return OffsetOutOfRange(f"{doing}: the records there have expired or were never written")
    if code == UNKNOWN_TOPIC_OR_PARTITION:
        return UnknownTopic(f"{doing}: there is no such topic or partition; create it")
    if code in _TOO_LARGE:
        return RecordTooLarge(
            f"{doing}: a record is larger than the topic's max.message.bytes; raise it to "
            "2097152, or run `stream-cl topics check`"
        )
    if code in _FENCED:
        return Fenced(
            f"{doing}: another process has become the writer {transactional_id or ''}".rstrip()
            + "; this one must stop"
        )
    if code in _ACLS:
        what, acl = _ACLS[code]
        name = {29: topic, 30: group, 53: transactional_id}.get(code)
        named = f"{what} {name}" if name else what
        return TransportError(f"{doing}: {named} is refused to this user; it needs {acl}")
    reason = _REASONS.get(code or -1, "")
    said = " ".join(detail.split())
    return TransportError(f"{doing}: {': '.join(part for part in (reason, said) if part)}")


def no_answer(doing: str, bootstrap: tuple[str, ...], seconds: float) -> TransportError:
    """The error of a broker that is silent, or gone, longer than a bound."""
    return TransportError(
        f"{doing}: no answer from Kafka ({', '.join(bootstrap)}) for {seconds:.0f} s; see whether "
        "its brokers are up with `stream-cl doctor`"
    )
